"""The judge of the fuzzer's findings lets no malformed input pass, and no well-formed one fail."""

import pytest

from findings import is_grave

TOOLS = {
    "list": {
        "type": "object",
        "properties": {"limit": {"type": "integer", "minimum": 1}},
        "additionalProperties": False,
    }
}


def finding(given: object, target: str = "list", kind: str = "tool", **more: str) -> dict:
    found = {"category": "accepted_malformed", "kind": kind, "target": target}
    return {**found, "evidence": {"input": given}, **more}


def notification(method: str) -> dict:
    return finding({"jsonrpc": "2.0", "method": method}, kind="protocol")


def request(method: str, params: object) -> dict:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return finding(message, kind="protocol")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (finding({"limit": 1}), False),
        (finding({}), False),
        (finding({"limit": 0}), True),
        (finding({"limit": 1, "colour": "blue"}), True),
        (finding([]), True),
        (finding({}, target="unknown"), True),
        (finding({}, category="crash"), True),
        (finding({}, category="injection_reflection"), False),
        (request("tools/call", {"name": "list", "arguments": {}}), False),
        (request("tools/call", {"name": "list", "arguments": {"limit": "1"}}), True),
        (request("tools/call", {"name": "other"}), True),
        (request("tools/call", None), True),
        (request("resources/read", {"uri": "a://b"}), False),
        (request("resources/read", {"uri": 1}), True),
        (request("prompts/get", {"name": "p", "arguments": {"a": 1}}), True),
        (request("resources/unsubscribe", {"uri": "a://b"}), True),
        (notification("notifications/cancelled"), False),
        (notification("no/method"), False),
        (request("no/method", {}), True),
        (request("ping", {"extra": 1}), False),
        (finding("not JSON", kind="protocol"), True),
    ],
)
def test_it_tells_faults_from_answers_to_good_input(found: dict, expected: bool):
    assert is_grave(found, TOOLS) == expected
