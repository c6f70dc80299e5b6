"""The calls that the benchmark sends, and the tool that they call."""

import json

TOOL = "execute_query"
# As strict as the schemas of the data server's own tools.
SCHEMA = {
    "type": "object",
    "properties": {
        "sql": {"type": "string", "minLength": 1},
        "parameters": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "integer", "minimum": 0},
                    "ok": {"type": "boolean"},
                    "tag": {"type": "string", "maxLength": 64},
                },
                "required": ["id", "ok"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["sql"],
    "additionalProperties": False,
}
HEAD = """POST /mcp HTTP/1.1
host: 127.0.0.1
content-type: application/json
accept: application/json, text/event-stream
mcp-protocol-version: 2025-11-25
"""
ANSWER = {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "ok"}]}}


def body(size: int) -> bytes:
    """A call of about `size` bytes whose arguments are dense JSON: small objects, not one long string."""
    rows: list[dict] = []

    def encoded() -> bytes:
        arguments = {"sql": "select 1", "parameters": rows}
        params = {"name": TOOL, "arguments": arguments}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        return json.dumps(message, separators=(",", ":")).encode()

    while len(encoded()) < size:
        rows.append({"id": 1000 + len(rows), "ok": len(rows) % 2 == 0, "tag": f"t{len(rows)}"})
    return encoded()
