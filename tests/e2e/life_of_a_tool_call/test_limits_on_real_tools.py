"""A limit set by REST holds on a real tool at once, for every client, and for no other tool."""

import pytest
from policy_of_queries import PolicyOfQueries

from mcp_messages import Era, call
from outcomes import shown, structured
from polling import until
from traffic import Traffic

QUERY = {"sql": "SELECT 1 AS one"}


@pytest.fixture
def policy(stack):
    of_queries = PolicyOfQueries(stack)
    yield of_queries
    of_queries.lift()


def test_it_lets_two_of_six_quick_calls_pass_and_other_tools_go_on(stack, policy):
    query = call(Era.MODERN, "execute_query", QUERY)
    with Traffic(
        stack.gateway_port, {"list_tables": call(Era.MODERN, "list_tables")}, connections=1
    ) as traffic:
        traffic.flows(5)
        policy.allow(2, "raw")
        replies = [query.post_once(stack.gateway_port) for _ in range(6)]
        assert [reply.status for reply in replies] == [200, 200, 429, 429, 429, 429]
        assert all(int(reply.headers["retry-after"]) <= 3600 for reply in replies[2:])
        traffic.flows(5)
        policy.lift()
        until("the limit is lifted", lambda: query.post_once(stack.gateway_port).status == 200)
    traffic.check_only({"list_tables": {200}})


def test_it_tells_every_client_how_long_to_wait(client, policy):
    policy.allow(2, f"waits-{client.sdk.label.replace(' ', '-')}")
    outcomes = [client.call("execute_query", QUERY) for _ in range(6)]
    for outcome in outcomes[:2]:
        assert structured(outcome)["rows"] == [[1]]
    for outcome in outcomes[2:]:
        assert "is limited to 2 calls per 1 hour; try again in" in shown(outcome)
    policy.lift()
    assert structured(client.call("execute_query", QUERY))["rows"] == [[1]]
