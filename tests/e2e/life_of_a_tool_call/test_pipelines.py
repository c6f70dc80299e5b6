"""Pipelines through the gateway, on the demo data, by clients that others wrote."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from gateway_tools import GatewayTools
from writing_server import FINAL, finish, writing

from outcomes import failure, structured
from own_spark import SparkConnect
from polling import until


def over(client, run_id: str) -> dict:
    """The run, once it is over."""

    def look() -> dict | None:
        seen = structured(client.call("get_pipeline_status", {"run_id": run_id}))
        return seen if seen["status"] in FINAL else None

    return until("the run is over", look, 120)


def run(client, name: str, stages: list[dict], parameters: dict, values: dict) -> dict:
    """Creates a pipeline and runs it; the run, once it is over."""
    pipeline = {"name": name, "stages": stages, "parameters": parameters}
    created = structured(client.call("create_etl_pipeline", pipeline))
    assert created["stages"] == [stage["name"] for stage in stages]
    accepted = structured(client.call("execute_pipeline", {"name": name, "parameters": values}))
    return over(client, accepted["run_id"])


def test_it_moves_rows_of_both_engines_into_files(client, stack):
    name = f"both_{client.sdk.era}"
    stages = [
        {
            "name": "shops",
            "source": {"type": "postgres", "sql": "SELECT name, city FROM shops"},
            "transformations": [{"name": "one", "sql": "SELECT * FROM source WHERE city = $1"}],
            "bind": ["city"],
            "destination": {"type": "file", "path": f"{name}.csv", "format": "csv"},
        },
        {
            "name": "numbers",
            "source": {"type": "spark_sql", "sql": "SELECT id FROM range(5000) -- all"},
            "transformations": [
                {"name": "least", "sql": "SELECT id FROM source WHERE id >= :least"},
                {"name": "named", "sql": "SELECT id, concat('n', id) AS name FROM least;"},
            ],
            "bind": ["least"],
            "destination": {"type": "file", "path": f"{name}.ndjson"},
        },
    ]
    parameters = {
        "city": {"type": "string"},
        "least": {"type": "integer", "default": 2000},
    }
    seen = run(client, name, stages, parameters, {"city": "Oslo"})
    assert seen["status"] == "succeeded", seen
    assert [stage["rows"] for stage in seen["stages"]] == [2, 3000]
    with (stack.data / f"pipelines/{name}.csv").open(newline="") as file:
        assert {row["city"] for row in csv.DictReader(file)} == {"Oslo"}
    lines = (stack.data / f"pipelines/{name}.ndjson").read_text().splitlines()
    numbers = sorted((json.loads(line) for line in lines), key=lambda line: line["id"])
    assert numbers[0] == {"id": 2000, "name": "n2000"} and len(numbers) == 3000
    listed = structured(client.call("list_pipelines", {"name": name}))
    assert listed["runs"][0]["status"] == "succeeded"


def test_it_stores_no_pipeline_whose_source_writes(client):
    for kind, sql, code in [
        ("postgres", "WITH gone AS (DELETE FROM shops RETURNING 1) SELECT * FROM gone", "42501"),
        ("spark_sql", "CREATE TABLE mine USING parquet AS SELECT 1 AS a", "read_only"),
    ]:
        stage = {
            "name": "s",
            "source": {"type": kind, "sql": sql},
            "destination": {"type": "file", "path": f"{client.sdk.era}.ndjson"},
        }
        pipeline = {"name": f"refused_{client.sdk.era}", "stages": [stage]}
        refused = failure(client.call("create_etl_pipeline", pipeline))
        assert "stage `s`, its source" in refused and f"[{code}]" in refused, refused


def test_it_refuses_a_table_of_a_spark_that_only_reads(client):
    stage = {
        "name": "s",
        "source": {"type": "spark_sql", "sql": "SELECT 1"},
        "destination": {"type": "spark_sql", "table": "events"},
    }
    refused = client.call("create_etl_pipeline", {"name": "p", "stages": [stage]})
    assert "Spark SQL only reads here" in failure(refused)


@pytest.fixture
def writer(installation, stack, tmp_path) -> Iterator[GatewayTools]:
    with writing(installation, stack, tmp_path) as tools:
        yield tools


QUERY = """
SELECT n AS id, n + 0.25 AS amount, date '2026-11-01' + n % 3 AS day,
    timestamptz '2026-11-01 10:00:00+00' AS at, ARRAY['a', 'b"c'] AS tags,
    CASE WHEN n % 2 = 0 THEN jsonb_build_object('n', n) END AS note, n % 2 = 0 AS even,
    'NaN'::float8 AS x
FROM generate_series(1, 3000) AS n"""
READ = """
SELECT count(*), sum(amount), count(DISTINCT day), max(unix_timestamp(at)), max(tags[1]),
    max(note), count_if(even), count_if(isnan(x)) FROM moved"""


def test_it_moves_rows_of_postgres_and_of_files_into_tables_of_spark(writer, stack):
    def spark(sql: str) -> list:
        return writer.done("execute_spark_sql", {"sql": sql})["rows"]

    spark(
        "CREATE TABLE moved (id INT, amount DECIMAL(12, 2), day DATE, at TIMESTAMP, \
         tags ARRAY<STRING>, note STRING, even BOOLEAN, x DOUBLE) USING parquet"
    )
    into = {"type": "spark_sql", "table": "moved"}
    query = {"name": "query", "source": {"type": "postgres", "sql": QUERY}, "destination": into}
    for times in (1, 2):
        seen = finish(writer, [query])
        assert seen["status"] == "succeeded" and seen["stages"][0]["rows"] == 3000, seen
        at = int(datetime(2026, 11, 1, 10, tzinfo=UTC).timestamp())
        total = f"{(3000 * 3001 / 2 + 3000 * 0.25) * times:.2f}"
        (row,) = spark(READ)
        row[1] = f"{float(row[1]):.2f}"
        assert row == [3000 * times, total, 3, at, 'b"c', '{"n":998}', 1500 * times, 3000 * times]
    files = stack.data / "pipelines"
    (files / "moved.csv").write_text('id,amount,note\r\n7,1.50,"a ""b""\r\nc"\r\n8,,\r\n')
    (files / "moved.ndjson").write_text('{"id": 9, "tags": ["d"], "even": true}\n')
    file = {"type": "file", "path": "moved.csv", "format": "csv"}
    lines = {"type": "file", "path": "moved.ndjson"}
    stages = [
        {"name": "csv", "source": file, "destination": {**into, "mode": "overwrite"}},
        {"name": "lines", "after": ["csv"], "source": lines, "destination": into},
    ]
    seen = finish(writer, stages)
    assert [stage["rows"] for stage in seen["stages"]] == [2, 1], seen
    rows = spark("SELECT id, string(amount), note, tags, even FROM moved ORDER BY id")
    first = [7, "1.50", 'a "b"\r\nc', None, None]
    assert rows == [first, [8, None, None, None, None], [9, None, None, ["d"], True]]
    for name, text, code in [
        ("no_number", "id\nseven\n", "USER_RAISED_EXCEPTION"),
        ("no_column", "it\n7\n", "does_not_fit"),
    ]:
        (files / f"{name}.csv").write_text(text)
        source = {"type": "file", "path": f"{name}.csv", "format": "csv"}
        seen = finish(writer, [{"name": "s", "source": source, "destination": into}])
        assert seen["stages"][0]["error"]["code"].startswith(code), seen
    assert spark("SELECT count(*) FROM moved") == [[3]]
    drop = {"sql": "DROP TABLE moved", "confirm": True}
    writer.done("execute_spark_sql", drop)


DESTROYING = (
    "DROP TABLE precious",
    "TRUNCATE TABLE precious",
    "INSERT OVERWRITE precious SELECT 2 AS id",
    "WITH a AS (SELECT r'\\') INSERT OVERWRITE precious SELECT 2 AS id",
    "-- a comment\rDROP TABLE precious",
    "EXECUTE IMMEDIATE 'DROP TABLE precious'",
    "BEGIN DROP TABLE precious; END",
)


def test_it_takes_no_source_that_destroys_where_statements_may_write(writer):
    made = "CREATE OR REPLACE VIEW precious_view AS SELECT 1 AS id"
    writer.done("execute_spark_sql", {"sql": made, "confirm": True})
    create = {"sql": "CREATE TABLE precious USING parquet AS SELECT 1 AS id"}
    writer.done("execute_spark_sql", create)
    into = {"type": "file", "path": "precious.ndjson"}
    for sql in (*DESTROYING, "DROP VIEW precious_view"):
        source = {"type": "spark_sql", "sql": sql}
        alone = {"name": "s", "source": source, "destination": into}
        harmless = {"type": "spark_sql", "sql": "SELECT 1 AS id"}
        transformed = {
            **alone,
            "source": harmless,
            "transformations": [{"name": "one", "sql": sql}],
        }
        for stage in (alone, transformed):
            is_good, refused = writer.outcome(
                "create_etl_pipeline", {"name": "destroys", "confirm": True, "stages": [stage]}
            )
            assert not is_good and "stage `s`" in refused["error"]["message"], (sql, refused)
        refused = writer.load(sql, "never_loaded", "create")
        assert "error" in refused, (sql, refused)
    rows = writer.done("execute_spark_sql", {"sql": "SELECT p.id FROM precious p, precious_view"})
    assert rows["rows"] == [[1]]
    for sql in ("DROP TABLE precious", "DROP VIEW precious_view"):
        writer.done("execute_spark_sql", {"sql": sql, "confirm": True})


def test_it_takes_nothing_else_for_a_value_where_spark_runs_without_ansi(
    installation, stack, tmp_path
):
    spark = SparkConnect(installation, tmp_path, "spark.sql.ansi.enabled=false")
    try:
        remote = f"sc://127.0.0.1:{spark.port}"
        with writing(installation, stack, tmp_path, SPARK_REMOTE=remote) as tools:
            create = "CREATE TABLE IF NOT EXISTS strict (id INT, day DATE) USING parquet"
            # A Spark without our check cannot say that nothing is destroyed.
            table = {"sql": create, "confirm": True}
            made = lambda: tools.outcome("execute_spark_sql", table)[0]  # noqa: E731
            until("Spark takes statements", made, 240, pause=0.5)
            into = {"type": "spark_sql", "table": "strict"}
            for name, text in [
                ("good", "7,2026-11-22"),
                ("word", "x,"),
                ("half", "1.5,"),
                ("date", "1,2026-02-30"),
            ]:
                path = f"strict_{name}.csv"
                (stack.data / "pipelines" / path).write_text(f"id,day\n{text}\n")
                source = {"type": "file", "path": path, "format": "csv"}
                seen = finish(tools, [{"name": "s", "source": source, "destination": into}])
                if name == "good":
                    assert seen["status"] == "succeeded", seen
                else:
                    error = seen["stages"][0]["error"]
                    assert error["code"].startswith("USER_RAISED_EXCEPTION"), seen
                    assert " for column `" in error["message"], seen
            rows = tools.done("execute_spark_sql", {"sql": "SELECT * FROM strict"})["rows"]
            assert rows == [[7, "2026-11-22"]]
    finally:
        spark.process.stop()
