"""Everything that the gateway announces is called through it: each tool, resource, template and
prompt, and nothing of them is left out.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
from gateway_tools import GatewayTools
from test_resources_and_prompts import PROMPTS, RESOURCES

from polling import until

LISTS = {
    "tools": ("tools/list", "name"),
    "resources": ("resources/list", "uri"),
    "resourceTemplates": ("resources/templates/list", "uriTemplate"),
    "prompts": ("prompts/list", "name"),
}
"""What there are lists of, the method that gives each one, and what names an entry of it."""


def announced(tools: GatewayTools, what: str) -> set[str]:
    """Returns the names of all entries of a list, page after page."""
    method, key = LISTS[what]
    names, cursor = set(), {}
    while True:
        page = tools.result(method, cursor)
        names |= {entry[key] for entry in page[what]}
        if not page.get("nextCursor"):
            return names
        cursor = {"cursor": page["nextCursor"]}


@dataclass
class Tour:
    """Calls through the gateway, each of which must go well, and the names that were called."""

    tools: GatewayTools
    called: dict[str, set[str]] = field(default_factory=lambda: {what: set() for what in LISTS})

    def call(self, tool: str, **arguments: Any) -> dict:
        answer = self.tools.done(tool, arguments)
        self.called["tools"].add(tool)
        return answer

    def read(self, uri: str, template: str | None = None) -> None:
        assert self.tools.result("resources/read", {"uri": uri})["contents"], uri
        self.called["resources" if template is None else "resourceTemplates"].add(template or uri)

    def prompt(self, name: str, arguments: dict[str, str]) -> None:
        got = self.tools.result("prompts/get", {"name": name, "arguments": arguments})
        assert got["messages"], name
        self.called["prompts"].add(name)

    def query(self) -> None:
        """Calls what reads, and the two that keep a large result and give it back."""
        self.call("list_tables")
        self.call("get_table_schema", table="orders")
        self.call("explain_query", sql="SELECT * FROM orders")
        self.call("execute_spark_sql", sql="SELECT 1")
        self.call("list_spark_tables")
        self.call("get_spark_table_schema", table="events")
        self.call("sales_by_city", since="2024-01-31")
        self.call("events_by_kind", kinds=["view"])
        kept = self.call("execute_query", sql="SELECT * FROM orders", use_block_transport=True)
        uri = kept["result"]["uri"]
        self.call("read_result_block", uri=uri, block=0)
        self.read(f"{uri}?block=0", "result://{node}/{id}{?block}")

    def change(self) -> None:
        """Calls what writes into PostgreSQL."""
        columns = [{"name": "k", "type": "integer"}]
        self.call("create_table", table="toured", columns=columns, primary_key=["k"])
        self.call("execute_dml", sql="INSERT INTO toured VALUES ($1)", parameters=[1])
        self.call("mark_order_returned", order=1)
        self.call("bulk_load_from_spark", sql="SELECT 2 AS k", table="toured")
        assert self.call("execute_query", sql="SELECT count(*) FROM toured")["rows"] == [[2]]

    def submit(self) -> None:
        """Calls what is about jobs, on one that runs until it is cancelled."""
        source = "import time\nprint('begun', flush=True)\ntime.sleep(3600)"
        job = {"job_id": self.call("submit_spark_job", source=source)["job_id"]}

        def said() -> bool:
            is_good, log = self.tools.outcome("get_job_logs", job)
            return is_good and "begun" in log["text"]

        until("the job has begun", said, 240, pause=0.5)
        self.call("get_job_logs", **job)
        self.call("get_job_status", **job)
        self.call("list_spark_jobs")
        self.read(f"spark://jobs/{job['job_id']}", "spark://jobs/{job_id}")
        self.call("cancel_job", **job)

    def run(self) -> None:
        """Calls what is about pipelines, on one that waits for no long time."""
        source = {"type": "postgres", "sql": "SELECT 1 AS a"}
        stage = {"name": "s", "source": source, "destination": {"type": "file", "path": "toured"}}
        self.call("create_etl_pipeline", name="toured", stages=[stage])
        run = {"run_id": self.call("execute_pipeline", name="toured")["run_id"]}
        self.call("cancel_pipeline", **run)
        self.call("get_pipeline_status", **run)
        self.call("list_pipelines")


@pytest.fixture(scope="module")
def tour(stack) -> Tour:
    """Returns a tour that has called everything that it knows."""
    tour = Tour(GatewayTools(stack.gateway_port))
    for part in (tour.query, tour.change, tour.submit, tour.run):
        part()
    for template, uri in RESOURCES.items():
        if uri:
            tour.read(uri, template if "{" in template else None)
    for name, (arguments, _) in PROMPTS.items():
        tour.prompt(name, arguments)
    # The lists also have what is there at present: tables, schemas, jobs.
    for uri in announced(tour.tools, "resources") - tour.called["resources"]:
        tour.read(uri)
    return tour


@pytest.mark.parametrize("what", LISTS)
def test_it_calls_everything_that_is_announced(tour, what):
    names = announced(tour.tools, what)
    assert names, f"no {what} are announced"
    assert not names - tour.called[what], f"a call of these is missing in {__name__}"
