"""Every policy case on the real module in the real Envoy, in both eras: what the engine decides
natively, it decides here.

Invariant 5 of docs/architecture.md.
"""

from dataclasses import dataclass

import pytest

from gateway_parameters import WIRES, in_both_eras
from gateway_under_test import answered_by
from mcp_messages import Era, is_refused
from policy_cases import CaseFile, all_files, message
from raw_http import HttpConnection, Reply
from recording_upstream import RecordingUpstream
from static_gateway import StaticGateways

# How JSON-RPC calls what the reader of messages refuses.
UNREADABLE = {"parse_error": -32700, "invalid_request": -32600}
CODES = {"forbidden": 40300, "limited": 42900}

# What is no tool call. Old SDKs end their session on any 4xx.
CODES_OF_METHODS = {"closed_method": 40300, "not_normal": -32602, **CODES}
# Under 200 nobody would hear an answer without an id. What is no notification lacks one.
CLOSED_NOTIFICATION = {Era.MODERN: (403, 40300, None), Era.LEGACY: (400, 40300, None)}
WITHOUT_ITS_ID = {Era.MODERN: (403, 40300, None), Era.LEGACY: (400, -32600, None)}

FILES = all_files()


@dataclass(frozen=True)
class Gateways:
    """A gateway for each file, era and version of HTTP, whose buckets nobody has touched, and
    the two clusters that cases may name.
    """

    ports: dict[str, int]
    upstreams: dict[str, RecordingUpstream]

    def received(self) -> int:
        return sum(len(upstream.requests) for upstream in self.upstreams.values())

    def forget(self) -> None:
        for upstream in self.upstreams.values():
            upstream.forget()


def name_of(file: CaseFile, era: Era, wire: type[HttpConnection]) -> str:
    return f"{file.path.stem}-{era.name}-{wire.label}"


@pytest.fixture(scope="module")
def gateways(installation, tmp_path_factory):
    upstreams = {name: RecordingUpstream(name) for name in ("alpha", "beta")}
    ports = {name: upstream.port for name, upstream in upstreams.items()}
    policies = {
        name_of(file, era, wire): file.filter_config
        for file in FILES
        for era in Era
        for wire in WIRES
    }
    running = StaticGateways(installation, tmp_path_factory.mktemp("policy-cases"), ports, policies)
    yield Gateways(running.ports, upstreams)
    running.stop()
    for upstream in upstreams.values():
        upstream.stop()


def fault(reply: Reply, case: dict, era: Era, gateways: Gateways) -> str | None:
    """How an answer differs from what a case expects, if it does."""
    expect = case["expect"]
    if unreadable := expect.get("over_http"):
        found = (reply.status, reply.json.get("error", {}).get("code"))
        wanted = (400, UNREADABLE[unreadable])
        return None if found == wanted else f"expected {wanted}"
    if "method" in case and expect["decision"] == "allow":
        reached = [name for name, upstream in gateways.upstreams.items() if upstream.requests]
        return (
            None
            if reached == [expect["cluster"]]
            else f"expected `{expect['cluster']}`, reached {reached}"
        )
    if "method" in case:
        error = reply.json.get("error", {})
        found = (reply.status, error.get("code"), reply.json["id"])
        code = CODES_OF_METHODS[expect["reason"]]
        status = code // 100 if era is Era.MODERN and code > 0 else 200
        wanted = (status, code, 1)
        if "form" in case:
            is_one = case["method"].startswith("notifications/")
            wanted = (CLOSED_NOTIFICATION if is_one else WITHOUT_ITS_ID)[era]
        return None if found == wanted else f"expected {wanted}"
    if expect["decision"] == "allow":
        answered = (
            answered_by(reply)
            if reply.status == 200 and "isError" not in reply.json["result"]
            else None
        )
        return None if answered == expect["cluster"] else f"expected `{expect['cluster']}`"
    if expect["reason"] == "unknown_tool":
        found = (reply.status, reply.json.get("error", {}).get("code"))
        return None if found == (200, -32602) else "expected an unknown tool"
    if code := CODES.get(expect["reason"]):
        return None if is_refused(reply, code) else f"expected {code}"
    if expect["reason"] != "bad_arguments":
        return f"unknown reason `{expect['reason']}`"
    result = reply.json.get("result", {})
    if reply.status != 200 or not result.get("isError"):
        return "expected a tool error"
    text = result["content"][0]["text"]
    where = expect.get("pointer")
    expected = f"do not fit its schema: {where or 'the arguments'}: "
    return None if where is None or expected in text else f"expected the first fault at `{where}`"


@in_both_eras
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.path.stem)
def test_it_decides_as_the_engine_does(
    gateways: Gateways, wire: type[HttpConnection], file: CaseFile, era: Era
):
    port = gateways.ports[name_of(file, era, wire)]
    faults = []
    for case in file.cases:
        for _ in range(int(case.get("repeat", 1))):
            gateways.forget()
            reply = message(case, era).post_once(port, case.get("endpoint", "/mcp"), wire)
            found = fault(reply, case, era, gateways)
            if gateways.received() != (case["expect"]["decision"] == "allow"):
                found = f"{gateways.received()} requests reached an upstream"
            if found:
                faults.append(f"{case['name']}: {found}, got {reply.status} {reply.body.decode()}")
    assert faults == [], "\n".join(faults)
