"""A tiny MCP server of both protocol eras that answers a `tools/call` as the caller asks it to.

With it one learns how each client shows a refusal: the argument `form` of its one tool names the
answer.
"""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from mcp_answers import is_modern, result_of

# With an output schema, as our own tools have: clients that check results let refusals through.
TOOL = {
    "name": "refuse",
    "description": "answers as told",
    "inputSchema": {"type": "object"},
    "outputSchema": {
        "type": "object",
        "properties": {"rows": {"type": "array"}},
        "required": ["rows"],
    },
}


@dataclass(frozen=True)
class Form:
    """One way to refuse a call: HTTP status, headers, and an error or a result with `isError`."""

    status: int
    code: int | None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    keeps_id: bool = True

    def body(self, request_id: object, sentence: str, modern: bool) -> bytes:
        if self.content_type != "application/json":
            return sentence.encode()
        message: dict = {"jsonrpc": "2.0", "id": request_id if self.keeps_id else None}
        if self.code is None:
            message["result"] = {"content": [{"type": "text", "text": sentence}], "isError": True}
            if modern:
                message["result"]["resultType"] = "complete"
        else:
            message["error"] = {"code": self.code, "message": sentence}
        return json.dumps(message).encode()


class ScriptedServer:
    """A server on a free loopback port; `calls` counts the calls that reached it, by form."""

    def __init__(self, forms: dict[str, Form], sentence: str) -> None:
        self.calls: dict[str, int] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: object) -> None:
                pass

            def answer(
                self, status: int, body: bytes, content_type: str, headers: dict[str, str]
            ) -> None:
                self.send_response(status)
                for name, value in {
                    **headers,
                    "content-type": content_type,
                    "content-length": str(len(body)),
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                self.answer(405, b"", "text/plain", {})

            do_DELETE = do_GET

            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if "id" not in message:
                    self.answer(202, b"", "text/plain", {})
                    return
                if message["method"] == "tools/call":
                    name = message["params"]["arguments"]["form"]
                    server.calls[name] = server.calls.get(name, 0) + 1
                    form = forms[name]
                    body = form.body(message["id"], sentence, is_modern(message))
                    self.answer(form.status, body, form.content_type, form.headers)
                    return
                result = result_of(message, [TOOL])
                reply = {"jsonrpc": "2.0", "id": message["id"]}
                if result is None:
                    reply["error"] = {"code": -32601, "message": "method not found"}
                else:
                    reply["result"] = result
                status = 404 if result is None and is_modern(message) else 200
                self.answer(status, json.dumps(reply).encode(), "application/json", {})

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/mcp"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
