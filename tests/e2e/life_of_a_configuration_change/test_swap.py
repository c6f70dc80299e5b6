"""What is under way when the configuration changes ends as it began.

Invariant 3 of docs/architecture.md.
"""

import json
import threading

from free_ports import free_port
from gateway_under_test import CITY
from managed_gateway import CALLS, TOOLS, listed
from polling import until
from raw_http import Connection, Reply
from recording_upstream import RecordingUpstream, answers_with
from traffic import Traffic


def test_it_lets_a_call_and_its_events_outlive_a_change(managed):
    """An event stream is open, with an event before the changes, one between them and the result
    after them; then its connection takes another call.
    """
    read: list[dict] = []
    replies: list[Reply] = []
    go_on = [threading.Event(), threading.Event()]
    upstream = managed.upstreams["weather"]
    otherwise = answers_with(listed(TOOLS["weather"]))

    def respond(received, exchange):
        if received.readable.get("id") != "long":
            otherwise(received, exchange)
            return
        exchange.begin_events()
        for number, event in enumerate(go_on):
            exchange.event(
                {
                    "jsonrpc": "2.0",
                    "method": "notifications/progress",
                    "params": {"progress": number},
                }
            )
            assert event.wait(60)
        exchange.event(
            {"jsonrpc": "2.0", "id": "long", "result": {"content": [], "structuredContent": {}}}
        )
        exchange.end_events()

    upstream.responder = respond
    message = CALLS["get_weather"]
    body = json.dumps({**json.loads(message.body), "id": "long"}).encode()

    def read_events() -> None:
        with Connection(managed.port, timeout=60) as connection:
            length = ("content-length", str(len(body)))
            connection.send(connection.head("POST", "/mcp", [*message.headers, length]) + body)
            response = connection.begin_reply()
            while line := response.readline():
                if line.startswith(b"data: "):
                    read.append(json.loads(line[6:]))
            replies.append(message.post(connection))

    modified = managed.envoy.stats("listener_manager.listener_modified")
    reader = threading.Thread(target=read_events, daemon=True)
    reader.start()
    for number, event in enumerate(go_on):
        until(f"event {number} has been read", lambda: len(read) > number)
        assert managed.control_plane.set_limit("get_weather", 10 + number).status == 200
        event.set()
    reader.join(60)
    assert [one.get("params", {}).get("progress") for one in read] == [0, 1, None]
    assert read[2]["id"] == "long"
    (reply,) = replies
    assert (reply.status, reply.headers.get("connection")) == (200, None), reply
    # No listener was made anew, so that no connection will be ended for one that was.
    assert managed.envoy.stats("listener_manager.listener_modified") == modified
    assert [*modified.values()] == [0], modified


def test_it_adds_and_removes_a_listener_without_disturbing_another(managed):
    before = managed.control_plane.document()
    port = free_port()
    added = {"name": "more", "address": f"127.0.0.1:{port}", "servers": ["math"]}
    more = {**before, "listeners": [*before["listeners"], added]}
    with Traffic(managed.port, CALLS) as traffic:
        traffic.flows()
        assert managed.change(more).status == 200
        until("the new listener serves", lambda: CALLS["add"].post_once(port).status == 200)
        assert CALLS["get_weather"].post_once(port).json["error"]["code"] == -32602
        assert managed.change(before).status == 200
        traffic.flows()
    traffic.check_only({name: {200} for name in CALLS})


def test_it_follows_a_server_that_moves_without_a_failed_call(managed):
    """A change of endpoints, which alone go out."""
    managed.upstreams["moved"] = RecordingUpstream("moved")
    managed.upstreams["moved"].responder = answers_with(listed({"get_weather": CITY}))
    document = managed.control_plane.document()
    with Traffic(managed.port, CALLS) as traffic:
        traffic.flows()
        document["servers"]["weather"]["url"] = (
            f"http://127.0.0.1:{managed.upstreams['moved'].port}/mcp"
        )
        document["servers"]["weather"].pop("endpoints", None)
        assert managed.change(document).status == 200
        until("calls arrive at the new place", managed.upstreams["moved"].calls)
        traffic.flows()
    traffic.check_only({name: {200} for name in CALLS})
