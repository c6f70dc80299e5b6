"""Limits bite, say for how long, let go again, and are exact across Envoy's workers."""

import threading

import pytest

from gateway_parameters import in_both_eras
from gateway_under_test import ANYTHING, GatewayUnderTest, answered_by, weather
from mcp_messages import Era, call
from polling import until
from raw_http import Connection
from recording_upstream import RecordingUpstream
from static_gateway import StaticGateway, example_filter_config, with_tools


@in_both_eras
def test_it_limits_and_recovers(gateway, era):
    def quick_calls(count: int):
        return [call(era, "twice", id=number).post_once(gateway.port) for number in range(count)]

    until("a full bucket", lambda: [reply.status for reply in quick_calls(2)] == [200, 200])
    refused = until("a refusal", lambda: next((one for one in quick_calls(3) if one.status == 429), None))
    error = refused.json["error"]
    assert error["code"] == 42900
    assert int(refused.headers["retry-after"]) == 1
    assert "1 s" in error["message"] and "twice" in error["message"]
    assert isinstance(refused.json["id"], int)
    assert answered_by(weather(era).post_once(gateway.port)) == "weather"
    until("the limit lets go", lambda: call(era, "twice").post_once(gateway.port).status == 200)


@in_both_eras
def test_a_refused_call_keeps_its_connection_and_reaches_no_upstream(gateway, era):
    with Connection(gateway.port) as connection:
        passed = 0
        for _ in range(12):
            passed += call(era, "twice").post(connection).status == 200
        assert answered_by(weather(era).post(connection)) == "weather"
    assert passed < 12
    assert len(gateway.received()) == passed + 1


@pytest.fixture
def two_workers(installation, directory):
    """A gateway with two workers and a tool of which exactly 300 calls pass within this test's time."""
    config = example_filter_config()
    with_tools(config, "weather", {"scarce": ANYTHING})
    limit = {"id": "each", "per": ["tool"], "requests": 300, "window_ms": 300 * 3_600_000, "burst": 300}
    config["rules"] = [{"name": "scarce", "match": {"tool": "scarce"}, "limits": [limit]}]
    upstream = RecordingUpstream("weather")
    envoy = StaticGateway(
        installation, directory, {"weather": upstream.port, "math": upstream.port}, config, concurrency=2
    )
    yield GatewayUnderTest(envoy, {"weather": upstream})
    envoy.stop()
    upstream.stop()


def test_it_counts_exactly_across_workers(two_workers):
    statuses: list[int] = []

    def caller():
        with Connection(two_workers.port) as connection:
            ready.wait()
            for _ in range(60):
                statuses.append(call(Era.LEGACY, "scarce").post(connection).status)

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
    connections = two_workers.gateway.envoy.stats("worker_.*downstream_cx_total")
    assert len(connections) == 2 and all(connections.values()), connections
