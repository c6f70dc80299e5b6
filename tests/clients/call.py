"""An MCP client on the official Python SDK, driven line by line.

    python call.py URL modern|legacy

Prints one JSON line when connected, then reads one JSON request per line of standard input (`{"call": "tool",
"arguments": {}}`, `{"list": "tools"}`) and prints one JSON line for each: what a user of the SDK sees.
`call.mjs` speaks the same lines over the two TypeScript SDKs.
"""

import asyncio
import json
import sys

from mcp import Client

MODES = {"modern": "auto", "legacy": "legacy"}


def seen(error: BaseException) -> dict:
    """What the exception tells the user: its text, and code and data where the SDK keeps them."""
    return {
        "error": {
            "type": type(error).__name__,
            "message": str(error),
            "code": getattr(error, "code", None),
            "data": getattr(error, "data", None),
        }
    }


async def answer(client: Client, request: dict) -> dict:
    try:
        if "call" in request:
            result = await client.call_tool(request["call"], request.get("arguments", {}))
        else:
            result = await client.list_tools(cache_mode="bypass")
        return {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)}
    except Exception as error:  # noqa: BLE001 - whatever the SDK raises is the finding
        return seen(error)


def say(line: dict) -> None:
    print(json.dumps(line), flush=True)


async def main(url: str, era: str) -> None:
    async with Client(url, mode=MODES[era]) as client:
        say({"connected": str(client.session.protocol_version)})
        while line := await asyncio.to_thread(sys.stdin.readline):
            say(await answer(client, json.loads(line)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
