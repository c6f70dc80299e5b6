"""MCP requests as a client of either protocol era puts them on the wire."""

import base64
import json
from dataclasses import dataclass, replace
from enum import Enum

from raw_http import Connection, Headers, HttpConnection, Reply

MODERN_VERSION = "2026-07-28"
LEGACY_VERSION = "2025-11-25"


class Era(Enum):
    """How the caller speaks: with headers for each request, or with sessions and the body alone."""

    MODERN = MODERN_VERSION
    LEGACY = LEGACY_VERSION


@dataclass(frozen=True)
class Message:
    """The headers and the body of one POST."""

    headers: Headers
    body: bytes

    def with_headers(self, *more: tuple[str, str | bytes]) -> "Message":
        return replace(self, headers=[*self.headers, *more])

    def with_body(self, body: bytes) -> "Message":
        return replace(self, body=body)

    def without_header(self, name: str) -> "Message":
        return replace(
            self, headers=[pair for pair in self.headers if pair[0].lower() != name.lower()]
        )

    def post(self, connection: HttpConnection, path: str = "/mcp") -> Reply:
        return connection.post(path, self.headers, self.body)

    def post_once(
        self, port: int, path: str = "/mcp", wire: type[HttpConnection] = Connection
    ) -> Reply:
        """Sends it on a connection of its own."""
        with wire(port) as connection:
            return self.post(connection, path)


def has_passed(reply: Reply) -> bool:
    """Whether a call was answered by its server, and well: neither an HTTP status nor the message
    says otherwise.
    """
    if reply.status != 200:
        return False
    # Servers leave `isError` out of a good result, or say that it is false.
    result = reply.json.get("result")
    return result is not None and result.get("isError") is not True


def is_refused(reply: Reply, code: int, id: object = 1) -> bool:
    """Whether a call with this id was refused: on 2026-07-28 by an HTTP status and an error of this
    code, on session-based revisions under 200 by a tool's result that says `isError`, whatever the
    code.
    """
    message = reply.json
    if message.get("id") != id or reply.headers.get("content-type") != "application/json":
        return False
    if "error" in message:
        return (reply.status, message["error"]["code"]) == (code // 100, code)
    return (
        reply.status == 200
        and message["result"].get("isError") is True
        and "resultType" not in message["result"]
    )


def sentence_of(reply: Reply) -> str:
    """What a refusal says, wherever its form puts it."""
    message = reply.json
    return (
        message["error"]["message"]
        if "error" in message
        else message["result"]["content"][0]["text"]
    )


def header_value(name: str) -> str:
    """A name as `Mcp-Name` carries it: as it is, or in Base64 where it is no plain ASCII text."""
    if name and name == name.strip() and all(" " <= character <= "~" for character in name):
        return name
    return f"=?base64?{base64.b64encode(name.encode()).decode()}?="


def modern_meta() -> dict:
    """What every modern request says of itself."""
    return {
        "io.modelcontextprotocol/protocolVersion": MODERN_VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
    }


LIES_OF_A_PROXY = [
    ("forwarded", "host=evil.example;proto=https"),
    ("te", "trailers"),
    ("x-envoy-expected-rq-timeout-ms", "99000"),
    ("x-envoy-original-path", "/admin"),
    ("x-envoy-peer-metadata", "x"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-port", "1"),
    ("x-forwarded-prefix", "/admin"),
    ("x-forwarded-proto", "https"),
    ("x-http-method", "DELETE"),
    ("x-http-method-override", "DELETE"),
    ("x-method-override", "DELETE"),
    ("x-original-url", "/admin"),
    ("x-rewrite-url", "/admin"),
]
"""Headers by which a client could tell a server of another request than the one that was judged."""

NAMED = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    **{f"tasks/{verb}": "taskId" for verb in ("get", "update", "cancel")},
}
"""The methods that are called on something with a name, and where `params` holds it."""


def request(era: Era, method: str, params: dict | None = None, id: object = 1) -> Message:
    """A request of any method; the modern era adds what it demands of each one."""
    params = dict(params or {})
    headers: Headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", era.value),
    ]
    if era is Era.MODERN:
        params["_meta"] = {**params.get("_meta", {}), **modern_meta()}
        headers.append(("mcp-method", method))
        name = params.get(NAMED.get(method))
        if isinstance(name, str):
            headers.append(("mcp-name", header_value(name)))
    body = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
    return Message(headers, json.dumps(body).encode())


def call(era: Era, tool: str, arguments: dict | None = None, id: object = 1) -> Message:
    """A `tools/call`."""
    return request(era, "tools/call", {"name": tool, "arguments": arguments or {}}, id)
