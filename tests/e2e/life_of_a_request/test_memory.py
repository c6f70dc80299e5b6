"""Unfinished requests have a budget: a flood neither fills the machine nor shuts out others."""

import contextlib
import selectors
from pathlib import Path

import pytest

from gateway_under_test import GatewayUnderTest, answered_by, weather
from mcp_messages import Era, call, has_passed, request, sentence_of
from polling import PATIENCE, until
from raw_http import Connection, HttpConnection
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
    with_tools(config, "math", {"add": TEXT})
    upstreams = {name: RecordingUpstream(name) for name in ("weather", "math")}
    ports = {name: upstream.port for name, upstream in upstreams.items()}
    gateway = StaticGateway(installation, directory, ports, config)
    yield GatewayUnderTest(gateway, upstreams, wire)
    gateway.stop()
    for upstream in upstreams.values():
        upstream.stop()


def resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def large() -> bytes:
    return call(Era.LEGACY, "note", {"text": "x" * 1_000_000}).body


def refused_for_room(envoy, reason: str = "no_room") -> int:
    counters = envoy.stats("portcullis_refusals")
    return sum(count for name, count in counters.items() if name.endswith(f".reason.{reason}"))


def open_requests(envoy) -> int:
    active = envoy.stats("downstream_rq_active")
    return sum(count for name, count in active.items() if not name.startswith("http.admin."))


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

    def turned_away() -> int:
        # On a busy machine the first of them are slow ones, which make way, when the last come.
        return refused_for_room(envoy) + refused_for_room(envoy, "made_way")

    until("most are refused", lambda: turned_away() > FLOOD * 3 // 4)
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

    until("a large call passes", comes_again, pause=0.5)
    for refused in replies[:-1]:
        assert (refused.status, refused.headers["retry-after"]) == (503, "5"), refused
    for connection in flood:
        connection.close()
    assert answered_by(small_gateway.post(weather(Era.LEGACY))) == "weather"
    assert not any(envoy.stats("vm_reload").values())


def test_it_gives_calls_to_a_server_that_reads_nothing_a_budget_of_their_own(small_gateway):
    envoy = small_gateway.envoy
    upstream = small_gateway.upstreams["weather"]
    upstream.reads.clear()
    assert refused_for_room(envoy, "servers_behind") == 0
    before = resident(envoy.pid)
    flood = []
    for _ in range(FLOOD):
        connection = begin(small_gateway)
        with contextlib.suppress(ConnectionError):
            connection.send_part(large()[-1:])
            connection.end_post()
        flood.append(connection)
    fit = 30
    """A little over 1 MB each, no more than three quarters of what is left of 64 MiB."""
    until(
        "all others are refused",
        lambda: refused_for_room(envoy, "servers_behind") >= FLOOD - fit,
    )
    refused = flood[-1].reply()
    assert (refused.status, refused.headers["retry-after"]) == (200, "5")
    assert "as many large calls to answer" in sentence_of(refused)
    # Another server has room for whatever it takes.
    for size in (10, 60_000, 1_000_000):
        add = call(Era.MODERN, "add", {"text": "x" * size})
        assert answered_by(small_gateway.post(add)) == "math"
    # Its 29 MB, their copies on the way, and the allocator's part; without a budget the flood.
    assert resident(envoy.pid) - before < 160 * MEBIBYTE
    until("the refused ones are over", lambda: open_requests(envoy) <= fit)
    upstream.reads.set()
    for connection in flood:
        connection.close()
    until("no request is open", lambda: not open_requests(envoy))
    assert answered_by(small_gateway.post(weather(Era.LEGACY))) == "weather"
    whole = call(Era.MODERN, "note", {"text": "x" * 1_000_000})
    assert has_passed(small_gateway.post(whole))


def test_it_refuses_a_large_request_for_a_stream_that_would_keep_its_room(small_gateway):
    padded = {"notifications": {}, "pad": "x" * 150_000}
    refused = small_gateway.post(request(Era.MODERN, "subscriptions/listen", padded))
    assert refused.status == 413
    assert "has at most 65536 bytes" in sentence_of(refused)


# Over HTTP/2 the client would take minutes to compress so many headers.
@pytest.mark.parametrize("wire", [Connection], ids=["http1"])
def test_it_gives_a_flood_of_headers_alone_a_budget_and_takes_it_back(small_gateway):
    envoy = small_gateway.envoy
    # 30 KB of headers and 8 KiB of state each: some 1,770 of them are the budget of 64 MiB.
    flood_size, fit = 2_000, 1_700
    note = call(Era.LEGACY, "note", {"text": "x"})
    padded = [*note.headers, ("x-padding", "x" * 30_000)]

    def begin_many(count: int) -> list[HttpConnection]:
        connections = [small_gateway.connect() for _ in range(count)]
        for connection in connections:
            connection.begin_post("/mcp", padded, len(note.body))
        return connections

    flood = begin_many(flood_size)
    with selectors.DefaultSelector() as answered:
        for connection in flood:
            answered.register(connection.socket, selectors.EVENT_READ, connection)
        ((first, _), *_) = answered.select(timeout=PATIENCE)
    refused = first.data.reply()
    assert (refused.status, refused.headers["retry-after"]) == (503, "5")
    assert refused.json["error"]["code"] == 50300
    assert refused.json["id"] is None
    assert refused_for_room(envoy) > 0
    for connection in flood:
        connection.close()
    until("no request is open", lambda: not open_requests(envoy))
    before = refused_for_room(envoy)
    again = begin_many(fit)
    again[0].send_part(note.body)
    again[0].end_post()
    assert has_passed(again[0].reply())
    assert refused_for_room(envoy) == before
    for connection in again:
        connection.close()
