"""A data server that may write into Spark, on the PostgreSQL of the stack."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway_tools import GatewayTools

from free_ports import free_port
from installation import Installation
from polling import until
from processes import Process
from stack import Stack

FINAL = {"succeeded", "failed", "cancelled"}
"""The states of a run that is over."""


@contextmanager
def writing(
    installation: Installation, stack: Stack, directory: Path, **more: str
) -> Iterator[GatewayTools]:
    """Runs a data server that may write into the Spark of the stack, whose own one is held still:
    it shares the records, and would take the runs.
    """
    port = free_port()
    environment = stack.environment_of("mcp-server") | {"SPARK_ALLOW_WRITES": "true"} | more
    environment.pop("MCP_METRICS_ADDRESS", None)
    command = [installation.binary("mcp-server"), "--address", f"127.0.0.1:{port}"]
    with stack.frozen("mcp-server"):
        process = Process("mcp-server-that-writes", command, directory, environment)
        tools = GatewayTools(port)
        try:
            tools.wait_until_served()
            yield tools
        finally:
            process.stop()


def finish(tools: GatewayTools, stages: list[dict]) -> dict:
    """Creates a pipeline and runs it; returns the run, once it is over."""
    tools.done("create_etl_pipeline", {"name": "into_spark", "confirm": True, "stages": stages})
    run = {"run_id": tools.done("execute_pipeline", {"name": "into_spark"})["run_id"]}

    def look() -> dict | None:
        seen = tools.done("get_pipeline_status", run)
        return seen if seen["status"] in FINAL else None

    return until("the run is over", look, 120, pause=0.2)
