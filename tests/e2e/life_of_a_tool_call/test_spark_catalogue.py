"""The tables of a real Spark: through the gateway, and with what a session of its own has."""

from collections.abc import Iterator

import pytest

from mcp_messages import Era, call, request
from outcomes import failure, structured
from own_spark import EXTENSION, DataServer, SparkConnect
from raw_http import Connection

PATIENCE = 120.0
"""Seconds; the first statements that write take a cold Spark some of them."""

ORDERS = (
    "CREATE TABLE sales.orders (id BIGINT COMMENT 'its number', day DATE, price DECIMAL(10,2),"
    " tags ARRAY<STRING>) USING parquet PARTITIONED BY (day) COMMENT 'all orders'"
    " TBLPROPERTIES ('password' = 'hunter2')"
)


def test_it_lists_and_describes_the_demo_of_spark_through_the_gateway(client):
    listed = structured(client.call("list_spark_tables", {"name": "EVENT"}))
    (events,) = listed["tables"]
    assert (events["database"], events["name"], events["kind"]) == ("default", "events", "view")
    assert listed["next_cursor"] is None
    described = structured(client.call("get_spark_table_schema", {"table": "events"}))
    types = {column["name"]: column["type"] for column in described["columns"]}
    assert types["event_id"] == "bigint" and types["happened_at"] == "timestamp"
    assert "FROM range" in described["definition"]
    missing = client.call("get_spark_table_schema", {"table": "default.nowhere"})
    assert "[not_found]" in failure(missing) and "`nowhere`" in failure(missing)
    quoted = client.call("get_spark_table_schema", {"table": "x` AS JSON; DROP VIEW events; --"})
    assert "[not_found]" in failure(quoted)
    assert "events" in str(structured(client.call("list_spark_tables", {})))


def test_it_completes_the_names_of_tables_of_spark(client):
    prompt = {"type": "ref/prompt", "name": "spark_optimization"}
    for value, expected in (("ev", ["events"]), ("default.ev", ["default.events"])):
        answer = client.complete(prompt, {"name": "table", "value": value})
        assert answer["result"]["completion"]["values"] == expected


def test_it_grounds_advice_in_the_table_that_is_named(client):
    (message,) = client.prompt("spark_optimization", {"table": "events"})["result"]["messages"]
    assert "event_id bigint" in message["content"]["text"]


@pytest.fixture
def spark(request, installation, tmp_path) -> Iterator[SparkConnect]:
    running = SparkConnect(installation, tmp_path, *request.param)
    yield running
    running.process.stop()


class Session:
    """A client of a session-based revision, which the data server knows by its session."""

    def __init__(self, server: DataServer) -> None:
        self.port = server.port
        client = {"name": "test", "version": "1"}
        params = {"protocolVersion": Era.LEGACY.value, "capabilities": {}, "clientInfo": client}
        reply = request(Era.LEGACY, "initialize", params).post_once(self.port)
        self.header = ("mcp-session-id", reply.headers["mcp-session-id"])

    def call(self, tool: str, arguments: dict) -> dict:
        """The structured content of one call's answer."""
        message = call(Era.LEGACY, tool, arguments).with_headers(self.header)
        with Connection(self.port, timeout=PATIENCE) as connection:
            return message.post(connection).json["result"]["structuredContent"]

    def names(self, arguments: dict) -> list[str]:
        """The names of all tables, page after page."""
        names, cursor = [], None
        while True:
            page = self.call("list_spark_tables", {**arguments, "cursor": cursor})
            names += [".".join(filter(None, (t["database"], t["name"]))) for t in page["tables"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return names


@pytest.mark.parametrize(
    "spark", [(f"spark.sql.extensions={EXTENSION}",)], indirect=True, ids=["checked"]
)
def test_it_tells_of_every_database_and_of_the_views_of_a_session(installation, tmp_path, spark):
    server = DataServer(installation, tmp_path, spark, "--tools=all", "--spark-allow-writes")
    mine, other = Session(server), Session(server)
    for sql in (
        "CREATE DATABASE sales",
        "CREATE DATABASE zoo",
        ORDERS,
        "INSERT INTO sales.orders VALUES (1, 1.5, array('a'), DATE'2026-01-01')",
        "ANALYZE TABLE sales.orders COMPUTE STATISTICS",
        "CREATE VIEW sales.dear AS SELECT id FROM sales.orders WHERE price > 100",
        "CREATE TABLE zoo.beasts (a INT) USING csv",
        "CREATE TEMPORARY VIEW mine AS SELECT 1 AS a, 'x' AS b",
    ):
        answer = mine.call("execute_spark_sql", {"sql": sql})
        assert "error" not in answer, (sql, answer)
    everything = ["mine", "sales.dear", "sales.orders", "zoo.beasts"]
    for limit in (1, 2, 100):
        assert mine.names({"limit": limit}) == everything
    assert mine.names({"catalog": "spark_catalog", "limit": 2}) == everything
    assert other.names({}) == everything[1:]
    assert mine.names({"kind": "view"}) == ["sales.dear"]
    assert mine.names({"kind": "temporary view"}) == ["mine"]
    assert mine.names({"database": "sales", "name": "ORD"}) == ["sales.orders"]
    nowhere = mine.call("list_spark_tables", {"database": "nowhere"})
    assert nowhere["error"]["code"] == "SCHEMA_NOT_FOUND"
    assert "on drop" not in nowhere["error"]["message"]
    assert "list_spark_tables" in nowhere["error"]["hint"]
    for database in ({}, {"database": "sales"}):
        no_catalog = mine.call("list_spark_tables", {"catalog": "nope"} | database)
        assert no_catalog["error"]["message"] == "Spark has no catalog `nope`"
    refused = mine.call("list_spark_tables", {"kind": "table"})
    assert "`managed table`" in refused["error"]["message"]

    orders = mine.call("get_spark_table_schema", {"database": "sales", "table": "orders"})
    assert orders["columns"] == [
        {"name": "id", "type": "bigint", "nullable": True, "comment": "its number"},
        {"name": "price", "type": "decimal(10,2)", "nullable": True, "comment": None},
        {"name": "tags", "type": "array<string>", "nullable": True, "comment": None},
        {"name": "day", "type": "date", "nullable": True, "comment": None},
    ]
    assert orders["partition_columns"] == ["day"]
    assert (orders["kind"], orders["provider"]) == ("managed table", "parquet")
    assert (orders["comment"], orders["rows"]) == ("all orders", 1)
    assert orders["bytes"] > 0 and "warehouse" in orders["location"]
    assert "hunter2" not in str(orders)
    view = mine.call("get_spark_table_schema", {"table": "mine"})
    assert (view["kind"], view["database"]) == ("temporary view", None)
    assert [column["nullable"] for column in view["columns"]] == [False, False]
    hidden = other.call("get_spark_table_schema", {"table": "mine"})
    assert hidden["error"]["code"] == "not_found"
    beasts = {"catalog": "spark_catalog", "database": "zoo", "table": "beasts"}
    assert mine.call("get_spark_table_schema", beasts)["provider"] == "csv"
    alone = mine.call("get_spark_table_schema", {"catalog": "spark_catalog", "table": "mine"})
    assert alone["error"]["code"] == "invalid_arguments"


@pytest.mark.parametrize("spark", [()], indirect=True, ids=["unchecked"])
def test_it_tells_of_tables_where_spark_has_no_check_too(installation, tmp_path, spark):
    startup = "CREATE TABLE made USING parquet AS SELECT 1 AS a"
    server = DataServer(installation, tmp_path, spark, "--spark-startup-sql", startup)
    session = Session(server)
    assert session.names({}) == ["default.made"]
    made = session.call("get_spark_table_schema", {"table": "made"})
    assert [column["name"] for column in made["columns"]] == ["a"]
