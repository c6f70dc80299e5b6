"""A client on PyPI `mcp` 2, in either protocol era; it speaks the lines of `lines.py`.

python call_mcp_2.py SERVER legacy|modern

SERVER is the URL of an MCP endpoint, that of an event stream (`…/sse`), or the path of a program
that speaks MCP on its standard streams when it is told `--stdio`.
"""

import asyncio
import os
import sys

from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.types import CompleteResult, ElicitResult, PromptReference, ResourceTemplateReference

from lines import USER_SAYS, answer_lines, as_json, pinned

MODES = {"modern": "auto", "legacy": "legacy"}


async def complete(client: Client, ref: dict, argument: dict) -> CompleteResult:
    kinds = {"ref/prompt": PromptReference, "ref/resource": ResourceTemplateReference}
    return await client.complete(kinds[ref["type"]].model_validate(ref), argument)


async def ask_user(_context: object, _params: object) -> ElicitResult:
    return ElicitResult(action=USER_SAYS, content={"confirm": USER_SAYS == "accept"})


def connection(server: str) -> object:
    if not server.startswith("http"):
        return StdioServerParameters(command=server, args=["--stdio"], env=dict(os.environ))
    return sse_client(server) if server.endswith("/sse") else server


async def main(server: str, era: str) -> None:
    user = ask_user if USER_SAYS else None
    async with Client(connection(server), mode=MODES[era], elicitation_callback=user) as client:

        async def answer(request: dict) -> dict:
            if "call" in request:
                return as_json(
                    await client.call_tool(request["call"], request.get("arguments", {}))
                )
            if "read" in request:
                return as_json(await client.read_resource(request["read"]))
            if "prompt" in request:
                arguments = request.get("arguments", {})
                return as_json(await client.get_prompt(request["prompt"], arguments))
            if "complete" in request:
                return as_json(await complete(client, **request["complete"]))
            lists = {
                "tools": client.list_tools,
                "resources": client.list_resources,
                "templates": client.list_resource_templates,
                "prompts": client.list_prompts,
            }
            return as_json(await lists[request["list"]](cache_mode="bypass"))

        await answer_lines(client.session.protocol_version, pinned("mcp"), answer)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
