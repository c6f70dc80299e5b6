"""A change reaches one real Envoy first, and the other one when an operator says so, or never.

Invariant 2 of docs/architecture.md.
"""

import copy
from dataclasses import dataclass

import pytest

from control_plane import subscribed_envoy
from envoy import Envoy
from managed_gateway import CALLS, CONFIGURATION, ManagedGateway
from polling import until
from traffic import Traffic

LIMITED = {
    "name": "few",
    "match": {"tool": "add"},
    "limits": [{"per": ["tool"], "requests": 100000, "window": "1h"}],
}


@dataclass
class Pair:
    """Two Envoys on one port, of which one gets each change first."""

    gateway: ManagedGateway
    envoys: dict[str, Envoy]

    def rollout(self) -> dict:
        return self.gateway.control_plane.get("/api/v1/rollouts").json["rollouts"][0]

    def split(self) -> tuple[str, str]:
        """The names of the Envoy that was given the change, and of the other one."""
        (canary,) = [node["id"] for node in self.rollout()["waves"][0]["nodes"]]
        (other,) = [name for name in self.envoys if name != canary]
        return canary, other

    def want(self, verb: str, body: object = None) -> dict:
        path = f"/api/v1/rollouts/{self.rollout()['id']}/{verb}"
        answer = self.gateway.control_plane.request("POST", path, body)
        assert answer.status == 200, answer.body
        return answer.json

    def configurations(self) -> dict[str, dict[str, int]]:
        """What the worker of each Envoy says that it has taken."""
        return {name: envoy.stats(CONFIGURATION) for name, envoy in self.envoys.items()}

    def attempts(self) -> dict[str, int]:
        """How often each Envoy was sent listeners."""
        name = "listener_manager.lds.update_attempt"
        return {of: envoy.stats(name)[name] for of, envoy in self.envoys.items()}


@pytest.fixture
def pair(managed, directory):
    second = subscribed_envoy(managed.installation, directory, managed.control_plane, "second")
    made = Pair(managed, {"envoy": managed.envoy, "second": second})
    until(
        "the second has what the first has",
        lambda: len(set(str(values) for values in made.configurations().values())) == 1,
    )
    document = managed.control_plane.document()
    document["rollout"] = {"waves": [1], "soak": "24h", "ack_deadline": "50s"}
    # How changes reach Envoys is no part of what reaches them.
    assert managed.change(document).json["outcome"] == "accepted"
    yield made
    second.stop()


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
