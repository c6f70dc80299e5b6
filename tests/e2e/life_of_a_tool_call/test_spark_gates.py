"""Plain queries where Spark has no check of its own, and writes where the operator allows them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from free_ports import free_port
from installation import Installation
from mcp_messages import Era, call, request
from polling import until
from processes import Process
from raw_http import Connection

EXTENSION = "portcullis.spark.ReadOnlyExtension"


class SparkConnect:
    """A Connect server with a master in its own process."""

    def __init__(self, installation: Installation, directory: Path, *settings: str) -> None:
        self.port = free_port()
        home = installation.home / "spark"
        settings = (
            "spark.ui.enabled=false",
            "spark.connect.grpc.binding.address=127.0.0.1",
            f"spark.connect.grpc.binding.port={self.port}",
            f"spark.sql.warehouse.dir={directory / 'warehouse'}",
            "spark.sql.shuffle.partitions=1",
            *settings,
        )
        command = [
            home / "bin/spark-submit",
            "--class",
            "org.apache.spark.sql.connect.service.SparkConnectServer",
            *("--master", "local[1]", "--driver-memory", "1g"),
            *("--driver-class-path", installation.home / "spark-extension.jar"),
            *(part for setting in settings for part in ("--conf", setting)),
            "spark-internal",
        ]
        environment = {
            "SPARK_HOME": str(home),
            "JAVA_HOME": str(installation.home / "java"),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_HOSTNAME": "localhost",
        }
        self.process = Process("spark-connect", command, directory, environment)


class DataServer:
    """A data server of its own on that Spark, and nothing else behind it."""

    def __init__(
        self, installation: Installation, directory: Path, spark: SparkConnect, *flags: str
    ) -> None:
        self.port = free_port()
        self.process = Process(
            f"mcp-server-{self.port}",
            [
                installation.binary("mcp-server"),
                *("--address", f"127.0.0.1:{self.port}"),
                *("--spark-remote", f"sc://127.0.0.1:{spark.port}"),
                *("--spark-master-rest", "http://127.0.0.1:1"),
                *("--spark-master-ui", "http://127.0.0.1:1"),
                *("--postgres-port", "1"),
                *flags,
            ],
            directory,
        )
        until(f"Spark answers behind {self.process.name}", self._has_spark, 120, pause=0.2)

    def _has_spark(self) -> bool:
        self.process.check_alive()
        return self.health()["status"] == "up"

    def health(self) -> dict:
        with Connection(self.port) as connection:
            return connection.request("GET", "/health", []).json["services"]["spark_connect"]

    def run(self, sql: str) -> dict:
        """The structured content of one statement's answer."""
        message = call(Era.MODERN, "execute_spark_sql", {"sql": sql})
        return message.post_once(self.port).json["result"]["structuredContent"]

    def tool(self) -> dict:
        tools = request(Era.MODERN, "tools/list").post_once(self.port).json["result"]["tools"]
        return next(tool for tool in tools if tool["name"] == "execute_spark_sql")


@pytest.fixture
def spark(request, installation, tmp_path) -> Iterator[SparkConnect]:
    running = SparkConnect(installation, tmp_path, *request.param)
    yield running
    running.process.stop()


@pytest.mark.parametrize("spark", [()], indirect=True, ids=["unchecked"])
def test_it_takes_plain_queries_alone_where_spark_has_no_check(installation, tmp_path, spark):
    server = DataServer(installation, tmp_path, spark)
    assert "no check that statements only read" in server.health()["detail"]
    for sql, rows in (
        ("SELECT 1 AS a, 'b' AS c", [[1, "b"]]),
        ("SELECT count(*) FROM range(10) WHERE id > 4", [[5]]),
        ("SHOW TABLES", []),
    ):
        assert server.run(sql)["rows"] == rows, sql
    for sql in (
        "CREATE TABLE made USING parquet AS SELECT 1 AS a",
        "CREATE TEMPORARY VIEW made AS SELECT 1 AS a",
        "SELECT reflect('java.lang.System', 'lineSeparator')",
        "SELECT java_method('java.lang.Math', 'abs', -1)",
        "SELECT * FROM text.`/etc/passwd`",
        "SELECT TRANSFORM (id) USING 'cat' AS (x) FROM range(1)",
        "WITH a AS (SELECT 1) INSERT OVERWRITE DIRECTORY '/tmp/made' USING csv SELECT 1",
        "SELECT /* a */ 1",
        'SELECT "a"',
        "EXECUTE IMMEDIATE 'SELECT 1'",
        "BEGIN SELECT 1; END",
        "SET spark.portcullis.access=write",
    ):
        assert server.run(sql)["error"]["code"] == "read_only", sql
    assert server.run("SHOW TABLES")["rows"] == []
    assert not (tmp_path / "warehouse/made").exists()


@pytest.mark.parametrize(
    "spark", [(f"spark.sql.extensions={EXTENSION}",)], indirect=True, ids=["checked"]
)
def test_it_writes_where_the_operator_lets_it_and_there_alone(installation, tmp_path, spark):
    reader = DataServer(installation, tmp_path, spark)
    writer = DataServer(installation, tmp_path, spark, "--tools=all", "--spark-allow-writes")
    assert "statements only read, by Spark's own verdict" in reader.health()["detail"]
    assert "statements may write" in writer.health()["detail"]
    assert reader.tool()["annotations"]["readOnlyHint"] is True
    assert writer.tool()["annotations"]["readOnlyHint"] is False
    assert writer.tool()["annotations"]["destructiveHint"] is True

    create = "CREATE TABLE made USING parquet AS SELECT 1 AS a"
    assert reader.run(create)["error"]["code"] == "read_only"
    assert "error" not in writer.run(create)
    assert "error" not in writer.run("INSERT INTO made VALUES (2)")
    assert reader.run("SELECT sum(a) FROM made")["rows"] == [[3]]
    for sql in ("DROP TABLE made", "INSERT INTO made VALUES (3)", "TRUNCATE TABLE made"):
        assert reader.run(sql)["error"]["code"] == "read_only", sql
    assert writer.run("SELECT sum(a) FROM made")["rows"] == [[3]]

    # A call without a session has a Spark session to itself.
    assert "error" not in writer.run("CREATE TEMPORARY VIEW mine AS SELECT 1 AS a")
    assert writer.run("SELECT * FROM mine")["error"]["code"] == "TABLE_OR_VIEW_NOT_FOUND"

    # A script gives the rows of its last statement.
    assert writer.run("BEGIN SELECT 1; SELECT 2; END")["rows"] == [[2]]
    assert "error" not in writer.run("DROP TABLE made")
    assert reader.run("SELECT * FROM made")["error"]["code"] == "TABLE_OR_VIEW_NOT_FOUND"
