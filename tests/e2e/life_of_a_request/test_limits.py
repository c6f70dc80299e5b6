"""Limits bite, say for how long, let go again, and are exact across Envoy's workers."""

import threading

import pytest

from gateway_parameters import in_both_eras
from gateway_under_test import ANYTHING, GatewayUnderTest, answered_by, weather
from mcp_messages import Era, call, has_passed, is_refused, sentence_of
from polling import until
from recording_upstream import RecordingUpstream
from static_gateway import StaticGateway, example_filter_config, with_tools


@in_both_eras
def test_it_limits_and_recovers(gateway, era):
    """Two at once and two a second: a quick caller gets at least two calls through, then is told to
    wait, and then passes.
    """
    tool = f"twice_{gateway.wire.label}_{era.name.lower()}"
    passed = 0
    with gateway.connect() as connection:
        while has_passed(reply := call(era, tool, id=passed).post(connection)):
            passed += 1
        assert passed >= 2
        assert is_refused(reply, 42900, passed), reply
        assert reply.headers["retry-after"] == "1"
        assert "1 s" in sentence_of(reply) and tool in sentence_of(reply)
        assert answered_by(weather(era).post(connection)) == "weather"
        until("the limit lets go", lambda: has_passed(call(era, tool).post(connection)))
    assert [one.json["params"]["name"] for one in gateway.received()] == [tool] * passed + [
        "get_weather",
        tool,
    ]


@in_both_eras
def test_it_takes_no_tools_limit_for_anothers(gateway, era):
    """One call an hour by one rule, and a bucket for each of its tools: none refills while the test
    runs.
    """
    tools = f"hourly_{gateway.wire.label}_{era.name.lower()}"
    first, second = (call(era, f"{tools}_{name}") for name in "ab")
    assert has_passed(gateway.post(first))
    assert is_refused(gateway.post(first), 42900)
    assert has_passed(gateway.post(second))
    assert is_refused(gateway.post(second), 42900)


@pytest.fixture
def two_workers(installation, directory, wire):
    """A gateway with two workers and a tool of which exactly 300 calls pass within this test's
    time.
    """
    config = example_filter_config()
    with_tools(config, "weather", {"scarce": ANYTHING})
    limit = {
        "id": "each",
        "per": ["tool"],
        "requests": 300,
        "window_ms": 300 * 3_600_000,
        "burst": 300,
    }
    config["rules"] = [{"name": "scarce", "match": {"tool": "scarce"}, "limits": [limit]}]
    upstream = RecordingUpstream("weather")
    envoy = StaticGateway(
        installation,
        directory,
        {"weather": upstream.port, "math": upstream.port},
        config,
        concurrency=2,
    )
    yield GatewayUnderTest(envoy, {"weather": upstream}, wire)
    envoy.stop()
    upstream.stop()


def test_it_counts_exactly_across_workers(two_workers):
    statuses: list[int] = []

    def caller():
        with two_workers.connect() as connection:
            ready.wait()
            for _ in range(60):
                statuses.append(call(Era.MODERN, "scarce").post(connection).status)

    callers = 16
    ready = threading.Barrier(callers)
    threads = [threading.Thread(target=caller) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses.count(200) == 300
    assert statuses.count(429) == callers * 60 - 300
    assert len(two_workers.received()) == 300
    connections = two_workers.envoy.stats("worker_.*downstream_cx_total")
    assert len(connections) == 2 and all(connections.values()), connections
