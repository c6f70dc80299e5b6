"""Streams that have said much and go on without a word keep none of it in memory."""

from pathlib import Path

import pytest

from polling import until
from raw_http2 import Http2Connection

STREAMS = 64
LARGE = 3_900_000
"""Bytes of a message: nearly the longest."""
PART = 16 << 10
"""Bytes that are sent before the next look at what the peer takes."""
MOST_FOR_A_STREAM = 100 << 10
ALLOCATOR = 96 << 20
"""Bytes that the C library keeps of the few messages that are read at the same time."""
HEADERS = [("content-type", "application/grpc"), ("te", "trailers")]


def resident(pid: int) -> int:
    """Bytes in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def number(value: int) -> bytes:
    """A number as protobuf writes it."""
    written = b""
    while value > 127:
        written += bytes([value & 127 | 128])
        value >>= 7
    return written + bytes([value])


def field(place: int, content: bytes) -> bytes:
    return number(place << 3 | 2) + number(len(content)) + content


def framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


def request(envoy: str) -> bytes:
    """A request of the incremental variant for a type that nobody distributes."""
    node = field(1, envoy.encode()) + field(2, b"elsewhere")
    return field(1, node) + field(2, b"type.googleapis.com/nobody.knows.It")


def report(envoy: str) -> bytes:
    """A report that counts nothing."""
    return field(1, field(1, field(1, envoy.encode())))


def connected(control_plane) -> int:
    names = (node["id"] for node in control_plane.nodes() if node["connected"])
    return sum(name.startswith("idle-") for name in names)


def reporting(control_plane) -> int:
    return control_plane.get("/api/v1/traffic").json["reporting"]


@pytest.mark.parametrize(
    ("path", "first", "taken_in"),
    [
        (
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
            request,
            connected,
        ),
        ("/envoy.service.metrics.v3.MetricsService/StreamMetrics", report, reporting),
    ],
)
def test_it_keeps_nothing_of_what_idle_streams_have_said(managed, path, first, taken_in):
    control_plane = managed.control_plane
    pid = control_plane.process.pid
    unread = field(99, bytes(LARGE))
    connection = Http2Connection(control_plane.xds_port)
    before, taken = resident(pid), taken_in(control_plane)
    for which in range(STREAMS):
        connection.begin_post(path, HEADERS)
        message = framed(first(f"idle-{which}") + unread)
        for begin in range(0, len(message), PART):
            connection.send_part(message[begin : begin + PART])
    until("all are taken in", lambda: taken_in(control_plane) == taken + STREAMS)
    grown = resident(pid) - before
    assert grown < STREAMS * MOST_FOR_A_STREAM + ALLOCATOR, f"{grown >> 20} MiB"
    assert not connection.has_been_closed()
    assert managed.passes("get_weather")
    connection.close()
