"""The MCP Inspector's command `mcpdo`; this program speaks the lines of `lines.py`.

    python call_inspector.py URL legacy|modern

Each request is a command of its own, as a user types it; a daemon of the Inspector's keeps the one
connection. It is private to this program, and ends with it. Node and the packages are where NODE
and NODE_CLIENTS say.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lines import answer_lines

PACKAGE = Path(os.environ["NODE_CLIENTS"]) / "node_modules/@modelcontextprotocol/inspector"
PROGRAM = [os.environ["NODE"], str(PACKAGE / "clients/mcpdo/build/mcp-bin.js"), "--format", "json"]
STATED = json.loads((PACKAGE / "package.json").read_text())
ERAS = {"modern": "auto", "legacy": "legacy"}


class Complaint(Exception):
    """The text that a command printed instead of an answer."""


class Inspector:
    """Commands that share one daemon, whose folder is below `home`."""

    def __init__(self, home: str) -> None:
        self.environment = {**os.environ, "HOME": home, "MCP_INSPECTOR_SECRET_STORE": "file"}

    def run(self, *words: str) -> dict:
        """Runs a command and returns its answer. Raises `Complaint` where it has none."""
        command = [*PROGRAM, *words]
        done = subprocess.run(
            command, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.stdout.strip():
            return json.loads(done.stdout)
        last = done.stderr.strip().rpartition("\n")[2]
        raise Complaint(
            json.loads(last)["error"]["message"] if last.startswith('{"error"') else done.stderr
        )


async def main(url: str, era: str) -> None:
    with tempfile.TemporaryDirectory(prefix="portcullis-inspector-") as home:
        inspector = Inspector(home)
        try:
            inspector.run("connect", "--transport", "http", "--era", ERAS[era], url)
            connection = ("--connection", url)

            async def answer(request: dict) -> dict:
                if "call" not in request:
                    return inspector.run(*connection, "tools/list")
                arguments = json.dumps(request.get("arguments", {}))
                return inspector.run(
                    *connection, "tools/call", request["call"], "--tool-args-json", arguments
                )

            revision = inspector.run(*connection, "connections/show")["protocolVersion"]
            await answer_lines(revision, f"{STATED['name']} {STATED['version']}", answer)
        finally:
            inspector.run("daemon", "stop")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
