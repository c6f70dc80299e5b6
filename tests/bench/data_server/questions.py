"""The questions that the servers are asked, and what makes an answer right."""

import json
from collections.abc import Callable
from dataclasses import dataclass

Rows = list[list]

HEADERS = [
    ("host", "127.0.0.1"),
    ("content-type", "application/json"),
    ("accept", "application/json, text/event-stream"),
    ("mcp-protocol-version", "2025-11-25"),
]


class WrongAnswer(AssertionError):
    """A server did not say what the database holds: its speed would mean nothing."""


@dataclass(frozen=True)
class Question:
    """One statement, and the rows that it has."""

    title: str
    sql: str
    rows: Callable[[], Rows]
    """The rows as `floor-data postgres` has made them, in the columns that are compared."""
    columns: tuple[int, ...]
    """Those columns: numbers and texts, which all servers spell alike."""
    marker: str
    """Part of every right answer, wherever the server puts its rows."""

    def call(self, tool: str) -> dict:
        params = {"name": tool, "arguments": {"sql": self.sql}}
        return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}

    def check(self, server: str, answered: Rows) -> None:
        """Raises `WrongAnswer` unless these are all rows, in order."""
        found = [[plain(row[column]) for column in self.columns] for row in answered]
        if found != self.rows():
            raise WrongAnswer(f"{server}, {self.title}: {len(found)} rows, {found[:2]}")


@dataclass(frozen=True)
class Request:
    """A request of ours that fetches no rows."""

    method: str
    params: dict
    marker: str
    """Part of every right answer."""

    def call(self, _: str) -> dict:
        return {"jsonrpc": "2.0", "id": 1, "method": self.method, "params": self.params}


def plain(cell: object) -> object:
    """A cell whose integers may be strings: JavaScript has none beyond 2^53."""
    return int(cell) if isinstance(cell, str) and cell.isdigit() else cell


def orders() -> Rows:
    return [
        [n, n % 97, f"product {n % 50}", n * 1.25, None if n % 5 == 0 else f"note of order {n}"]
        for n in range(1, 1001)
    ]


ONE = Question("select 1", "select 1", lambda: [[1]], (0,), "1")
ORDERS = Question(
    "1 000 rows of 8 columns",
    "select * from orders order by id",
    orders,
    (0, 1, 2, 3, 7),
    "note of order 999",
)
QUESTIONS = (ONE, ORDERS)
WITHOUT_ROWS = (
    ONE,
    Request("tools/list", {}, '"execute_query"'),
    ONE,
    Request("tools/call", {"name": "list_tables", "arguments": {}}, "orders"),
    ONE,
    Request(
        "tools/call", {"name": "get_table_schema", "arguments": {"table": "orders"}}, "primary_key"
    ),
    ONE,
    Request("resources/read", {"uri": "postgres://schema/public"}, "orders"),
)
"""What many sessions ask in turn; the rows of `ORDERS` come on top of it."""


def head(session: bool = False) -> str:
    """The head of a request; with a session of its own for each connection, if so."""
    headers = [*HEADERS, *([("mcp-session-id", "2025-11-25.{connection}")] if session else [])]
    return "\n".join(["POST /mcp HTTP/1.1", *(f"{name}: {value}" for name, value in headers)])


def message(body: bytes) -> dict:
    """The JSON-RPC message of an answer, from an event stream too."""
    text = body.decode()
    if not text.lstrip().startswith("{"):
        events = [line for line in text.splitlines() if line.startswith("data:")]
        text = events[-1].removeprefix("data:")
    return json.loads(text)


def structured(result: dict) -> Rows:
    return result["structuredContent"]["rows"]


def text_for_each_row(result: dict) -> Rows:
    return [list(json.loads(content["text"]).values()) for content in result["content"]]


def text_for_all_rows(result: dict) -> Rows:
    (statement,) = json.loads(result["content"][0]["text"])["data"]["statements"]
    return [list(row.values()) for row in statement["rows"]]
