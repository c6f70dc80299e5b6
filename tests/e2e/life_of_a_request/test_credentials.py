"""Callers' credentials stay at the gateway, unless the document says of a server that they pass."""

import pytest

from control_plane import ControlPlane, subscribed_envoy
from free_ports import free_port
from gateway_parameters import in_both_eras
from gateway_under_test import ANYTHING, answered_by, weather
from managed_gateway import listed
from mcp_messages import Era, call, has_passed
from polling import until
from raw_http import Connection
from recording_upstream import RecordingUpstream, answers_with

CREDENTIALS = [
    ("authorization", "Bearer secret"),
    ("proxy-authorization", "Basic secret"),
    ("cookie", "session=secret"),
]


@in_both_eras
def test_it_keeps_them_at_home(gateway, era):
    assert answered_by(weather(era).with_headers(*CREDENTIALS).post_once(gateway.port)) == "weather"
    (received,) = gateway.received()
    assert [received.header(name) for name, _ in CREDENTIALS] == [None, None, None]


@pytest.fixture(scope="module")
def passing_gateway(installation, tmp_path_factory):
    """`open` asks for the callers' credentials, `data` does not."""
    directory = tmp_path_factory.mktemp("passing-gateway")
    upstreams = {name: RecordingUpstream(name) for name in ("open", "data")}
    for name, upstream in upstreams.items():
        upstream.responder = answers_with(listed({f"tool_of_{name}": ANYTHING}))
    port = free_port()
    servers = {name: {"url": f"http://127.0.0.1:{one.port}/mcp"} for name, one in upstreams.items()}
    servers["open"]["credentials"] = "passthrough"
    document = {
        "listeners": [{"name": "mcp", "address": f"127.0.0.1:{port}", "servers": ["*"]}],
        "servers": servers,
    }
    control_plane = ControlPlane(installation, directory, document)
    envoy = subscribed_envoy(installation, directory, control_plane)
    for name in upstreams:
        until(
            "its tool is known",
            lambda: has_passed(call(Era.MODERN, f"tool_of_{name}").post_once(port)),
            60,
        )
    control_plane.stop()
    yield port, upstreams
    envoy.stop()
    for upstream in upstreams.values():
        upstream.stop()


@in_both_eras
def test_it_passes_them_to_the_server_that_asks_for_them_alone(passing_gateway, era):
    port, upstreams = passing_gateway
    for name, upstream in upstreams.items():
        upstream.forget()
        assert has_passed(call(era, f"tool_of_{name}").with_headers(*CREDENTIALS).post_once(port))
        (received,) = upstream.calls()
        seen = [received.header(header) for header, _ in CREDENTIALS]
        assert seen == (
            [value.encode() for _, value in CREDENTIALS] if name == "open" else [None, None, None]
        )


def test_it_keeps_them_from_what_answers_for_health(passing_gateway):
    port, upstreams = passing_gateway
    upstreams["data"].forget()
    with Connection(port) as connection:
        connection.request("GET", "/health", CREDENTIALS)
    (received,) = upstreams["data"].requests
    assert received.path == "/health"
    assert [received.header(header) for header, _ in CREDENTIALS] == [None, None, None]
