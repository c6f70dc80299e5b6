"""Tries each form of refusal on each client and prints how its user sees it, as a table.

    PORTCULLIS_HOME=… python refusal_forms.py

The decision that rests on it is docs/decisions/0001-status-codes.md.
"""

import os
from pathlib import Path

from outcomes import form_of
from scripted_server import Form, ScriptedServer
from sdk_client import CLIENTS, NoAnswer, Sdk, SdkClient

PATIENCE = 15.0
"""Seconds without an answer after which a client counts as hanging."""
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


def verdict(client: SdkClient, form: str, server: ScriptedServer) -> str:
    """Asks for one form, and says how the sentence shows and whether the client called again."""
    server.calls.clear()
    try:
        how = form_of(client.call("refuse", {"form": form}), SENTENCE)
    except NoAnswer:
        return "**session dead**"
    calls = server.calls[form]
    return how if calls == 1 else f"{how}, {calls} calls"


def column_of(sdk: Sdk, server: ScriptedServer, home: Path) -> dict[str, str]:
    """Tries every form on a client; one that has ended is started again for the next form."""
    cells: dict[str, str] = {}
    while len(cells) < len(FORMS):
        with SdkClient(sdk, server.url, home, PATIENCE) as client:
            client.tools()
            for form in [form for form in FORMS if form not in cells]:
                cells[form] = verdict(client, form, server)
                if "dead" in cells[form]:
                    break
    return cells


def main() -> None:
    home = Path(os.environ["PORTCULLIS_HOME"])
    server = ScriptedServer(FORMS, SENTENCE)
    columns = {sdk.label: column_of(sdk, server, home) for sdk in CLIENTS}
    server.close()
    print("| form | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for form in FORMS:
        print(f"| {form} | " + " | ".join(column[form] for column in columns.values()) + " |")


if __name__ == "__main__":
    main()
