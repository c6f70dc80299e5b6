"""A client on PyPI `mcp` 2, in either protocol era; it speaks the lines of `lines.py`.

python call_mcp_2.py URL legacy|modern
"""

import asyncio
import sys

from mcp import Client

from lines import answer_lines, as_json, pinned

MODES = {"modern": "auto", "legacy": "legacy"}


async def main(url: str, era: str) -> None:
    async with Client(url, mode=MODES[era]) as client:

        async def answer(request: dict) -> dict:
            if "call" in request:
                return as_json(
                    await client.call_tool(request["call"], request.get("arguments", {}))
                )
            return as_json(await client.list_tools(cache_mode="bypass"))

        await answer_lines(client.session.protocol_version, pinned("mcp"), answer)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
