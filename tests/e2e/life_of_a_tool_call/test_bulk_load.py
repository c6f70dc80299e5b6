"""Loads from Spark into PostgreSQL through the gateway, each as one transaction."""

import pytest
from gateway_tools import GatewayTools


@pytest.fixture(scope="module")
def loader(stack) -> GatewayTools:
    return GatewayTools(stack.gateway_port)


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
        ("DROP VIEW events", "append", "PARSE_SYNTAX_ERROR"),
    ):
        refused = loader.load(sql, "narrow", mode)["error"]
        assert refused["code"] == code, refused
    assert loader.load("SELECT 1 AS n", "absent")["error"]["code"] == "not_found"
    keyed = loader.load("SELECT 1 AS n", "narrow", "upsert", keys=["n"])
    assert keyed["error"]["code"] == "42P10"
    assert loader.rows("SELECT count(*) FROM narrow") == [[1]]
