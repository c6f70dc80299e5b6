"""Pipelines through the gateway, on the demo data, by clients that others wrote."""

import csv
import json

from outcomes import failure, structured
from polling import until

FINAL = {"succeeded", "failed", "cancelled"}


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


def test_it_writes_nothing_by_a_source(client):
    for kind, sql in [
        ("postgres", "WITH gone AS (DELETE FROM shops RETURNING 1) SELECT * FROM gone"),
        ("spark_sql", "CREATE TABLE mine USING parquet AS SELECT 1 AS a"),
    ]:
        stage = {
            "name": "s",
            "source": {"type": kind, "sql": sql},
            "destination": {"type": "file", "path": f"{client.sdk.era}.ndjson"},
        }
        seen = run(client, f"refused_{client.sdk.era}", [stage], {}, {})
        assert seen["status"] == "failed", seen
        assert seen["stages"][0]["error"]["code"] in ("42501", "read_only"), seen


def test_it_refuses_a_table_of_a_spark_that_only_reads(client):
    stage = {
        "name": "s",
        "source": {"type": "spark_sql", "sql": "SELECT 1"},
        "destination": {"type": "spark_sql", "table": "events"},
    }
    refused = client.call("create_etl_pipeline", {"name": "p", "stages": [stage]})
    assert "Spark SQL only reads here" in failure(refused)
