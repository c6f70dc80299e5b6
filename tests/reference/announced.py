"""Asks the data server for all that it offers, in the words that its clients read."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

REVISION = "2026-07-28"
PATIENCE = 60
"""Seconds for a program that has nothing to do but answer; a debug build on a busy machine."""
LISTS = {
    "tools": "tools/list",
    "resources": "resources/list",
    "resourceTemplates": "resources/templates/list",
    "prompts": "prompts/list",
}
NOBODY = "127.0.0.1:1"
"""An address where nothing listens: the lists need neither PostgreSQL nor Spark."""


def environment(folder: str) -> dict[str, str]:
    """The settings of a server that offers everything and reaches nothing."""
    host, port = NOBODY.split(":")
    return {
        "PATH": os.environ["PATH"],
        "PORTCULLIS_DATA": folder,
        "MCP_TOOLS": "all",
        "POSTGRES_HOST": host,
        "POSTGRES_PORT": port,
        "SPARK_REMOTE": f"sc://{NOBODY}",
        "SPARK_MASTER": f"spark://{NOBODY}",
        "SPARK_MASTER_REST": f"http://{NOBODY}",
        "SPARK_MASTER_UI": f"http://{NOBODY}",
    }


def announced(program: Path) -> dict[str, list[dict]]:
    """The lists of tools, resources, templates and prompts, as `mcp-server --stdio` gives them."""
    with tempfile.TemporaryDirectory(prefix="portcullis-reference-") as folder:
        # Each list from a process of its own: one that reads the end of its input ends after it.
        return {key: ask(program, method, folder)[key] for key, method in LISTS.items()}


def ask(program: Path, method: str, folder: str) -> dict:
    """The result of one request to a server of its own."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientInfo": {"name": "reference", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta}}
    done = subprocess.run(
        [program, "--stdio"],
        input=json.dumps(request) + "\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment(folder),
        cwd=folder,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    for answer in answers:
        if answer.get("id") == 1 and "result" in answer:
            return answer["result"]
    raise RuntimeError(f"`{program}` gave no list for {method}: {done.stdout}{done.stderr}")
