"""Tries each form of refusal on each client and prints what its user sees, as a table.

    PORTCULLIS_HOME=… python refusal_forms.py

The decision that rests on it is docs/decisions/0001-status-codes.md.
"""

import os
from pathlib import Path

from scripted_server import Form, ScriptedServer
from sdk_client import SDKS, SdkClient

SENTENCE = "wait 7 seconds, then call again"
RETRY = {"retry-after": "7"}
FORMS = {
    "429, code 42900": Form(429, 42900, RETRY),
    "200, code 42900": Form(200, 42900, RETRY),
    "403, code 40300": Form(403, 40300),
    "200, code 40300": Form(200, 40300),
    "401, code 40100": Form(401, 40100, {"www-authenticate": "Bearer"}),
    "200, code -32602": Form(200, -32602),
    "400, code -32602": Form(400, -32602),
    "200, isError": Form(200, None),
    "429, isError": Form(429, None, RETRY),
    "400, code -32020": Form(400, -32020),
    "400, code -32700, id null": Form(400, -32700, keeps_id=False),
    "404, code -32601": Form(404, -32601),
    "413, code -32600, id null": Form(413, -32600, keeps_id=False),
    "503, code 50300": Form(503, 50300),
    "429, text/plain": Form(429, None, RETRY, "text/plain"),
}


def verdict(seen: dict, calls: int) -> str:
    """One cell: whether the sentence shows and how, and whether the client called again by itself."""
    if "result" in seen:
        text = "".join(part.get("text", "") for part in seen["result"]["content"])
        how = "result" if SENTENCE in text else "hidden (result)"
    else:
        error = seen["error"]
        if SENTENCE not in error["message"]:
            how = f"hidden: `{error['message'][:50]}`"
        elif error["message"].removeprefix(f"MCP error {error['code']}: ") == SENTENCE:
            how = f"error {error['code']}"
        else:
            how = "inside the raw body"
    return how if calls == 1 else f"{how}, {calls} calls"


def main() -> None:
    home = Path(os.environ["PORTCULLIS_HOME"])
    server = ScriptedServer(FORMS, SENTENCE)
    columns = {}
    for sdk in SDKS:
        column = columns[sdk.label] = {}
        with SdkClient(sdk, server.url, home) as client:
            client.tools()
            for name in FORMS:
                server.calls.clear()
                seen = client.call("refuse", {"form": name})
                column[name] = verdict(seen, server.calls[name])
    server.close()
    print("| form | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name in FORMS:
        print(f"| {name} | " + " | ".join(column[name] for column in columns.values()) + " |")


if __name__ == "__main__":
    main()
