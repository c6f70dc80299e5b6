"""An Envoy may ask for its configuration in four ways, and a change reaches it in each of them
without a failed call. Each way is a bootstrap file in envoy/.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import managed_gateway
from free_ports import free_port
from gateway_under_test import CITY
from installation import REPOSITORY
from managed_gateway import CALLS, listed
from polling import until
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
    with Traffic(gateway.port, CALLS) as traffic:
        traffic.flows()
        # A listener with a route and a filter of its own comes and goes.
        more = {**before, "listeners": [*before["listeners"], added]}
        assert gateway.change(more).json["outcome"] == "accepted"
        until("the new listener serves", lambda: CALLS["add"].post_once(port).status == 200)
        traffic.flows()
        assert gateway.change(before).json["outcome"] == "accepted"
        traffic.flows()
        # A cluster changes.
        document = gateway.control_plane.document()
        document["servers"]["weather"]["url"] = f"http://127.0.0.1:{moved.port}/mcp"
        document["servers"]["weather"].pop("endpoints", None)
        assert gateway.change(document).json["outcome"] == "accepted"
        until("calls arrive at the new place", moved.calls)
        traffic.flows()
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


def test_it_takes_back_what_an_envoy_rejects_while_traffic_goes_on(gateway):
    """A listener on a port that somebody has, and a module that is gone for a moment."""
    before = gateway.control_plane.document()
    (module,) = (gateway.directory / "modules").glob("*.wasm")
    with Traffic(gateway.port, CALLS) as traffic, occupied_port() as port:
        traffic.flows()
        wrong = {**before, "listeners": [*before["listeners"], listener_on(port)]}
        answer = gateway.change(wrong)
        assert (answer.status, answer.json["outcome"]) == (422, "rejected"), answer.body
        assert "in use" in answer.body.decode(), answer.body
        hidden = module.rename(module.with_suffix(".hidden"))
        answer = gateway.control_plane.set_limit("get_weather", 1_000_000)
        assert (answer.status, answer.json["outcome"]) == (422, "rejected"), answer.body
        hidden.rename(module)
        answer = gateway.control_plane.set_limit("get_weather", 2_000_000)
        assert (answer.status, answer.json["outcome"]) == (200, "accepted"), answer.body
        until("all is answered", lambda: is_settled(gateway))
        traffic.flows()
    traffic.check_only({name: {200} for name in CALLS})


@contextmanager
def occupied_port() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", free_port())) as occupier:
        yield occupier.getsockname()[1]


def listener_on(port: int) -> dict:
    return {"name": "second", "address": f"127.0.0.1:{port}", "servers": ["*"]}
