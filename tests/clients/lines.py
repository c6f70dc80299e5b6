"""The lines that every client program of this folder speaks over its standard input and output.

A program first prints `{"connected": REVISION, "package": "NAME VERSION"}`. Then it reads one JSON
request per line (`{"call": "tool", "arguments": {}}`, `{"list": "tools"}`) and prints for each what
a user of the client sees: `{"result": …}` or `{"error": {"type", "message", "code", "data"}}`.
`call.mjs` speaks the same lines. That and `call_mcp_2.py` list `resources`, `templates` and
`prompts`, too, and know `{"read": "uri"}`, `{"prompt": "name", "arguments": {}}` and
`{"complete": {"ref": {}, "argument": {}}}`.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import version

USER_SAYS = os.environ.get("USER_SAYS")
"""The action of the user whom a server asks, `accept` or `decline`; of a client without one where
it is not set. The programs on PyPI `mcp` have such a user."""
LONGEST_LINE = 1 << 24
"""Bytes of a request: more than any test sends; asyncio's own 64 KiB are less than some do."""


async def answer_lines(
    revision: object, package: str, answer: Callable[[dict], Awaitable[dict]]
) -> None:
    """Says that the client is connected, then answers each request until standard input ends.

    `answer` returns the result of a request as a client's user gets it, or raises what the client
    raises. Standard input is read without a thread, so that a client whose tasks are cancelled ends
    at once.
    """
    say({"connected": str(revision), "package": package})
    requests = asyncio.StreamReader(LONGEST_LINE)
    protocol = asyncio.StreamReaderProtocol(requests)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    while line := await requests.readline():
        try:
            say({"result": await answer(json.loads(line))})
        except Exception as error:  # noqa: BLE001 - whatever the client raises is the finding
            say({"error": described(error)})


def pinned(package: str) -> str:
    """Names an installed package with its version."""
    return f"{package} {version(package)}"


def described(error: Exception) -> dict:
    """Describes an exception by its text, and by code and data where the client keeps them."""
    return {
        "type": type(error).__name__,
        "message": str(error),
        "code": getattr(error, "code", None)
        or getattr(getattr(error, "error", None), "code", None),
        "data": getattr(error, "data", None),
    }


def as_json(model: object) -> dict:
    """Turns a message of pydantic's into what it was on the wire."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def say(line: dict) -> None:
    """Prints one line of JSON at once."""
    print(json.dumps(line), flush=True)
