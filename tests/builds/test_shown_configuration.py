"""The configuration that the control plane shows is one that the builds for embedders take."""

import json

import pytest

import managed_gateway
from embedded import Build
from mcp_messages import Era, call, has_passed


@pytest.fixture(scope="module")
def gateway(installation, tmp_path_factory):
    made = managed_gateway.start(installation, tmp_path_factory.mktemp("gateway"))
    yield made
    made.stop()


def configurations(shown: object) -> list[object]:
    """What a filter is configured with, anywhere in what is shown."""
    if isinstance(shown, dict):
        found = [shown["configuration"]] if "configuration" in shown else []
        return found + [each for value in shown.values() for each in configurations(value)]
    if isinstance(shown, list):
        return [each for value in shown for each in configurations(value)]
    return []


CALLS = {
    "get_weather": ({"city": "Oslo"}, {}),
    "add": ({"a": 1, "b": 2}, {"a": "one", "b": 2}),
}


def test_it_decides_by_what_the_control_plane_shows(gateway, build: Build):
    snapshot = gateway.control_plane.get("/api/v1/config/snapshot?limit=1000").json
    (shown,) = (each["value"] for each in configurations(snapshot) if "value" in each)
    asked = [(tool, arguments) for tool, both in CALLS.items() for arguments in both]
    decisions = build.decide(
        json.dumps(shown),
        [
            {"endpoint": "/mcp", "tool": tool, "arguments": json.dumps(arguments)}
            for tool, arguments in asked
        ],
    )
    passed = [has_passed(gateway.send(call(Era.MODERN, *each))) for each in asked]
    assert [found["decision"] == "allow" for found in decisions] == passed
    assert passed == [True, False] * 2
