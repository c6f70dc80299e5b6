"""Long calls as tasks, through the gateway: looked at, stopped in Spark, and lost with a server."""

import json
import urllib.request

import pytest

from mcp_messages import Era, Message, call, modern_meta, request
from polling import until

EXTENSION = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
# Days of work for one core, and hours for a hundred.
ENDLESS = "SELECT sum(id * 7 % 13) AS total FROM range(1000000000000000)"


class Follower:
    """A client that can follow tasks."""

    def __init__(self, port: int) -> None:
        self.port = port

    def request(self, method: str, params: dict) -> dict:
        message = request(Era.MODERN, method, params)
        body = json.loads(message.body)
        capabilities = {"io.modelcontextprotocol/clientCapabilities": EXTENSION}
        body["params"]["_meta"] = modern_meta() | capabilities
        able = Message(message.headers, json.dumps(body).encode())
        return able.post_once(self.port).json["result"]

    def begin(self, tool: str, arguments: dict) -> str:
        task = self.request("tools/call", {"name": tool, "arguments": arguments})
        assert task["resultType"] == "task", task
        return task["taskId"]

    def look(self, task: str) -> dict:
        return self.request("tasks/get", {"taskId": task})

    def wait_for(self, task: str, status: str) -> dict:
        def seen() -> dict | None:
            found = self.look(task)
            assert found["status"] in ("working", status), found
            return found if found["status"] == status else None

        return until(f"the task is {status}", seen, 120, 0.2)


@pytest.fixture
def follower(stack) -> Follower:
    return Follower(stack.gateway_port)


@pytest.fixture(scope="module")
def spark_works(stack):
    """Tells whether a job runs in the Spark that statements run on."""
    port = stack.environment_of("mcp-server")["PORTCULLIS_SPARK_DRIVER_UI_PORT"]
    applications = f"http://127.0.0.1:{port}/api/v1/applications"

    def read(url: str) -> list:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)

    def works() -> bool:
        (application,) = read(applications)
        return bool(read(f"{applications}/{application['id']}/jobs?status=running"))

    return works


def rows(follower: Follower, sql: str) -> list:
    """Asks as a client that follows no tasks."""
    answer = call(Era.MODERN, "execute_query", {"sql": sql}).post_once(follower.port)
    return answer.json["result"]["structuredContent"]["rows"]


def test_it_gives_the_answer_of_a_load_in_its_task(follower):
    sql = "SELECT id, id * 7 AS part FROM range(1000)"
    arguments = {"sql": sql, "table": "loaded_as_task", "mode": "create"}
    task = follower.begin("bulk_load_from_spark", arguments)
    over = follower.wait_for(task, "completed")
    assert over["result"]["structuredContent"]["rows"] == 1000, over
    assert rows(follower, "SELECT count(*) FROM loaded_as_task") == [[1000]]


def test_it_stops_in_spark_what_is_cancelled(follower, spark_works):
    task = follower.begin("execute_spark_sql", {"sql": ENDLESS})
    until("Spark works", spark_works, pause=0.2)
    assert follower.request("tasks/cancel", {"taskId": task})["resultType"] == "complete"
    until("Spark works no more", lambda: not spark_works(), pause=0.2)
    follower.wait_for(task, "cancelled")


def test_it_says_that_a_load_was_lost_with_its_server_and_keeps_nothing_of_it(
    follower, stack, spark_works
):
    arguments = {"sql": ENDLESS, "table": "never_loaded", "mode": "create"}
    task = follower.begin("bulk_load_from_spark", arguments)
    until("Spark works", spark_works, pause=0.2)
    stack.kill("mcp-server")
    served = call(Era.MODERN, "execute_query", {"sql": "SELECT 1"})
    until("the server answers", lambda: served.post_once(stack.gateway_port).status == 200)
    lost = follower.wait_for(task, "failed")
    assert (
        "restarted while it worked on this call of `bulk_load_from_spark`" in lost["statusMessage"]
    )
    assert "may have had its effect" in lost["error"]["message"]
    assert rows(follower, "SELECT to_regclass('never_loaded') IS NULL") == [[True]]
    # Its client does not come back for it: Spark gives the statement up, some 35 s later under
    # `portcullis up`, and more than two minutes later where nobody has set that.
    until("Spark works no more", lambda: not spark_works(), 110, 0.5)
