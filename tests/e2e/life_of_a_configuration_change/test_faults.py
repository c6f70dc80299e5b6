"""What goes wrong on the way of a change never reaches the traffic.

Invariant 2 of docs/architecture.md.
"""

import copy
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from control_plane import ControlPlane, rejections, subscribed_envoy
from free_ports import free_port
from gateway_under_test import ANYTHING
from managed_gateway import CALLS, listed
from mcp_messages import Era, call, is_refused
from polling import until
from recording_upstream import RecordingUpstream, answers_with
from traffic import Traffic

ONLY_GOOD = {name: {200} for name in CALLS}
TAKEN = "extension_config_discovery.http_filter.portcullis.mcp.mcp.config_reload"
"""How often Envoy has taken another configuration of the filter."""
CHANGES = 30
"""Changes at an Envoy that answers none of them."""


def test_it_shows_why_an_envoy_rejected_a_change_while_traffic_goes_on(managed, occupied_port):
    before = managed.control_plane.document()
    wrong = copy.deepcopy(before)
    wrong["listeners"].append(
        {"name": "second", "address": f"127.0.0.1:{occupied_port}", "servers": ["*"]}
    )
    with Traffic(managed.port, CALLS) as traffic:
        traffic.flows()
        answer = managed.change(wrong)
        assert "in use" in answer.body.decode(), answer.body
        (node,) = managed.control_plane.nodes()
        texts = " ".join(rejections(node))
        assert "in use" in texts, node
        traffic.flows()
        assert managed.change(before).status == 200
        until("no rejection is left", lambda: rejections(managed.control_plane.nodes()[0]) == [])
        assert managed.control_plane.set_limit("get_weather", 1000).status == 200
        traffic.flows()
    traffic.check_only({"get_weather": {200, 429}, "add": {200}})


@contextmanager
def suspended(pid: int) -> Iterator[None]:
    """A process that does nothing, whatever becomes of the test."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_it_serves_by_the_listeners_that_came_with_one_that_an_envoy_rejected(
    installation, directory, occupied_port
):
    """Nothing was accepted before, so there is nothing to go back to: of all listeners of one
    response Envoy serves by those that it can.
    """
    ports = [free_port() for _ in range(5)]
    ports.insert(2, occupied_port)
    document = {
        "listeners": [
            {"name": f"l{number}", "address": f"127.0.0.1:{port}", "servers": ["*"]}
            for number, port in enumerate(ports)
        ],
        "servers": {"away": {"url": f"http://127.0.0.1:{free_port()}/mcp"}},
    }
    control_plane = ControlPlane(installation, directory, document)
    envoy = subscribed_envoy(installation, directory, control_plane)
    try:
        until(
            "it is rejected", lambda: [rejections(node) for node in control_plane.nodes()] != [[]]
        )
        (node,) = control_plane.nodes()
        (text,) = rejections(node)
        assert f":{occupied_port}" in text and "in use" in text, node
        for port in ports:
            if port != occupied_port:
                until("it serves", lambda port=port: CALLS["add"].post_once(port).json["error"])
    finally:
        envoy.stop()
        control_plane.stop()


def in_force(managed) -> bool:
    """Whether Envoy runs what it is meant to have."""
    (node,) = managed.control_plane.nodes()
    return (
        node["generation"]["in_force"]
        == managed.control_plane.get("/api/v1/version").json["generation"]
    )


def test_it_takes_back_by_itself_what_an_envoy_rejected(managed, occupied_port):
    assert managed.control_plane.set_limit("get_weather", 1).status == 200
    until("the limit is in force", lambda: managed.status("get_weather") == 429)
    before = managed.control_plane.document()
    wrong = copy.deepcopy(before)
    wrong["tools"] = []
    wrong["listeners"].append(
        {"name": "second", "address": f"127.0.0.1:{occupied_port}", "servers": ["*"]}
    )
    answer = managed.change(wrong)
    assert (answer.status, answer.json["outcome"]) == (422, "rejected"), answer.body
    assert answer.json["in_force"] < answer.json["revision"]
    assert managed.control_plane.document() == before
    until("Envoy runs on what was in force before", lambda: in_force(managed))
    # Envoy acknowledges on its main thread; its workers take the configuration a moment later.
    until("the limit is in force again", lambda: managed.status("get_weather") == 429)


def test_it_gives_an_envoy_that_restarts_after_a_rejection_the_last_good_configuration(
    managed, occupied_port
):
    """The last good one has a limit, which the rejected one would have lifted."""
    assert managed.control_plane.set_limit("get_weather", 1).status == 200
    wrong = managed.control_plane.document()
    wrong["tools"] = []
    wrong["listeners"].append(
        {"name": "second", "address": f"127.0.0.1:{occupied_port}", "servers": ["*"]}
    )
    assert managed.change(wrong).status == 422
    managed.envoy.restart()
    until("`add` can be called again", lambda: managed.passes("add"))
    until("the limit is in force", lambda: managed.status("get_weather") == 429)


def test_it_changes_nothing_for_traffic_when_the_control_plane_is_killed(managed):
    managed.control_plane.set_limit("get_weather", 1_000_000)
    before = managed.control_plane.document()
    with Traffic(managed.port, CALLS) as traffic:
        traffic.flows()
        managed.control_plane.crash()
        traffic.flows(300)
        managed.control_plane.start_again()
        assert managed.control_plane.document() == before
        until(
            "Envoy is subscribed again",
            lambda: any(node["connected"] for node in managed.control_plane.nodes()),
        )
        traffic.flows()
    traffic.check_only(ONLY_GOOD)
    assert managed.control_plane.set_limit("get_weather", 1).status == 200
    until("a new change is in force", lambda: managed.status("get_weather") == 429)


def test_it_gives_a_restarted_envoy_the_configuration_in_force(managed):
    managed.control_plane.set_limit("get_weather", 1)
    managed.envoy.restart()
    until("the gateway serves again", lambda: managed.passes("add"))
    assert 429 in [managed.status("get_weather") for _ in range(3)]


def test_it_serves_by_an_envoy_that_starts_first_once_the_control_plane_is_there(managed):
    managed.control_plane.crash()
    managed.envoy.process.stop()
    managed.envoy.process.start()
    managed.control_plane.start_again()
    for tool in CALLS:
        until(f"`{tool}` can be called", lambda: managed.passes(tool))


def test_it_stores_changes_while_an_envoy_judges_one_and_hands_out_the_newest(managed):
    """Envoy is stopped for a moment: it answers nothing, and is still connected. It is sent the
    first change and the last one, and none of those between.
    """
    before = managed.control_plane.get("/api/v1/version").json["newest_revision"]
    taken = managed.envoy.stats(TAKEN)

    def stored(changes: int) -> bool:
        version = managed.control_plane.get("/api/v1/version").json
        return version["newest_revision"] == before + changes

    writes = []
    with ThreadPoolExecutor(CHANGES) as threads:
        with suspended(managed.envoy.pid):
            for limit in [*range(1_000_000 + CHANGES, 1_000_001, -1), 1]:
                set_limit = managed.control_plane.set_limit
                writes.append(threads.submit(set_limit, "get_weather", limit))
                until("the change is stored", lambda: stored(len(writes)))
            assert not any(write.done() for write in writes)
        answers = [write.result() for write in writes]
    assert {answer.status for answer in answers} == {200}
    outcomes = [answer.json["outcome"] for answer in answers]
    assert outcomes == ["accepted", *["superseded"] * (CHANGES - 2), "accepted"]
    until("the newest limit is in force", lambda: managed.status("get_weather") == 429)
    (name,) = taken
    assert managed.envoy.stats(TAKEN) == {name: taken[name] + 2}


def test_it_lists_a_server_that_was_down_once_it_is_up(managed):
    port = free_port()
    document = managed.control_plane.document()
    document["servers"]["late"] = {"url": f"http://127.0.0.1:{port}/mcp"}
    assert managed.change(document).status == 200
    late_tool = call(Era.MODERN, "late_tool")
    assert managed.send(late_tool).json["error"]["code"] == -32602
    managed.upstreams["late"] = RecordingUpstream("late", port)
    managed.upstreams["late"].responder = answers_with(listed({"late_tool": ANYTHING}))
    until("the late server's tool can be called", lambda: "result" in managed.send(late_tool).json)
    assert managed.passes("get_weather")


def test_it_tells_in_json_rpc_that_a_server_went_down_and_serves_the_others(managed):
    managed.upstreams["math"].stop()
    until("the gateway notices", lambda: is_refused(managed.send(CALLS["add"]), 50300))
    assert managed.passes("get_weather")
