"""The tools, called at the gateway's port without an SDK, and what a call tells on its way."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mcp_messages import Era, call, request
from polling import until
from raw_http import Connection

PATIENCE = 120.0
"""Seconds for one answer: a load of a million rows takes some, on a busy machine many."""


@dataclass(frozen=True)
class GatewayTools:
    """The tools at the gateway's port, under the logins that the demo database has."""

    port: int

    def result(self, method: str, params: dict) -> dict:
        """Returns the result of a request, which must have one."""
        with Connection(self.port, PATIENCE) as connection:
            reply = request(Era.MODERN, method, params).post(connection)
        assert reply.status == 200, (method, reply.status, reply.body[:500])
        message = message_of(reply.body)
        assert "result" in message, (method, message)
        return message["result"]

    def outcome(self, tool: str, arguments: dict | None = None) -> tuple[bool, dict]:
        """Returns whether a call went well, and the structured content of its answer."""
        result = self.result("tools/call", {"name": tool, "arguments": arguments or {}})
        return not result.get("isError", False), result["structuredContent"]

    def call(self, tool: str, arguments: dict | None = None) -> dict:
        """Returns the structured content of the answer, a failure's too."""
        return self.outcome(tool, arguments)[1]

    def done(self, tool: str, arguments: dict | None = None) -> dict:
        """Returns the structured content of a call that went well."""
        is_good, answer = self.outcome(tool, arguments)
        assert is_good, (tool, answer)
        return answer

    def load(self, sql: str, table: str, mode: str = "append", **more) -> dict:
        """Loads what Spark computes into a table."""
        more["confirm"] = mode == "overwrite"
        return self.call("bulk_load_from_spark", {"sql": sql, "table": table, "mode": mode, **more})

    def rows(self, sql: str) -> list:
        """Returns the rows of a query."""
        return self.done("execute_query", {"sql": sql})["rows"]

    @contextmanager
    def told(self, tool: str, arguments: dict) -> Iterator[Iterator[str]]:
        """Gives what a call that is under way tells of its progress, until its answer comes or its
        server dies; at the end the client goes away.
        """
        params = {"name": tool, "arguments": arguments, "_meta": {"progressToken": "p"}}
        message = request(Era.MODERN, "tools/call", params)
        with Connection(self.port, PATIENCE) as connection:
            connection.begin_post("/mcp", message.headers, len(message.body))
            connection.send_part(message.body)
            yield progress(connection.begin_reply())

    def wait_until_served(self) -> None:
        """Waits until the data server answers a query again."""
        params = {"sql": "SELECT 1"}

        def is_served() -> bool:
            reply = call(Era.MODERN, "execute_query", params).post_once(self.port)
            return reply.status == 200 and b'"isError":true' not in reply.body

        until("the data server answers", is_served, pause=0.1)


def message_of(body: bytes) -> dict:
    """Returns the last message of an answer, which may be an event stream."""
    text = body.decode()
    if not text.startswith("{"):
        text = [line for line in text.splitlines() if line.startswith("data: {")][-1][6:]
    return json.loads(text)


def progress(reply) -> Iterator[str]:
    """Yields the sentences of the progress notifications on an event stream."""
    while line := reply.readline():
        if line.startswith(b"data: {"):
            message = json.loads(line[6:])
            if message.get("method") == "notifications/progress":
                yield message["params"]["message"]
