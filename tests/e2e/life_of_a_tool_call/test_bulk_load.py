"""Loads from Spark into PostgreSQL, each as one transaction, by a data server that may write."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from free_ports import free_port
from mcp_messages import Era, call
from polling import until
from processes import Process
from raw_http import Connection


class Loader:
    """A data server on the stack's PostgreSQL and Spark, with a login that may write."""

    def __init__(self, installation, stack, directory: Path) -> None:
        self.port = free_port()
        pid = until("the data server runs", lambda: stack.pid_of("mcp-server"))
        words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        known = dict(os.fsdecode(word).split("=", 1) for word in words if b"=" in word)
        passwords = json.loads((stack.data / "postgres-passwords.json").read_text())
        environment = {
            name: value for name, value in known.items() if name.startswith(("POSTGRES_", "SPARK_"))
        }
        environment |= {
            # The user that reads the demo data may not see what others make.
            "POSTGRES_USER": "portcullis",
            "POSTGRES_PASSWORD": passwords["owner"],
            "POSTGRES_WRITE_USER": "portcullis",
            "POSTGRES_WRITE_PASSWORD": passwords["owner"],
            "MCP_TOOLS": "all",
        }
        command = [installation.binary("mcp-server"), "--address", f"127.0.0.1:{self.port}"]
        self.process = Process("mcp-server-that-loads", command, directory, environment)
        until("the data server listens", self._is_up, 60)

    def _is_up(self) -> bool:
        self.process.check_alive()
        try:
            with Connection(self.port) as connection:
                return connection.request("GET", "/health", []).json["status"] is not None
        except OSError:
            return False

    def call(self, tool: str, arguments: dict) -> dict:
        """The structured content of the answer."""
        message = call(Era.MODERN, tool, arguments)
        return message.post_once(self.port).json["result"]["structuredContent"]

    def load(self, sql: str, table: str, mode: str = "append", **more) -> dict:
        return self.call("bulk_load_from_spark", {"sql": sql, "table": table, "mode": mode, **more})

    def rows(self, sql: str) -> list:
        return self.call("execute_query", {"sql": sql})["rows"]


@pytest.fixture(scope="module")
def loader(installation, stack, tmp_path_factory) -> Iterator[Loader]:
    running = Loader(installation, stack, tmp_path_factory.mktemp("loader"))
    yield running
    running.process.stop()


def test_it_makes_a_table_loads_it_and_tells_what_it_held(loader):
    sql = "SELECT id, cast(id AS decimal(12,2)) / 4 AS part, if(id = 0, NULL, array(id)) AS ids, \
           named_struct('a', id) AS parts, current_timestamp() AS at FROM range(25000)"
    made = loader.load(sql, "made", "create", keys=["id"])
    assert made.get("rows") == 25000, made
    columns = {column["name"]: column for column in made["columns"]}
    assert (columns["id"]["min"], columns["id"]["max"]) == ("0", "24999")
    assert columns["ids"]["nulls"] == 1 and made["bytes"] > 25000 * 8
    described = loader.call("get_table_schema", {"table": "made"})
    assert described["primary_key"] == ["id"]
    assert loader.load(sql, "made", "create")["error"]["code"] == "42P07"


def test_it_appends_overwrites_and_upserts_as_a_whole(loader):
    loader.load("SELECT 1 AS k, 'a' AS v", "kept", "create", keys=["k"])
    state = "SELECT k, v FROM kept ORDER BY k"
    assert loader.load("SELECT 2 AS k, 'b' AS v", "kept")["rows"] == 1
    twice = "SELECT * FROM VALUES (3, 'c'), (1, 'again') AS t(k, v)"
    assert loader.load(twice, "kept")["error"]["code"] == "23505"
    assert len(loader.rows(state)) == 2, "nothing of it stays"
    assert loader.load(twice, "kept", "upsert", keys=["k"])["rows"] == 2
    assert [row[1] for row in loader.rows(state)] == ["again", "b", "c"]
    late = "SELECT CAST(if(id = 99999, raise_error('late'), id) AS int) AS k FROM range(100000)"
    assert "error" in loader.load(late, "kept", "overwrite")
    assert len(loader.rows(state)) == 3, "what was there is there"
    assert loader.load("SELECT 9 AS k, 'z' AS v", "kept", "overwrite")["rows"] == 1
    assert [row[1] for row in loader.rows(state)] == ["z"]


def test_it_refuses_what_does_not_fit_before_anything_is_sent(loader):
    loader.load("SELECT 1 AS n", "narrow", "create")
    for sql, mode, code in (
        ("SELECT cast(1 AS bigint) AS n", "append", "does_not_fit"),
        ("SELECT 1 AS other", "append", "does_not_fit"),
        ("SELECT 1 AS n", "upsert", "invalid_arguments"),
        ("DROP VIEW events", "append", None),
    ):
        refused = loader.load(sql, "narrow", mode)["error"]
        assert code in (None, refused["code"]), refused
    assert loader.load("SELECT 1 AS n", "absent")["error"]["code"] == "not_found"
    keyed = loader.load("SELECT 1 AS n", "narrow", "upsert", keys=["n"])
    assert keyed["error"]["code"] == "42P10"
    assert loader.rows("SELECT count(*) FROM narrow") == [[1]]
