"""Thousands of connections to the control plane at one moment: its Envoys go on."""

import contextlib
import resource
import select
import socket

import pytest

import managed_gateway
from managed_gateway import CALLS
from polling import until
from traffic import Traffic

CROWD = 3000
PLACES = 500
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""The first bytes of each connection of HTTP/2."""


@pytest.fixture
def many_files():
    """As many open files as the kernel allows, for this process and those that it starts."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def crowded(many_files, monkeypatch, installation, directory):
    """A gateway whose control plane has fewer places than there will be connections."""
    monkeypatch.setenv("CONTROL_PLANE_XDS_CONNECTIONS", str(PLACES))
    made = managed_gateway.start(installation, directory)
    yield made
    made.stop()


def are_open(crowd: list[socket.socket]) -> list[socket.socket]:
    """Those that the server has not ended."""
    poller = select.poll()
    by_number = {one.fileno(): one for one in crowd}
    for number in by_number:
        poller.register(number, select.POLLRDHUP)
    ended = {number for number, _ in poller.poll(0)}
    return [one for number, one in by_number.items() if number not in ended]


def opened(port: int) -> socket.socket:
    """A connection that says how it will speak, and nothing more."""
    one = socket.create_connection(("127.0.0.1", port))
    # It may be closed by now, as one of too many.
    with contextlib.suppress(OSError):
        one.sendall(PREFACE)
    return one


def test_it_serves_its_envoys_while_thousands_of_connections_are_opened(crowded):
    with contextlib.ExitStack() as crowd:
        with Traffic(crowded.port, CALLS) as traffic:
            traffic.flows()
            port = crowded.control_plane.xds_port
            sockets = [crowd.enter_context(opened(port)) for _ in range(CROWD)]
            until("the surplus is closed", lambda: len(are_open(sockets)) <= PLACES)
            answer = crowded.control_plane.set_limit("get_weather", 1_000_000)
            assert (answer.status, answer.json["outcome"]) == (200, "accepted"), answer.body
            traffic.flows()
        traffic.check_only({name: {200} for name in CALLS})
        # An Envoy that comes now finds a place among those that nobody uses.
        crowded.envoy.restart()
        for tool in CALLS:
            until(f"`{tool}` can be called", lambda tool=tool: crowded.passes(tool))
