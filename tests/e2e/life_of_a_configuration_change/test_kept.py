"""A change that one real Envoy crashes with is kept where going back would allow more; the control
plane dies meanwhile, and starts again.

Decision 16.
"""

from managed_gateway import TOOLS, listed
from polling import until
from recording_upstream import RecordingUpstream, answers_with

MEMBERS = "cluster.math.membership_total"
LISTENERS = "listener_manager.total_listeners_active"


def members(envoy) -> int:
    """How many endpoints of `math` an Envoy sends requests to."""
    return envoy.stats(MEMBERS)[MEMBERS]


def generations(pair) -> dict[str, tuple[str, str]]:
    """The generation that each Envoy is to have, and the one that it runs."""
    nodes = pair.gateway.control_plane.nodes()
    return {
        node["id"]: (node["generation"]["desired"], node["generation"]["in_force"])
        for node in nodes
    }


def crash_twice(pair, name: str, before: dict[str, int]) -> None:
    """Has an Envoy crash each time that its worker has another configuration than before."""
    envoy = pair.envoys[name]
    for _ in range(2):
        # A process that has just been started has not taken any.
        until("its worker has it", lambda: pair.configurations()[name] not in ({}, before))
        envoy.process.kill()
        envoy.process.start()
        envoy.wait_until_ready()


def test_it_serves_each_envoy_as_before_when_it_starts_again_while_a_change_is_kept(pair):
    control_plane = pair.gateway.control_plane
    more = RecordingUpstream("more")
    more.responder = answers_with(listed(TOOLS["math"]))
    ports = [pair.gateway.upstreams["math"].port, more.port]
    document = control_plane.document()
    document["rollout"] = {"ack_deadline": "50s"}
    document["servers"]["math"] = {"endpoints": [f"http://127.0.0.1:{port}/mcp" for port in ports]}
    assert pair.gateway.change(document).json["outcome"] == "accepted"
    for envoy in pair.envoys.values():
        until("it has both endpoints", lambda envoy=envoy: members(envoy) == 2)
    document["rollout"] = {"waves": [1], "soak": "24h", "ack_deadline": "50s"}
    document["defaults"] = {"access": "deny"}
    before = pair.configurations()
    accepted = control_plane.get("/api/v1/version").json["accepted_generation"]
    answer = pair.gateway.change(document)
    assert answer.json["outcome"] == "rolling_out", answer.body
    canary, other = pair.split()
    crash_twice(pair, canary, before[canary])
    until("it is kept", lambda: pair.rollout()["state"] == "kept")
    kept = control_plane.get("/api/v1/version").json["generation"]
    assert kept != accepted

    control_plane.crash()
    control_plane.start_again()
    expected = {canary: (kept, kept), other: (accepted, accepted)}
    until("each has what it had", lambda: generations(pair) == expected)
    more.stop()
    for envoy in pair.envoys.values():
        until("the dead endpoint is gone", lambda envoy=envoy: members(envoy) == 1)
    pair.envoys[other].restart()
    until("it serves again", lambda: pair.envoys[other].stats(LISTENERS)[LISTENERS] == 1)
    until("as before", lambda: generations(pair) == expected)
    assert members(pair.envoys[other]) == 1
    del document["defaults"]
    document["rollout"] = {"ack_deadline": "50s"}
    assert pair.gateway.change(document).json["outcome"] == "accepted"
