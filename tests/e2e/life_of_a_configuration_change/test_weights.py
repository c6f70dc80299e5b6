"""Calls of one tool go to two versions of a server by weight, which an operator changes live."""

from collections import Counter

from managed_gateway import CALLS, TOOLS, listed, spread
from plain_service import cluster
from polling import until
from raw_http import Connection
from recording_upstream import RecordingUpstream, answers_with
from traffic import Traffic

CALLED = 400
"""Of so many calls, four standard deviations from a quarter of them are 35."""


def served(managed, upstreams) -> Counter:
    """How many of the next calls each version is sent."""
    for upstream in upstreams.values():
        upstream.forget()
    with Connection(managed.port) as connection:
        for _ in range(CALLED):
            assert CALLS["add"].post(connection).status == 200
    calls = {
        name: [
            request
            for request in upstream.requests
            if request.readable.get("method") == "tools/call"
        ]
        for name, upstream in upstreams.items()
    }
    return Counter({name: len(requests) for name, requests in calls.items()})


def test_it_spreads_calls_over_two_versions_by_weight(managed):
    new = RecordingUpstream("new")
    new.responder = answers_with(listed(TOOLS["math"]))
    versions = {"math": managed.upstreams["math"], "math-next": new}

    def weigh(**weights: int) -> None:
        document = managed.control_plane.document()
        document["clusters"] = [cluster("math-next", [new])]
        named = {name.replace("_", "-"): weight for name, weight in weights.items()}
        document["tools"] = [
            {"name": "new-math", "match": {"server": "math"}, "route": {"weights": named}}
        ]
        assert managed.change(document).json["outcome"] == "accepted"

    with Traffic(managed.port, {"get_weather": CALLS["get_weather"]}) as traffic:
        weigh(math=3, math_next=1)
        until("the new version is called", lambda: served(managed, versions)["math-next"] > 0)
        counted = served(managed, versions)
        assert counted.total() == CALLED
        assert 65 <= counted["math-next"] <= 135, counted
        weigh(math=0, math_next=1)
        until("the old one is not", lambda: served(managed, versions)["math"] == 0)
        weigh(math=1, math_next=0)
        until("all is as before", lambda: served(managed, versions)["math-next"] == 0)
        traffic.flows()
    traffic.check_only({"get_weather": {200}})
    new.stop()


def test_it_loses_no_call_while_a_rule_with_weights_comes_goes_and_is_renamed(managed):
    """The route and the cluster of each name are there before the filter sends calls to them, and
    leave when it sends none any more: make before break.
    """
    new = RecordingUpstream("new")
    new.responder = answers_with(listed(TOOLS["math"]))
    with Traffic(managed.port, {"add": CALLS["add"]}, connections=6) as traffic:
        for rules in [("one",), (), ("one",), ("other",), ()] * 4:
            spread(managed, new, *rules)
            traffic.flows(30)
    traffic.check_only({"add": {200}})
    assert new.calls()
    new.stop()
