"""Streams that have said much and go on in silence keep none of it in memory, nor in the log."""

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
MOST_LOG_FOR_A_STREAM = 4 << 10
DELTA = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
METRICS = "/envoy.service.metrics.v3.MetricsService/StreamMetrics"
EXTENSION = b"type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
UNREAD = 99
"""The number of a field that nobody has defined."""
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


def request(envoy: str, type_url: bytes) -> bytes:
    """A request of the incremental variant."""
    node = field(1, envoy.encode()) + field(2, b"elsewhere")
    return field(1, node) + field(2, type_url)


def with_unread_bytes(envoy: str) -> bytes:
    unread = field(UNREAD, bytes(LARGE))
    return request(envoy, b"type.googleapis.com/nobody.knows.It") + unread


def with_a_long_type(envoy: str) -> bytes:
    return request(envoy, b"t" * LARGE)


def with_a_long_version(envoy: str) -> bytes:
    """Asks for a filter, and says that the Envoy has it in that version."""
    version = field(5, field(1, b"x") + field(2, b"v" * LARGE))
    return request(envoy, EXTENSION) + field(3, b"x") + version


def report(envoy: str) -> bytes:
    """A report that counts nothing."""
    return field(1, field(1, field(1, envoy.encode()))) + field(UNREAD, bytes(LARGE))


def connected(control_plane) -> int:
    names = (node["id"] for node in control_plane.nodes() if node["connected"])
    return sum(name.startswith("idle-") for name in names)


def reporting(control_plane) -> int:
    return control_plane.reporting()


@pytest.mark.parametrize(
    ("path", "said", "taken_in"),
    [
        (DELTA, with_unread_bytes, connected),
        (DELTA, with_a_long_type, connected),
        (DELTA, with_a_long_version, connected),
        (METRICS, report, reporting),
    ],
)
def test_it_keeps_nothing_of_what_idle_streams_have_said(managed, path, said, taken_in):
    control_plane = managed.control_plane
    pid, log = control_plane.process.pid, control_plane.process.log
    connection = Http2Connection(control_plane.xds_port)
    until("the gateway's own Envoy reports", lambda: control_plane.reporting() == 1)
    before, taken = resident(pid), taken_in(control_plane)
    logged = log.stat().st_size
    for which in range(STREAMS):
        connection.begin_post(path, HEADERS)
        message = framed(said(f"idle-{which}"))
        for begin in range(0, len(message), PART):
            connection.send_part(message[begin : begin + PART])
    until("all are taken in", lambda: taken_in(control_plane) == taken + STREAMS)
    grown = resident(pid) - before
    assert grown < STREAMS * MOST_FOR_A_STREAM + ALLOCATOR, f"{grown >> 20} MiB"
    assert log.stat().st_size - logged < STREAMS * MOST_LOG_FOR_A_STREAM
    assert not connection.has_been_closed()
    assert managed.passes("get_weather")
    connection.close()
