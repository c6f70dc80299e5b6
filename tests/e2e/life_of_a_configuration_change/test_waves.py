"""A change reaches one real Envoy first, and the other one when an operator says so, or never.

Invariant 2 of docs/architecture.md.
"""

import copy

from free_ports import free_port
from managed_gateway import CALLS
from polling import until
from raw_http import Connection
from traffic import Traffic

LIMITED = {
    "name": "few",
    "match": {"tool": "add"},
    "limits": [{"per": ["tool"], "requests": 100000, "window": "1h"}],
}


def with_limit(document: dict) -> dict:
    changed = copy.deepcopy(document)
    changed["tools"] = [LIMITED]
    return changed


def test_it_gives_a_change_to_one_envoy_and_to_the_other_when_it_is_promoted(pair):
    before = pair.configurations()
    with Traffic(pair.gateway.port, CALLS) as traffic:
        traffic.flows()
        answer = pair.gateway.change(with_limit(pair.gateway.control_plane.document()))
        assert answer.json["outcome"] == "rolling_out", answer.body
        canary, other = pair.split()
        until("its worker has it", lambda: pair.configurations()[canary] != before[canary])
        rollout = pair.rollout()
        assert (rollout["state"], rollout["wave"], rollout["of"]) == ("soaking", 1, 2)
        assert pair.configurations()[other] == before[other]
        traffic.flows()
        pair.want("promote")
        until("both have it", lambda: len(set(map(str, pair.configurations().values()))) == 1)
        until("it is accepted", lambda: pair.rollout()["state"] == "accepted")
        assert pair.configurations()[other] != before[other]
        traffic.flows()
    traffic.check_only({name: {200} for name in CALLS})


def test_it_takes_a_change_back_from_the_one_envoy_that_has_it_when_it_is_aborted(pair):
    before = pair.configurations()
    answer = pair.gateway.change(with_limit(pair.gateway.control_plane.document()))
    assert answer.json["outcome"] == "rolling_out", answer.body
    canary, other = pair.split()
    until("its worker has it", lambda: pair.configurations()[canary] != before[canary])
    assert pair.want("abort", {"allow_loosening": True})["state"] == "aborted"
    until("it is as before", lambda: pair.configurations() == before)
    assert pair.gateway.control_plane.document().get("tools", []) == []


def test_it_leaves_the_other_envoy_alone_when_one_rejects_a_change(pair, occupied_port):
    before = pair.attempts()
    wrong = pair.gateway.control_plane.document()
    wrong["listeners"].append(
        {"name": "second", "address": f"127.0.0.1:{occupied_port}", "servers": ["*"]}
    )
    with Traffic(pair.gateway.port, CALLS) as traffic:
        traffic.flows()
        answer = pair.gateway.change(wrong)
        assert answer.status == 422, answer.body
        canary, other = pair.split()
        assert pair.rollout()["state"] == "taken_back"
        assert "in use" in pair.rollout()["reason"]
        after = pair.attempts()
        assert after[canary] > before[canary]
        assert after[other] == before[other]
        traffic.flows()
    traffic.check_only({name: {200} for name in CALLS})


def test_it_takes_a_change_back_that_makes_calls_fail(pair):
    document = pair.gateway.control_plane.document()
    document["rollout"]["gates"] = {"error_rate": "20%", "min_requests": 10}
    assert pair.gateway.change(document).json["outcome"] == "accepted"
    # Envoy takes it, and reaches nobody there.
    document["clusters"] = [{"name": "dead", "endpoints": [f"127.0.0.1:{free_port()}"]}]
    to_the_dead = {"name": "plain", "match": {"prefix": "/plain"}, "to": {"cluster": "dead"}}
    document["routes"] = [to_the_dead]
    answer = pair.gateway.change(document)
    assert answer.json["outcome"] == "rolling_out", answer.body
    canary, _ = pair.split()
    rollout = pair.rollout()["id"]

    def is_taken_back() -> bool:
        # Each over a connection of its own, so that both Envoys get some.
        for _ in range(10):
            with Connection(pair.gateway.port) as connection:
                assert connection.request("GET", "/plain", []).status in (404, 503)
        return pair.rollout()["state"] == "taken_back"

    until("it is taken back", is_taken_back)
    assert pair.rollout()["id"] == rollout
    reason = pair.rollout()["reason"]
    assert f"`{canary}` failed" in reason and "rollout.gates.error_rate" in reason, reason
    assert pair.gateway.control_plane.document().get("routes", []) == []
    assert pair.gateway.passes("add")


def test_it_takes_a_change_back_that_sends_calls_to_the_dead(pair):
    document = pair.gateway.control_plane.document()
    document["rollout"]["gates"] = {"error_rate": "20%", "min_requests": 10}
    assert pair.gateway.change(document).json["outcome"] == "accepted"
    before = pair.configurations()
    document["clusters"] = [{"name": "dead", "endpoints": [f"127.0.0.1:{free_port()}"]}]
    to_the_dead = {"name": "aside", "match": {"tool": "add"}, "route": {"cluster": "dead"}}
    document["tools"] = [to_the_dead]
    answer = pair.gateway.change(document)
    assert answer.json["outcome"] == "rolling_out", answer.body
    canary, _ = pair.split()
    rollout = pair.rollout()["id"]

    def has_ended() -> bool:
        # Each over a connection of its own, so that both Envoys get some.
        for _ in range(10):
            pair.gateway.passes("add")
        return pair.rollout()["state"] != "soaking"

    until("it is over", has_ended)
    ended = pair.rollout()
    assert (ended["id"], ended["state"]) == (rollout, "taken_back"), ended
    assert f"`{canary}` failed" in ended["reason"], ended
    until("both are as before", lambda: pair.configurations() == before)
    assert pair.gateway.control_plane.document().get("tools", []) == []
    assert all(pair.gateway.passes("add") for _ in range(20))


def test_it_takes_a_change_back_from_an_envoy_that_crashes_with_it(pair):
    before = pair.configurations()
    attempts = pair.attempts()
    looser = pair.gateway.control_plane.document()
    looser["defaults"] = {"validate": "shadow"}
    answer = pair.gateway.change(looser)
    assert answer.json["outcome"] == "rolling_out", answer.body
    canary, other = pair.split()
    envoy = pair.envoys[canary]
    for _ in range(2):
        unlike = ({}, before[canary])
        until("its worker has it", lambda: pair.configurations()[canary] not in unlike)
        envoy.process.kill()
        envoy.process.start()
        envoy.wait_until_ready()
    until("it is taken back", lambda: pair.rollout()["state"] == "taken_back")
    assert "was lost twice" in pair.rollout()["reason"]
    until("it is as before", lambda: pair.configurations() == before)
    assert pair.attempts()[other] == attempts[other]


def test_it_waits_for_an_envoy_that_dies_with_a_change_and_goes_on_when_it_is_back(pair):
    answer = pair.gateway.change(with_limit(pair.gateway.control_plane.document()))
    assert answer.json["outcome"] == "rolling_out", answer.body
    canary, _ = pair.split()
    envoy = pair.envoys[canary]
    awaited = f"`{canary}` ended within a minute"
    envoy.process.kill()
    until("it is waited for", lambda: awaited in pair.rollout().get("gate", ""))
    envoy.process.start()
    envoy.wait_until_ready()
    until("it is back", lambda: not pair.rollout().get("gate"))
    rollout = pair.rollout()
    assert (rollout["state"], rollout["wave"]) == ("soaking", 1)
    pair.want("promote")
    until("it is accepted", lambda: pair.rollout()["state"] == "accepted")
