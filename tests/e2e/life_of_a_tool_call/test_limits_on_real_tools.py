"""A policy set by REST bites on the real tools within a second, for every client, and leaves other tools alone."""

import json
from dataclasses import dataclass

import pytest

from control_plane import InForce
from mcp_messages import Era, call
from outcomes import structured
from raw_http import Connection, Reply
from sdk_client import shown
from stack import Stack
from traffic import Traffic

QUERY = {"sql": "SELECT 1 AS one"}


@dataclass
class PolicyOfQueries:
    """The policy of `execute_query`."""

    stack: Stack

    def request(self, method: str, body: dict | None = None) -> Reply:
        encoded = None if body is None else json.dumps(body).encode()
        with Connection(self.stack.rest_port) as connection:
            headers = [("content-type", "application/json")]
            return connection.request(method, "/api/v1/tools/execute_query/policy", headers, encoded)

    def allow_two(self, limit: str) -> None:
        """Two calls a minute, counted under a name that no test has used before."""
        two = {"id": limit, "per": ["tool"], "requests": 2, "window": "1m"}
        assert self.request("PUT", {"limits": [two]}).status == 200

    def lift(self) -> None:
        assert self.request("DELETE").status in (200, 204)


@pytest.fixture
def policy(stack):
    of_queries = PolicyOfQueries(stack)
    yield of_queries
    of_queries.request("DELETE")


def test_of_six_quick_calls_two_pass_and_other_tools_go_on(stack, policy):
    query = call(Era.MODERN, "execute_query", QUERY)
    with Traffic(stack.gateway_port, {"list_tables": call(Era.MODERN, "list_tables")}, connections=1) as traffic:
        traffic.flows(5)
        policy.allow_two("raw")
        replies = [query.post_once(stack.gateway_port) for _ in range(6)]
        assert [reply.status for reply in replies] == [200, 200, 429, 429, 429, 429]
        assert all(int(reply.headers["retry-after"]) <= 60 for reply in replies[2:])
        traffic.flows(5)
        policy.lift()
        InForce().check("the limit is lifted", lambda: query.post_once(stack.gateway_port).status == 200)
    traffic.check_only({"list_tables": {200}})


def test_every_client_reads_how_long_to_wait(client, policy):
    policy.allow_two(client.sdk.label.replace(" ", "-"))
    outcomes = [client.call("execute_query", QUERY) for _ in range(6)]
    for outcome in outcomes[:2]:
        assert structured(outcome)["rows"] == [[1]]
    for outcome in outcomes[2:]:
        assert "is limited to 2 calls per 1 minute; try again in" in shown(outcome)
    policy.lift()
    assert structured(client.call("execute_query", QUERY))["rows"] == [[1]]
