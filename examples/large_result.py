"""Fetches a result of any size through the gateway: its blocks in parallel, each digest checked.

    python3 examples/large_result.py "SELECT * FROM generate_series(1, 1000000) AS n" rows.ndjson

It needs nothing but Python. `--url` names another gateway, or the data server itself.
"""

import argparse
import base64
import hashlib
import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor

REVISION = "2026-07-28"


def ask(url: str, method: str, params: dict) -> dict:
    """Sends one request of MCP, and returns its result."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientInfo": {"name": "large_result.py", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": REVISION,
        "Mcp-Method": method,
        "Mcp-Name": params.get("name") or params["uri"],
    }
    request = urllib.request.Request(url, json.dumps(message).encode(), headers)
    with urllib.request.urlopen(request, timeout=600) as response:
        answer = json.load(response)
    if "error" in answer:
        raise SystemExit(answer["error"]["message"])
    return answer["result"]


def read_block(url: str, uri: str) -> bytes:
    """Returns the bytes of one block, which are as its digest says."""
    (contents,) = ask(url, "resources/read", {"uri": uri})["contents"]
    if "text" in contents:
        block = contents["text"].encode()
    else:
        block = base64.b64decode(contents["blob"])
    if hashlib.sha256(block).hexdigest() != contents["_meta"]["portcullis/sha256"]:
        raise SystemExit(f"{uri} has another digest than it should have")
    return block


def fetch(url: str, sql: str, path: str, at_once: int) -> dict:
    """Runs a query and writes all of its rows into a file; returns what is known of the result."""
    arguments = {"sql": sql, "use_block_transport": True}
    called = ask(url, "tools/call", {"name": "execute_query", "arguments": arguments})
    if called["isError"]:
        raise SystemExit(called["content"][0]["text"])
    result = called["structuredContent"].get("result")
    if result is None:  # The server has no room for it, and says so.
        raise SystemExit("\n".join(part["text"] for part in called["content"] if "text" in part))
    uris = [f"{result['uri']}?block={number}" for number in range(result["blocks"])]
    whole = hashlib.sha256()
    with open(path, "wb") as file, ThreadPoolExecutor(at_once) as pool:
        for first in range(0, len(uris), at_once):
            some = uris[first : first + at_once]
            for block in pool.map(lambda uri: read_block(url, uri), some):
                whole.update(block)
                file.write(block)
    if whole.hexdigest() != result["sha256"]:
        raise SystemExit("the blocks are not the whole result")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sql", help="a query of PostgreSQL")
    parser.add_argument("path", help="the file that the rows are written to, one a line")
    parser.add_argument("--url", default="http://127.0.0.1:10000/mcp")
    parser.add_argument("--at-once", type=int, default=8, help="blocks that are read at once")
    options = parser.parse_args()
    result = fetch(options.url, options.sql, options.path, options.at_once)
    print(f"{result['bytes']} bytes in {result['blocks']} blocks: {options.path}")


if __name__ == "__main__":
    main()
