"""A Spark Connect server and a data server on it, apart from the stack of the other tests."""

from pathlib import Path

from free_ports import free_port
from installation import Installation
from mcp_messages import Era, call, request
from polling import until
from processes import Process
from raw_http import Connection

EXTENSION = "portcullis.spark.ReadOnlyExtension"


class SparkConnect:
    """A Connect server with a master in its own process."""

    def __init__(
        self,
        installation: Installation,
        directory: Path,
        *settings: str,
        master: str = "local[1]",
    ) -> None:
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
            *("--master", master, "--driver-memory", "1g"),
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
        until(f"Spark answers behind {self.process.name}", self._has_spark, 240, pause=0.2)

    def _has_spark(self) -> bool:
        self.process.check_alive()
        return self.health()["status"] == "up"

    def health(self) -> dict:
        with Connection(self.port) as connection:
            return connection.request("GET", "/health", []).json["services"]["spark_connect"]

    def run(self, sql: str, **others) -> dict:
        """The structured content of one statement's answer."""
        message = call(Era.MODERN, "execute_spark_sql", {"sql": sql, **others})
        return message.post_once(self.port).json["result"]["structuredContent"]

    def tool(self) -> dict:
        tools = request(Era.MODERN, "tools/list").post_once(self.port).json["result"]["tools"]
        return next(tool for tool in tools if tool["name"] == "execute_spark_sql")
