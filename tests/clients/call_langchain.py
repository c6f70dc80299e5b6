"""A client on PyPI `langchain-mcp-adapters`; it speaks the lines of `lines.py`.

    python call_langchain.py URL legacy

A result is the `ToolMessage` that a model is handed, with the fields of an MCP result: `isError` is
its status.
"""

import asyncio
import sys

from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import convert_mcp_tool_to_langchain_tool
from mcp.types import Tool

from lines import answer_lines, as_json, pinned


async def main(url: str, _era: str) -> None:
    adapter = MultiServerMCPClient({"gateway": {"transport": "streamable_http", "url": url}})
    async with adapter.session("gateway", auto_initialize=False) as session:
        introduced = await session.initialize()

        async def answer(request: dict) -> dict:
            if "call" not in request:
                return as_json(await session.list_tools())
            # By name, so that a tool can be called that has gone since it was listed.
            tool = Tool(
                name=request["call"],
                description="",
                inputSchema={"type": "object", "properties": {}},
            )
            call = {
                "type": "tool_call",
                "id": "1",
                "name": tool.name,
                "args": request.get("arguments", {}),
            }
            message = await convert_mcp_tool_to_langchain_tool(session, tool).ainvoke(call)
            return {"content": message.content, "isError": message.status == "error"}

        await answer_lines(introduced.protocolVersion, pinned("langchain-mcp-adapters"), answer)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
