"""Servers that are registered, fail and come back, seen by callers of the real Envoy."""

import time

import pytest

from managed_gateway import CALLS, TOOLS, ManagedGateway, listed
from mcp_messages import Era, call, has_passed
from polling import until
from raw_http import Connection
from recording_upstream import Exchange, Received, RecordingUpstream, answers_with
from traffic import Traffic


def upstream(name: str, tools: dict[str, dict], port: int = 0) -> RecordingUpstream:
    made = RecordingUpstream(name, port)
    made.responder = answers_with(listed(tools))
    return made


def status(managed: ManagedGateway, server: str) -> dict:
    reply = managed.control_plane.get(f"/api/v1/servers/{server}")
    assert reply.status == 200, reply.body
    return reply.json["status"]


@pytest.fixture
def twin(managed):
    """A second endpoint of the server `math`."""
    made = upstream("math-2", TOOLS["math"])
    yield made
    made.stop()


def test_it_serves_a_server_that_is_registered_while_calls_flow(managed):
    """Registration to first successful call: the answer of the POST, and nothing is restarted."""
    clock = upstream("clock", {"get_time": {"type": "object"}})
    try:
        with Traffic(managed.port, CALLS) as traffic:
            traffic.flows()
            entry = {"name": "clock", "url": f"http://127.0.0.1:{clock.port}/mcp"}
            reply = managed.control_plane.request("POST", "/api/v1/servers", entry)
            assert (reply.status, reply.headers["location"]) == (201, "/api/v1/servers/clock")
            message = call(Era.MODERN, "get_time", {})
            until("the new tool is called", lambda: has_passed(managed.send(message)))
            traffic.flows()
        traffic.check_only({tool: {200} for tool in CALLS})
        assert status(managed, "clock")["state"] == "up"
    finally:
        clock.stop()


def test_it_takes_an_endpoint_that_dies_under_traffic_and_gives_it_back(managed, twin):
    first = managed.upstreams["math"]
    document = managed.control_plane.document()
    document["servers"]["math"].pop("url", None)
    document["servers"]["math"]["endpoints"] = [
        f"http://127.0.0.1:{one.port}/mcp" for one in (first, twin)
    ]
    assert managed.change(document).status == 200
    until("both endpoints are called", lambda: managed.passes("add") and twin.calls())

    def states() -> list[tuple[str, bool]]:
        endpoints = status(managed, "math")["endpoints"]
        return [(endpoint["state"], endpoint["out"]) for endpoint in endpoints]

    def members() -> int:
        """How many endpoints Envoy has for the server."""
        name = "cluster.math.membership_total"
        return managed.envoy.stats(name)[name]

    until("both are well", lambda: states() == [("up", False), ("up", False)])
    twin.stop()
    until("the dead one is out", lambda: states() == [("up", False), ("down", True)])
    until("Envoy has left it", lambda: members() == 1)
    with Traffic(managed.port, {"add": CALLS["add"]}) as traffic:
        traffic.flows(300)
        back = upstream("math-2", TOOLS["math"], twin.port)
        try:
            until("it gets calls again", lambda: back.calls())
            traffic.flows()
        finally:
            # The way out of an endpoint that somebody stops on purpose is `draining`.
            document["servers"]["math"]["endpoints"][1] = {
                "url": f"http://127.0.0.1:{twin.port}/mcp",
                "health": "draining",
            }
            assert managed.change(document).status == 200
            until("it is drained", lambda: drained(managed, back))
            back.stop()
        traffic.flows()
    traffic.check_only({"add": {200}})


def drained(managed: ManagedGateway, endpoint: RecordingUpstream) -> bool:
    """Whether an endpoint gets no call any more while others are answered."""
    endpoint.forget()
    return all(managed.passes("add") for _ in range(20)) and not endpoint.calls()


SLOW = 0.4
"""Seconds, against some milliseconds of the other endpoint; a probe waits for two seconds."""
CALLED = 90
"""Of so many calls an endpoint with an eighth of the other's share gets ten."""


def test_it_sends_few_calls_to_an_endpoint_that_answers_slowly(managed, twin):
    """Only what the control plane asks of it is slow: were its calls, Envoy would go by those that
    are unanswered, and nobody could tell whose choice it is.
    """
    first = managed.upstreams["math"]
    quick = twin.responder

    def slowly(received: Received, exchange: Exchange) -> None:
        if received.readable.get("method") != "tools/call":
            time.sleep(SLOW)
        quick(received, exchange)

    document = managed.control_plane.document()
    document["servers"]["math"].pop("url", None)
    document["servers"]["math"]["endpoints"] = [
        f"http://127.0.0.1:{one.port}/mcp" for one in (first, twin)
    ]
    assert managed.change(document).status == 200

    def slow_ones() -> int:
        """How many of the next calls the second endpoint gets."""
        for endpoint in (first, twin):
            endpoint.forget()
        with Connection(managed.port) as connection:
            for _ in range(CALLED):
                assert CALLS["add"].post(connection).status == 200
        assert len(first.calls()) + len(twin.calls()) == CALLED
        return len(twin.calls())

    until("both get as many calls", lambda: abs(slow_ones() - CALLED // 2) <= CALLED // 4)
    twin.responder = slowly
    until(
        "its share is an eighth",
        lambda: [one["share"] for one in status(managed, "math")["endpoints"]] == [8, 1],
        deadline=180,
    )
    until("Envoy goes by it", lambda: 0 < slow_ones() <= CALLED // 4)


def test_it_checks_calls_of_a_pinned_server_by_the_schema_that_was_approved(managed):
    math = managed.upstreams["math"]
    document = managed.control_plane.document()
    document["servers"]["math"]["pin"] = True
    assert managed.change(document).status == 200
    text = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    math.responder = answers_with(listed({"add": text, "subtract": {"type": "object"}}))
    until(
        "the changes wait",
        lambda: (
            [review["tool"] for review in status(managed, "math").get("reviews", [])]
            == ["add", "subtract"]
        ),
    )
    math.forget()
    spelled = call(Era.MODERN, "add", {"a": "one"})
    assert managed.passes("add")
    assert not has_passed(managed.send(spelled))
    assert not has_passed(managed.send(call(Era.MODERN, "subtract", {})))
    assert len(math.calls()) == 1
    for tool in ("add", "subtract"):
        path = f"/api/v1/servers/math/tools/{tool}/approve"
        assert managed.control_plane.request("POST", path).status == 200
    until("the new schema is in force", lambda: has_passed(managed.send(spelled)))
    until(
        "the new tool is offered",
        lambda: has_passed(managed.send(call(Era.MODERN, "subtract", {}))),
    )
    assert not managed.passes("add")
