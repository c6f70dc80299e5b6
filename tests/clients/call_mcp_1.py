"""A client on PyPI `mcp` 1.9 to 1.30; it speaks the lines of `lines.py`.

python call_mcp_1.py URL legacy
"""

import asyncio
import sys

from mcp import ClientSession, types
from mcp.client.streamable_http import streamablehttp_client

from lines import USER_SAYS, answer_lines, as_json, pinned


async def ask_user(_context: object, _params: object) -> object:
    return types.ElicitResult(action=USER_SAYS, content={"confirm": USER_SAYS == "accept"})


async def main(url: str, _era: str) -> None:
    # 1.9 knows no such user.
    user = {"elicitation_callback": ask_user} if USER_SAYS else {}
    async with (
        streamablehttp_client(url) as (incoming, outgoing, _),
        ClientSession(incoming, outgoing, **user) as session,
    ):
        introduced = await session.initialize()

        async def answer(request: dict) -> dict:
            if "call" in request:
                return as_json(
                    await session.call_tool(request["call"], request.get("arguments", {}))
                )
            return as_json(await session.list_tools())

        await answer_lines(introduced.protocolVersion, pinned("mcp"), answer)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
