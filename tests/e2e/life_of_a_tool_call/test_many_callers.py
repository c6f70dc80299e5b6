"""Many callers at once: sessions that each make calls of every kind, and REST beside MCP.

Nothing here says how fast anything is; calls wait for their turn, and none may be turned away.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from gateway_tools import PATIENCE, GatewayTools, message_of

from mcp_messages import LEGACY_VERSION, Era, request
from raw_http import Connection, Headers, Reply

SESSIONS = 100
ROUNDS = 3
"""How often each session makes each of its calls."""
CALLERS = 24
"""How many callers of REST and MCP there are at a time."""

MIXTURE = [
    ("tools/call", {"name": "execute_query", "arguments": {"sql": "SELECT 41 + 1 AS answer"}}),
    ("tools/call", {"name": "execute_query", "arguments": {"sql": "SELECT * FROM orders"}}),
    ("tools/call", {"name": "list_tables", "arguments": {}}),
    ("tools/call", {"name": "get_table_schema", "arguments": {"table": "orders"}}),
    ("tools/call", {"name": "execute_spark_sql", "arguments": {"sql": "SELECT 41 + 1"}}),
    ("resources/read", {"uri": "postgres://tables/shops/data"}),
    ("prompts/get", {"name": "sql_best_practices", "arguments": {"table": "orders"}}),
    ("tools/list", {}),
]


def fault(reply: Reply) -> str | None:
    """Returns what is wrong with the answer to a request of MCP, if anything is."""
    if reply.status != 200:
        return f"status {reply.status}: {reply.body[:300]!r}"
    message = message_of(reply.body)
    if "result" not in message or message["result"].get("isError"):
        return f"{message}"[:500]
    return None


class Session:
    """A session of the older protocol, open from its construction until it is closed."""

    def __init__(self, port: int) -> None:
        self.connection = Connection(port, PATIENCE)
        client = {"name": "many", "version": "1"}
        begin = {"protocolVersion": LEGACY_VERSION, "capabilities": {}, "clientInfo": client}
        reply = request(Era.LEGACY, "initialize", begin).post(self.connection)
        assert fault(reply) is None, fault(reply)
        self.id: Headers = [("mcp-session-id", reply.headers["mcp-session-id"])]

    def ask(self, method: str, params: dict) -> Reply:
        """Sends a request in the session, on the session's connection."""
        return request(Era.LEGACY, method, params).with_headers(*self.id).post(self.connection)


def test_it_serves_a_hundred_sessions_at_once_without_an_error(stack):
    all_are_open = threading.Barrier(SESSIONS)

    def live(number: int) -> list[str]:
        session = Session(stack.gateway_port)
        all_are_open.wait(PATIENCE)
        faults = []
        for turn in range(ROUNDS * len(MIXTURE)):
            # No two neighbours ask the same at a time.
            method, params = MIXTURE[(number + turn) % len(MIXTURE)]
            faults += [found] if (found := fault(session.ask(method, params))) else []
        session.connection.close()
        return faults

    with ThreadPoolExecutor(SESSIONS) as threads:
        lives = list(threads.map(live, range(SESSIONS)))
    assert [fault for faults in lives for fault in faults] == []


def rest(port: int, path: str) -> Callable[[], str | None]:
    """Returns a question of REST, which gives back what is wrong with its answer."""

    def ask() -> str | None:
        with Connection(port, PATIENCE) as connection:
            reply = connection.request("GET", path, [])
        return None if reply.status == 200 else f"{path}: {reply.status} {reply.body[:300]!r}"

    return ask


def mcp(port: int, method: str, params: dict) -> Callable[[], str | None]:
    """Returns a question of MCP, which gives back what is wrong with its answer."""

    def ask() -> str | None:
        with Connection(port, PATIENCE) as connection:
            return fault(request(Era.MODERN, method, params).post(connection))

    return ask


@pytest.fixture(scope="module")
def questions(stack) -> list[Callable[[], str | None]]:
    """Returns every question that is asked, of each program of the stack."""
    return [
        *(mcp(stack.gateway_port, method, params) for method, params in MIXTURE),
        rest(stack.gateway_port, "/health"),
        rest(stack.server_port, "/health"),
        rest(stack.rest_port, "/api/v1/tools/execute_query/policy"),
        rest(stack.rest_port, "/healthz"),
    ]


def test_it_answers_rest_and_mcp_side_by_side_under_load_without_an_error(stack, questions):
    asked = [question for _ in range(20) for question in questions]
    with ThreadPoolExecutor(CALLERS) as threads:
        faults = [fault for fault in threads.map(lambda ask: ask(), asked) if fault]
    assert faults == []
    # It all went to one server, which is as it was.
    assert GatewayTools(stack.gateway_port).rows("SELECT 41 + 1") == [[42]]
