"""Callers' credentials stay at the gateway, unless the document says of a server that they pass."""

import pytest

from gateway_parameters import in_both_eras
from gateway_under_test import ANYTHING, GatewayUnderTest, answered_by, weather
from mcp_messages import call
from recording_upstream import RecordingUpstream
from rendered_gateway import RenderedGateway

CREDENTIALS = [
    ("authorization", "Bearer secret"),
    ("proxy-authorization", "Basic secret"),
    ("cookie", "session=secret"),
]


@in_both_eras
def test_it_keeps_them_at_home(gateway, era):
    assert answered_by(gateway.post(weather(era).with_headers(*CREDENTIALS))) == "weather"
    (received,) = gateway.received()
    assert [received.header(name) for name, _ in CREDENTIALS] == [None, None, None]


@pytest.fixture(scope="module")
def running_gateway(installation, tmp_path_factory):
    """`open` asks for the callers' credentials, `data` does not."""
    upstreams = {name: RecordingUpstream(name) for name in ("open", "data")}
    gateway = RenderedGateway(
        installation,
        tmp_path_factory.mktemp("passing-gateway"),
        upstreams,
        {name: {f"tool_of_{name}": ANYTHING} for name in upstreams},
        servers={"open": {"credentials": "passthrough"}},
    )
    yield GatewayUnderTest(gateway, upstreams)
    gateway.stop()
    for upstream in upstreams.values():
        upstream.stop()


@pytest.fixture
def passing_gateway(running_gateway, wire):
    running_gateway.forget()
    return running_gateway.over(wire)


@in_both_eras
def test_it_passes_them_to_the_server_that_asks_for_them_alone(passing_gateway, era):
    for name, upstream in passing_gateway.upstreams.items():
        message = call(era, f"tool_of_{name}").with_headers(*CREDENTIALS)
        assert answered_by(passing_gateway.post(message)) == name
        (received,) = upstream.requests
        seen = [received.header(header) for header, _ in CREDENTIALS]
        assert seen == (
            [value.encode() for _, value in CREDENTIALS] if name == "open" else [None, None, None]
        )


def test_it_keeps_them_from_what_answers_for_health(passing_gateway):
    passing_gateway.request("GET", "/health", CREDENTIALS)
    (received,) = passing_gateway.received()
    assert received.path == "/health"
    assert [received.header(header) for header, _ in CREDENTIALS] == [None, None, None]
