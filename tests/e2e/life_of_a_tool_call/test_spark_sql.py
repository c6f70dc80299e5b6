"""Spark SQL through the gateway, on a real Spark, by clients that others wrote."""

import re
from pathlib import Path

import pytest
from gateway_tools import GatewayTools

from outcomes import failure, structured
from polling import until
from sdk_client import Sdk, SdkClient

NO_READS = (
    "DROP TABLE IF EXISTS events",
    "CREATE TEMPORARY VIEW mine AS SELECT 1",
    "CREATE TABLE mine USING parquet AS SELECT 1 AS a",
    "SET spark.sql.shuffle.partitions=1",
    "SET spark.portcullis.access=write",
    "USE default",
    "SELECT reflect('java.lang.System', 'lineSeparator')",
    "SELECT java_method('java.lang.Math', 'abs', -1)",
    "SELECT * FROM text.`/etc/passwd`",
    "SELECT * FROM text.`/no/such/file`",
    "SELECT TRANSFORM (id) USING 'cat' AS (x) FROM range(1)",
    "WITH a AS (SELECT 1) INSERT OVERWRITE DIRECTORY '/tmp/portcullis-made' USING csv SELECT 1",
    "EXECUTE IMMEDIATE 'DROP VIEW events'",
    "BEGIN DROP VIEW events; END",
    "ADD JAR '/tmp/x.jar'",
    "-- a comment\rDROP VIEW events",
    "WITH a AS (SELECT r'\\') INSERT OVERWRITE DIRECTORY '/tmp/portcullis-made' USING csv SELECT 1",
)
"""Statements that change something, or reach out of Spark."""


def test_it_answers_rows(client):
    result = structured(
        client.call(
            "execute_spark_sql", {"sql": "SELECT sum(id) AS total, 'é' AS said FROM range(1000)"}
        )
    )
    assert result["rows"] == [[499500, "é"]]
    assert [column["name"] for column in result["columns"]] == ["total", "said"]
    assert (result["row_count"], result["truncated"]) == (1, False)


def test_it_binds_its_parameters(client):
    by_name = {
        "sql": "SELECT :a + 1 AS b, :c AS d",
        "parameters": {"a": 41, "c": "'; DROP TABLE x"},
    }
    assert structured(client.call("execute_spark_sql", by_name))["rows"] == [
        [42, "'; DROP TABLE x"]
    ]
    in_order = {"sql": "SELECT ? AS a, ? AS b", "parameters": [1, "two"]}
    assert structured(client.call("execute_spark_sql", in_order))["rows"] == [[1, "two"]]


def test_it_writes_csv(client):
    wanted = {"sql": "SELECT id, 'a,b' AS text FROM range(2) ORDER BY id", "format": "csv"}
    lines = structured(client.call("execute_spark_sql", wanted))["data"].splitlines()
    assert lines == ["id,text", '0,"a,b"', '1,"a,b"']


def test_it_answers_sparks_error_class(client):
    failed = client.call("execute_spark_sql", {"sql": "SELECT * FROM nowhere"})
    assert "TABLE_OR_VIEW_NOT_FOUND" in str(failed) and failure(failed)


def test_it_refuses_a_format_that_spark_sql_does_not_have(client):
    refused = client.call("execute_spark_sql", {"sql": "SELECT 1", "format": "xml"})
    assert "do not fit its schema: /format" in failure(refused)


@pytest.mark.parametrize("sql", NO_READS)
def test_it_refuses_whatever_is_no_read_with_a_sentence(client, sql):
    refused = client.call("execute_spark_sql", {"sql": sql})
    said = failure(refused)
    assert "[read_only]" in said, said


@pytest.mark.parametrize("sql", NO_READS)
def test_it_refuses_whatever_is_no_read_by_every_other_way_into_spark(stack, sql):
    """By a load, by a pipeline (what it reads, and what it makes of that), and by a prompt."""
    gateway = GatewayTools(stack.gateway_port)
    # A load reads it between brackets, where what is no query is often no SQL either.
    assert "error" in gateway.load(sql, "never_loaded", "create"), sql
    source = {"type": "spark_sql", "sql": sql}
    stage = {"name": "s", "source": source, "destination": {"type": "file", "path": "never"}}
    harmless = {"type": "spark_sql", "sql": "SELECT 1 AS a"}
    transformed = {**stage, "source": harmless, "transformations": [{"name": "t", "sql": sql}]}
    for stages in ([stage], [transformed]):
        pipeline = {"name": "never", "stages": stages}
        is_good, refused = gateway.outcome("create_etl_pipeline", pipeline)
        assert not is_good and "stage `s`, its source" in refused["error"]["message"], refused
    prompt = {"name": "spark_optimization", "arguments": {"sql": sql}}
    assert gateway.result("prompts/get", prompt)["messages"]
    assert gateway.rows("SELECT to_regclass('never_loaded') IS NULL") == [[True]]
    assert not Path("/tmp/portcullis-made").exists()
    counted = gateway.done("execute_spark_sql", {"sql": "SELECT count(*) FROM events"})
    assert counted["rows"] == [[200000]]


def test_it_reads_all_of_spark_sql(client):
    for sql in (
        "SHOW TABLES",
        "DESCRIBE events",
        "SHOW FUNCTIONS LIKE 'abs'",
        "FROM range(3) |> WHERE id = 1",
    ):
        assert structured(client.call("execute_spark_sql", {"sql": sql}))["rows"], sql
    counted = structured(client.call("execute_spark_sql", {"sql": "SELECT count(*) FROM events"}))
    assert counted["rows"] == [[200000]]


def test_it_judges_an_explained_plan_too(client):
    sql = "EXPLAIN SELECT reflect('java.lang.System', 'lineSeparator')"
    assert "PORTCULLIS_READ_ONLY" in str(
        structured(client.call("execute_spark_sql", {"sql": sql}))["rows"]
    )


def test_it_answers_a_constant_of_megabytes_and_goes_on_for_everybody(installation, stack):
    """Spark would write it into the plan's text many times over, and lose its SparkContext."""
    size = 20_000_000
    logged = len(stack.log("spark-connect"))
    with SdkClient(Sdk("python", "modern"), stack.url, installation.home) as client:
        answer = client.call("execute_spark_sql", {"sql": f"SELECT repeat('x', {size}) AS a"})
        assert structured(answer)["row_count"] == 1
        assert structured(client.call("execute_spark_sql", {"sql": "SELECT 1 AS a"}))["rows"]
    assert len(stack.log("spark-connect")) - logged < size / 10
    driver = stack.pid_of("org.apache.spark.sql.connect.service.SparkConnectServer")
    command = Path(f"/proc/{driver}/cmdline").read_text()
    assert "-XX:+ExitOnOutOfMemoryError" in command
    assert "spark.sql.maxPlanStringLength=10000" in command


def test_it_tells_a_client_that_listens_how_far_a_statement_is(stack):
    """Spark tells it every two seconds; each of these tasks reads fifty million numbers."""
    gateway = GatewayTools(stack.gateway_port)
    sql = "SELECT count(DISTINCT id % 7) FROM range(0, 2000000000, 1, 40)"
    with gateway.told("execute_spark_sql", {"sql": sql}) as told:
        done = [next(told), next(told)]
    tasks = [int(re.fullmatch(r"(\d+) of \d+ tasks done", text).group(1)) for text in done]
    assert 0 < tasks[0] < tasks[1]


def test_it_has_executors_again_after_a_crash_of_master_and_worker(installation, stack):
    stack.kill("org.apache.spark.deploy.master.Master")
    until(
        "the new master knows the applications of the old one",
        lambda: "Recovery complete" in stack.log("spark-master"),
    )
    stack.kill("org.apache.spark.deploy.worker.Worker")
    with SdkClient(Sdk("python", "modern"), stack.url, installation.home) as client:
        sql = {"sql": "SELECT kind, count(*) FROM events GROUP BY kind"}
        assert structured(client.call("execute_spark_sql", sql))["row_count"] == 4
