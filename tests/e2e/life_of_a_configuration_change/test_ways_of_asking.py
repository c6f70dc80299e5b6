"""An Envoy may ask for its configuration in four ways, and a change reaches it in each of them
without a failed call. Each way is a bootstrap file in envoy/.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

import managed_gateway
from control_plane import rejections
from free_ports import free_port
from gateway_under_test import CITY
from installation import REPOSITORY
from managed_gateway import CALLS, TOOLS, listed, spread
from mcp_messages import Era, request
from polling import until
from raw_http import Connection
from recording_upstream import RecordingUpstream, answers_with
from traffic import Traffic

WAYS = sorted(path.name for path in (REPOSITORY / "envoy").glob("bootstrap*.yaml"))


@pytest.fixture(params=WAYS)
def gateway(request, installation, directory):
    """A gateway whose Envoy asks in one of the ways."""
    file = REPOSITORY / "envoy" / request.param
    made = managed_gateway.start(installation, directory, file)
    yield made
    made.stop()


def is_settled(gateway) -> bool:
    """Whether the one Envoy there is has answered all of what it is to have."""
    nodes = gateway.control_plane.nodes()
    return [node["connected"] for node in nodes] == [True] and (
        nodes[0]["generation"]["in_force"]
        == gateway.control_plane.get("/api/v1/version").json["generation"]
    )


def test_it_takes_every_change_without_a_failed_call(gateway):
    until("one Envoy is there and has everything", lambda: is_settled(gateway))
    (node,) = gateway.control_plane.nodes()
    assert node["streams"] == 1, node
    kinds = {resource["type"] for resource in node["resources"]}
    assert len(kinds) >= 4, kinds
    before = gateway.control_plane.document()
    port = free_port()
    added = {"name": "more", "address": f"127.0.0.1:{port}", "servers": ["math"]}
    moved = gateway.upstreams["moved"] = RecordingUpstream("moved")
    moved.responder = answers_with(listed({"get_weather": CITY}))
    new = gateway.upstreams["new"] = RecordingUpstream("new")
    new.responder = answers_with(listed(TOOLS["math"]))
    with Traffic(gateway.port, CALLS) as traffic:
        traffic.flows()
        # A listener with a route and a filter of its own comes and goes.
        more = {**before, "listeners": [*before["listeners"], added]}
        assert gateway.change(more).json["outcome"] == "accepted"
        until("the new listener serves", lambda: CALLS["add"].post_once(port).status == 200)
        traffic.flows()
        with connections(port) as kept:
            assert gateway.change(before).json["outcome"] == "accepted"
            assert set(answered_until_the_end(kept)) == {200}
        traffic.flows()
        # The endpoints of a cluster change.
        document = gateway.control_plane.document()
        document["servers"]["weather"]["url"] = f"http://127.0.0.1:{moved.port}/mcp"
        document["servers"]["weather"].pop("endpoints", None)
        assert gateway.change(document).json["outcome"] == "accepted"
        until("calls arrive at the new place", moved.calls)
        traffic.flows()
        # A cluster comes that calls go to, then another in its place, and both go.
        for rules in [("one",), ("other",), ()]:
            spread(gateway, new, *rules)
            traffic.flows(30)
        assert new.calls()
        # A server goes, and its cluster with it.
        shorter = gateway.control_plane.document()
        shorter["servers"]["third"] = {"url": f"http://127.0.0.1:{moved.port}/mcp"}
        assert gateway.change(shorter).json["outcome"] == "accepted"
        del shorter["servers"]["third"]
        assert gateway.change(shorter).json["outcome"] == "accepted"
        traffic.flows()
        # The stream breaks, and is opened again.
        gateway.control_plane.crash()
        gateway.control_plane.start_again()
        until("Envoy is subscribed again", lambda: is_settled(gateway))
        traffic.flows()
    traffic.check_only({name: {200} for name in CALLS})
    gateway.limit("get_weather", 1)
    assert 429 in [gateway.status("get_weather") for _ in range(3)]
    until("all is answered", lambda: is_settled(gateway))


def test_it_takes_back_what_an_envoy_rejects_while_traffic_goes_on(gateway, occupied_port):
    """A listener on a port that somebody has, and a module that is gone for a moment, as on a disk
    that fails: Envoy rejects every configuration of the filter.
    """
    before = gateway.control_plane.document()
    second = {"name": "second", "address": f"127.0.0.1:{occupied_port}", "servers": ["*"]}
    with Traffic(gateway.port, CALLS) as traffic:
        traffic.flows()
        answer = gateway.change({**before, "listeners": [*before["listeners"], second]})
        assert (answer.status, answer.json["outcome"]) == (422, "rejected"), answer.body
        assert "in use" in answer.body.decode(), answer.body
        with hidden_module(gateway):
            rejected = gateway.control_plane.set_limit("get_weather", 1)
            assert (rejected.status, rejected.json["outcome"]) == (422, "rejected"), rejected.body
            assert gateway.control_plane.document() == before
            (node,) = gateway.control_plane.nodes()
            assert rejections(node), node
            traffic.flows()
    traffic.check_only({name: {200} for name in CALLS})
    # The very bytes that were rejected. Envoy takes them for known, and acknowledges them without a
    # look, unless it was sent others in between.
    with Traffic(gateway.port, {"add": CALLS["add"]}) as traffic:
        answer = gateway.control_plane.set_limit("get_weather", 1)
        assert (answer.status, answer.json["outcome"]) == (200, "accepted"), answer.body
        assert answer.json["generation"] == rejected.json["generation"]
        until("the limit is in force", lambda: gateway.status("get_weather") == 429)
        until("all is answered", lambda: is_settled(gateway))
        assert rejections(gateway.control_plane.nodes()[0]) == []
        traffic.flows()
    traffic.check_only({"add": {200}})


def test_it_answers_in_json_rpc_while_an_envoy_has_no_configuration_that_it_can_run(gateway):
    """The module is gone when Envoy starts: it rejects the first configuration of the filter, and
    calls it the current one all the same.
    """
    gateway.envoy.process.stop()
    for upstream in gateway.upstreams.values():
        upstream.forget()
    with hidden_module(gateway):
        gateway.envoy.process.start()
        reply = until("it answers", lambda: gateway.send(CALLS["get_weather"]))
        assert (reply.status, reply.headers["retry-after"]) == (503, "10"), reply
        assert (reply.json["id"], reply.json["error"]["code"]) == (None, 50300)
        assert "portcullis status" in reply.json["error"]["message"]
        for message in (CALLS["add"], request(Era.LEGACY, "tools/list")):
            assert gateway.send(message).json == reply.json
        assert [upstream.calls() for upstream in gateway.upstreams.values()] == [[], []]
        (text,) = until("it is said", lambda: rejections(gateway.control_plane.nodes()[0]))
        module = gateway.installation.module_hash
        assert module in text
        assert module in gateway.envoy.admin("/config_dump?resource=ecds_filters")
    answer = gateway.control_plane.set_limit("get_weather", 1_000_000)
    assert (answer.status, answer.json["outcome"]) == (200, "accepted"), answer.body
    for tool in CALLS:
        until(f"`{tool}` can be called", lambda: gateway.passes(tool))


@contextmanager
def connections(port: int) -> Iterator[list[Connection]]:
    """Connections that have each had a call answered."""
    with ExitStack() as stack:
        made = [stack.enter_context(Connection(port)) for _ in range(8)]
        assert {CALLS["add"].post(connection).status for connection in made} == {200}
        yield made


def answered_until_the_end(kept: list[Connection]) -> Counter:
    """Calls on connections to a listener that goes, until Envoy has ended each of them: how often
    it answered with which status.
    """
    statuses: Counter = Counter()

    def are_over() -> bool:
        for connection in list(kept):
            try:
                reply = CALLS["add"].post(connection)
            except (OSError, EOFError):
                kept.remove(connection)
                continue
            statuses[reply.status] += 1
            if reply.headers.get("connection") == "close":
                kept.remove(connection)
        return not kept

    until("every connection is ended", are_over)
    return statuses


@contextmanager
def hidden_module(gateway) -> Iterator[None]:
    """The filter's module is not where Envoys read it."""
    (module,) = (gateway.directory / "modules").glob("*.wasm")
    hidden = module.rename(module.with_suffix(".hidden"))
    yield
    hidden.rename(module)
