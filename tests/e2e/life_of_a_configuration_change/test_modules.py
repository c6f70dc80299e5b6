"""The filter module itself, changed under traffic: uploaded, tried on one Envoy, everywhere, and
back.
"""

import pytest

import managed_gateway
from managed_gateway import CALLS, ManagedGateway, upload
from polling import until
from raw_http import Reply
from traffic import Traffic
from wasm_modules import (
    another_build,
    sha256,
    that_passes_everything,
    that_traps_at_its_start,
)

MACHINES = "wasm.envoy.wasm.runtime.v8.created"
"""How many virtual machines Envoy has made for modules."""
HEADERS = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"


def run_module(gateway: ManagedGateway, module: bytes) -> Reply:
    """Names a module that was uploaded as the gateway's own filter."""
    named = {"sha256": sha256(module)}
    return gateway.control_plane.request("PUT", "/api/v1/module", named)


def modules_of(envoy) -> set[str]:
    """The hashes of the modules that an Envoy was given last."""
    dump = envoy.admin("/config_dump?resource=ecds_filters")
    words = dump.replace("/", " ").replace(".wasm", " ").split()
    return {word for word in words if len(word) == 64}


@pytest.fixture
def second_build(managed):
    module = another_build(managed.installation.module.read_bytes(), "a second build")
    answer = upload(managed, module)
    assert (answer.status, answer.json["sha256"]) == (201, sha256(module)), answer.body
    assert answer.json["name"] == "mcp-filter"
    return module


def test_it_tries_a_module_on_one_envoy_then_everywhere_and_goes_back(pair, second_build):
    first = pair.gateway.installation.module_hash
    second = sha256(second_build)
    with Traffic(pair.gateway.port, CALLS) as traffic:
        traffic.flows()
        answer = run_module(pair.gateway, second_build)
        assert answer.json["outcome"] == "rolling_out", answer.body
        canary, other = pair.split()
        until("the canary has it", lambda: modules_of(pair.envoys[canary]) == {second})
        assert modules_of(pair.envoys[other]) == {first}
        traffic.flows()
        pair.want("promote")
        until("both have it", lambda: modules_of(pair.envoys[other]) == {second})
        until("it is accepted", lambda: pair.rollout()["state"] == "accepted")
        traffic.flows()
        control_plane = pair.gateway.control_plane
        kept = control_plane.request("DELETE", f"/api/v1/modules/{second}")
        assert kept.status == 409, kept.body
        revision = control_plane.get("/api/v1/version").json["revision"]
        back = control_plane.request("POST", "/api/v1/rollback", {"to": revision - 1})
        assert back.json["outcome"] == "rolling_out", back.body
        until("its canary is back", lambda: modules_of(pair.envoys[pair.split()[0]]) == {first})
        pair.want("promote")
        until("both are back", lambda: all(modules_of(e) == {first} for e in pair.envoys.values()))
        until("that is accepted", lambda: pair.rollout()["state"] == "accepted")
        traffic.flows()
        # Envoys would go back to it if what they run turned out bad.
        kept = control_plane.request("DELETE", f"/api/v1/modules/{second}")
        assert kept.status == 409 and b"go back" in kept.body, kept.body
        at_once = {"ack_deadline": "50s"}
        assert control_plane.request("PUT", "/api/v1/rollout", at_once).status == 200
        for requests in (1_000, 2_000):
            assert control_plane.set_limit("note_other", requests).json["outcome"] == "accepted"
        gone = control_plane.request("DELETE", f"/api/v1/modules/{second}")
        assert gone.status == 204, gone.body
    traffic.check_only({name: {200} for name in CALLS})


def test_it_takes_a_module_back_that_traps_at_its_start(managed):
    first = managed.installation.module_hash
    module = that_traps_at_its_start()
    assert upload(managed, module).status == 201
    with Traffic(managed.port, CALLS) as traffic:
        traffic.flows()
        answer = run_module(managed, module)
        assert answer.status == 422, answer.body
        assert answer.json["outcome"] == "rejected", answer.body
        until("the module is the first again", lambda: modules_of(managed.envoy) == {first})
        traffic.flows()
    traffic.check_only({name: {200} for name in CALLS})
    # Whoever comes later is not given it either.
    managed.envoy.restart()
    until("calls pass", lambda: all(managed.passes(tool) for tool in CALLS))


def test_it_adds_further_filters_and_changes_them_without_a_change_of_listeners(managed):
    control_plane = managed.control_plane
    module = that_passes_everything()
    assert upload(managed, module).status == 201
    before = control_plane.document()
    after = control_plane.document()
    seen = {"append": {"header": {"key": "x-seen", "value": "once"}}}
    mutations = {"mutations": {"response_mutations": [seen]}}
    after["filters"] = [
        {"name": "nothing", "place": "after", "module": sha256(module)},
        {"name": "marked", "envoy": HEADERS, "configuration": mutations},
    ]

    def mark() -> str | None:
        return managed.send(CALLS["add"]).headers.get("x-seen")

    with Traffic(managed.port, CALLS, keeps=False) as traffic:
        traffic.flows()
        # A filter's configuration is there before the listener that names it: no call meets a
        # filter that Envoy has no configuration of.
        assert managed.change(after).json["outcome"] == "accepted"
        until("answers are marked", lambda: mark() == "once")
        traffic.flows()
        listeners = managed.envoy.stats("listener_manager.listener_modified")
        seen["append"]["header"]["value"] = "again"
        assert managed.change(after).json["outcome"] == "accepted"
        until("the mark is another", lambda: mark() == "again")
        traffic.flows()
        assert managed.envoy.stats("listener_manager.listener_modified") == listeners
        assert managed.change(before).json["outcome"] == "accepted"
        until("answers are no longer marked", lambda: mark() is None)
        traffic.flows()
    traffic.check_only({name: {200} for name in CALLS})


@pytest.fixture
def fetching(installation, directory):
    """A gateway whose Envoy shares no disk with the control plane."""
    made = managed_gateway.start(installation, directory, fetched=True, preflight=True)
    yield made
    made.stop()


def test_it_has_envoys_fetch_modules_and_no_call_fails_while_they_do(fetching):
    rejected = "extension_config_discovery.http_filter.portcullis.mcp.mcp.config_fail"
    first = fetching.installation.module.read_bytes()
    with Traffic(fetching.port, CALLS) as traffic:
        traffic.flows()
        for build in range(5):
            module = another_build(first, f"build {build}")
            assert upload(fetching, module).status == 201
            before = sum(fetching.envoy.stats(rejected).values())
            machines = sum(fetching.envoy.stats(MACHINES).values())
            answer = run_module(fetching, module)
            assert answer.json["outcome"] == "accepted", answer.body
            assert modules_of(fetching.envoy) == {sha256(module)}
            # Envoy said that it had no such code, and was asked again.
            assert sum(fetching.envoy.stats(rejected).values()) > before
            # And it runs: an acknowledgement alone says nothing, nor does what Envoy shows.
            assert sum(fetching.envoy.stats(MACHINES).values()) > machines
            traffic.flows()
    traffic.check_only({name: {200} for name in CALLS})
    fetching.envoy.restart()
    until("calls pass", lambda: all(fetching.passes(tool) for tool in CALLS))
