"""A client on PyPI `fastmcp` 2 or 4, as it is by default; it speaks the lines of `lines.py`.

python call_fastmcp.py URL legacy|modern
"""

import asyncio
import sys

from fastmcp import Client

from lines import answer_lines, as_json, pinned


async def main(url: str, _era: str) -> None:
    async with Client(url) as client:

        async def answer(request: dict) -> dict:
            if "call" in request:
                result = await client.call_tool(request["call"], request.get("arguments", {}))
                content = [as_json(block) for block in result.content]
                return {"content": content, "structuredContent": result.structured_content}
            return {"tools": [as_json(tool) for tool in await client.list_tools()]}

        revision = (
            getattr(client, "protocol_version", None) or client.initialize_result.protocolVersion
        )
        await answer_lines(revision, pinned("fastmcp"), answer)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
