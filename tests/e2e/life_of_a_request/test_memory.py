"""Unfinished bodies have a budget: a flood neither fills the machine nor shuts out others."""

import contextlib
from pathlib import Path

import pytest

from gateway_under_test import GatewayUnderTest, answered_by, weather
from mcp_messages import Era, call, has_passed
from polling import until
from raw_http import HttpConnection
from recording_upstream import RecordingUpstream
from static_gateway import StaticGateway, example_filter_config, with_tools

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}}
FLOOD = 400
MEBIBYTE = 1 << 20
MOST_GROWTH = 260 * MEBIBYTE
"""64 MiB of bodies, as Envoy buffers them and as the filter has read them, what makes way besides,
and the allocator's part; without a budget it is twice the flood.
"""


@pytest.fixture
def small_gateway(installation, directory, wire):
    """One worker, so one budget; a tool whose arguments are judged as a whole."""
    config = example_filter_config()
    with_tools(config, "weather", {"get_weather": TEXT, "note": TEXT})
    upstream = RecordingUpstream("weather")
    gateway = StaticGateway(
        installation, directory, {"weather": upstream.port, "math": upstream.port}, config
    )
    yield GatewayUnderTest(gateway, {"weather": upstream}, wire)
    gateway.stop()
    upstream.stop()


def resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def large() -> bytes:
    return call(Era.LEGACY, "note", {"text": "x" * 1_000_000}).body


def begin(gateway: GatewayUnderTest) -> HttpConnection:
    """A call of which all but the last byte has been sent."""
    connection = gateway.connect()
    body = large()
    with contextlib.suppress(ConnectionError):  # refused before it was sent
        connection.begin_post("/mcp", [("content-type", "application/json")], len(body))
        connection.send_part(body[:-1])
    return connection


def test_it_gives_a_flood_of_unfinished_bodies_a_budget_and_shuts_out_nobody(small_gateway):
    envoy = small_gateway.envoy
    assert answered_by(small_gateway.post(weather(Era.LEGACY))) == "weather"
    before = resident(envoy.pid)
    flood = [begin(small_gateway) for _ in range(FLOOD)]
    counter = "wasmcustom.portcullis_refusals.server.none.tool.none.reason.no_room"
    until("most are refused", lambda: envoy.stats("no_room").get(counter, 0) > FLOOD * 3 // 4, 60)
    assert resident(envoy.pid) - before < MOST_GROWTH
    # Calls that arrive whole, or small ones in pieces, are not concerned.
    assert answered_by(small_gateway.post(weather(Era.LEGACY))) == "weather"
    small = call(Era.MODERN, "note", {"text": "x" * 30_000})
    pieces = [small.body[i : i + 1000] for i in range(0, len(small.body), 1000)]
    with small_gateway.connect() as connection:
        assert has_passed(connection.post_in_pieces("/mcp", small.headers, pieces))
    # Large ones are told to come again, and pass once those of the flood are slow.
    whole = call(Era.MODERN, "note", {"text": "x" * 1_000_000})
    replies = []

    def comes_again() -> bool:
        with small_gateway.connect() as connection:
            replies.append(
                connection.post_in_pieces(
                    "/mcp", whole.headers, [whole.body[:500_000], whole.body[500_000:]]
                )
            )
        return has_passed(replies[-1])

    until("a large call passes", comes_again, 30, pause=0.5)
    for refused in replies[:-1]:
        assert (refused.status, refused.headers["retry-after"]) == (503, "5"), refused
    for connection in flood:
        connection.close()
    assert answered_by(small_gateway.post(weather(Era.LEGACY))) == "weather"
    assert not any(envoy.stats("vm_reload").values())
