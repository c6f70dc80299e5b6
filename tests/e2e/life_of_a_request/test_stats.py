"""Calls, refusals by reason and decision time are counted per tool in Envoy's own statistics."""

import pytest

from gateway_under_test import answered_by, weather
from mcp_messages import Era, call, is_refused
from polling import until


def counted(gateway, name: str) -> int:
    """A counter of the module; one that was never counted is 0."""
    return gateway.envoy.stats("wasmcustom").get(f"wasmcustom.{name}", 0)


def test_it_counts_calls_by_tool(gateway):
    name = "portcullis_calls.server.weather.tool.get_weather"
    before = counted(gateway, name)
    for era in Era:
        gateway.post(weather(era))
    assert counted(gateway, name) == before + 2


@pytest.mark.parametrize(
    ("tool", "arguments", "name"),
    [
        ("get_weather", {"city": 7}, "server.weather.tool.get_weather.reason.bad_arguments"),
        ("secret", {}, "server.weather.tool.secret.reason.forbidden"),
        ("nothing", {}, "server.none.tool.none.reason.unknown_tool"),
    ],
)
def test_it_counts_refusals_by_tool_and_reason(gateway, tool, arguments, name):
    before = counted(gateway, f"portcullis_refusals.{name}")
    gateway.post(call(Era.MODERN, tool, arguments))
    assert counted(gateway, f"portcullis_refusals.{name}") == before + 1


def test_it_counts_what_only_shadow_lets_pass(gateway):
    name = "portcullis_shadowed.server.weather.tool.watched"
    before = counted(gateway, name)
    for arguments in ({"city": "Oslo"}, {"city": 7}):
        assert answered_by(gateway.post(call(Era.MODERN, "watched", arguments))) == "weather"
    assert counted(gateway, name) == before + 1


def test_it_counts_limits(gateway):
    tool = f"hourly_{gateway.wire.label}_counted"
    name = f"portcullis_refusals.server.weather.tool.{tool}.reason.limited"
    before = counted(gateway, name)
    replies = [gateway.post(call(Era.LEGACY, tool)) for _ in range(5)]
    assert [is_refused(reply, 42900) for reply in replies] == [False] + [True] * 4
    assert counted(gateway, name) == before + 4


def test_it_shows_the_hash_of_the_configuration_in_force(gateway):
    assert 0 < counted(gateway, "portcullis_configuration.listener.mcp") < 2**48


def test_it_measures_how_long_a_decision_takes(gateway):
    gateway.post(weather(Era.LEGACY))
    name = "wasmcustom.portcullis_decision_ns.server.weather.tool.get_weather"

    def recorded() -> bool:
        lines = gateway.envoy.admin("/stats?type=Histograms&histogram_buckets=none").splitlines()
        return any(
            line.startswith(f"{name}:") and "No recorded values" not in line for line in lines
        )

    until("Envoy shows what was recorded", recorded)
