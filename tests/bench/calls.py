"""The calls that the benchmark sends, and the tool that they call."""

import json
from dataclasses import dataclass

from mcp_messages import LEGACY_VERSION, MODERN_VERSION, Era, Message, modern_meta

TOOL = "execute_query"
SCARCE = "scarce"
"""A tool that may be called once an hour: that the second call is refused shows that limits count.
"""
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
ANSWER = {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "ok"}]}}
# What an agent behind a browser, a load balancer and a tracer adds to the five headers of a bare
# client.
MORE_HEADERS = [
    ("user-agent", "agent/1.0 (benchmark; linux) httpx/0.28.1"),
    ("accept-encoding", "gzip, deflate, br"),
    ("accept-language", "en-GB,en;q=0.9"),
    ("cache-control", "no-cache"),
    ("pragma", "no-cache"),
    ("origin", "http://127.0.0.1:5173"),
    ("referer", "http://127.0.0.1:5173/chat"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-site", "same-site"),
    ("sec-fetch-dest", "empty"),
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("tracestate", "vendor=00f067aa0ba902b7"),
    ("baggage", "session=benchmark,tenant=none"),
    ("priority", "u=1, i"),
]


@dataclass(frozen=True)
class Case:
    """A kind of call and the way it is sent."""

    bytes: int
    era: Era = Era.LEGACY
    many_headers: bool = False
    rate: int | None = None
    """Requests a second, or as fast as answers come."""

    @property
    def title(self) -> str:
        way = f"{self.rate} calls/s" if self.rate else "closed loop, 8 connections"
        # `content-length` is added when the call is sent.
        headers = len(self.headers(TOOL)) + 1
        return f"{self.bytes} B, {self.era.value}, {headers} headers, {way}"

    def headers(self, tool: str) -> list[tuple[str, str]]:
        """All headers but `content-length`."""
        headers = [("host", "127.0.0.1"), ("content-type", "application/json")]
        headers += [("accept", "application/json, text/event-stream")]
        if self.era is Era.MODERN:
            headers += [("mcp-method", "tools/call"), ("mcp-name", tool)]
        headers += [
            ("mcp-protocol-version", MODERN_VERSION if self.era is Era.MODERN else LEGACY_VERSION)
        ]
        return headers + (MORE_HEADERS if self.many_headers else [])

    def head(self) -> bytes:
        lines = ["POST /mcp HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers(TOOL))]
        return "\n".join(lines).encode()

    def body(self) -> bytes:
        """A call of about `bytes` bytes with dense JSON: small objects, not one long string."""
        two_rows = len(self.encoded([parameter(0), parameter(1)])) - len(self.encoded([])) + 1
        pairs = max(0, self.bytes - len(self.encoded([]))) // two_rows
        rows = [parameter(number) for number in range(2 * pairs)]
        while len(self.encoded(rows)) < self.bytes:
            rows.append(parameter(len(rows)))
        return self.encoded(rows)

    def encoded(self, rows: list[dict]) -> bytes:
        return self.message(TOOL, {"sql": "select 1", "parameters": rows}).body

    def message(self, tool: str, arguments: dict) -> Message:
        """A call of the same kind, of whatever tool with whatever arguments."""
        params = {"name": tool, "arguments": arguments}
        if self.era is Era.MODERN:
            params["_meta"] = modern_meta()
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = [(name, value) for name, value in self.headers(tool) if name != "host"]
        return Message(headers, json.dumps(call, separators=(",", ":")).encode())


def parameter(number: int) -> dict:
    """One row; two that follow each other are as long as any other two."""
    return {"id": 1000 + number % 9000, "ok": number % 2 == 0, "tag": f"t{100 + number % 900}"}


def cases() -> list[Case]:
    """Every size in both eras; many headers, and a fixed rate, where calls are small enough."""
    sizes = (200, 4096, 65_536, 1_000_000)
    every_size = [Case(size, era) for era in (Era.LEGACY, Era.MODERN) for size in sizes]
    many_headers = [Case(200, era, many_headers=True) for era in (Era.LEGACY, Era.MODERN)]
    return [*every_size, *many_headers, Case(200, rate=1500), Case(4096, rate=1500)]
