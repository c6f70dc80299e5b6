"""The control plane is started from the revision that an operator names, whatever came after it."""

import copy

from managed_gateway import CALLS, CONFIGURATION
from polling import until
from traffic import Traffic

LIMIT = {"name": "few", "limits": [{"per": ["tool"], "requests": 100000, "window": "1h"}]}


def test_it_puts_a_revision_in_force_that_nobody_judges(managed):
    control_plane = managed.control_plane
    first, before = control_plane.document(), managed.envoy.stats(CONFIGURATION)
    changed = copy.deepcopy(first)
    changed["tools"] = [LIMIT]
    changed["rollout"] |= {"waves": [1], "soak": "24h"}
    assert managed.change(changed).json["outcome"] == "rolling_out"
    until("the worker has it", lambda: managed.envoy.stats(CONFIGURATION) != before)
    with Traffic(managed.port, CALLS) as traffic:
        traffic.flows()
        control_plane.crash()
        control_plane.process.command += ["--start-from-revision", "1"]
        control_plane.start_again()
        until("it is in force", lambda: managed.envoy.stats(CONFIGURATION) == before)
        traffic.flows()
    traffic.check_only({name: {200} for name in CALLS})
    assert control_plane.document() == first
    version = control_plane.get("/api/v1/version").json
    assert (version["revision"], version["newest_revision"]) == (3, 3)
    assert version["accepted_generation"] == version["generation"]
    record = control_plane.get("/api/v1/audit").json["records"][0]
    assert record["what"] == "start --start-from-revision 1"
    assert control_plane.get("/api/v1/rollouts").json["rollouts"][0]["state"] == "superseded"


def test_it_says_which_revisions_there_are_and_starts_nothing(managed):
    control_plane = managed.control_plane
    control_plane.crash()
    control_plane.process.command += ["--start-from-revision", "9"]
    control_plane.process.start()
    until("it ended", lambda: not control_plane.process.alive)
    assert control_plane.process.child.returncode == 1
    assert "the store has revisions 1 to 1" in control_plane.process.log_end()
