"""A listener with a route besides the MCP endpoints: nothing that a server could take for a call
goes by it unread.
"""

import pytest

from gateway_under_test import GatewayUnderTest, tools_and_rules, weather
from mcp_messages import LIES_OF_A_PROXY, Era
from recording_upstream import RecordingUpstream
from rendered_listener import rendered_listener
from static_gateway import StaticGateway, connection_manager

LOOK_ALIKES = [
    "/mcp/",
    "//mcp",
    "/MCP",
    "/Mcp",
    "/%6dcp",
    "/%6Dcp/",
    "/./mcp/",
    "/x/../MCP",
    "/mcp;a=b",
    "/mcp%20",
    "/mcp%09",
]
LOOK_ALIKES += ["/servers/WEATHER/mcp", "/servers//weather/mcp/", "/mcp/?session=1", "/%256dcp"]


# What Envoy itself reads as the path of an endpoint, before the filter sees it.
NORMALISED = {"//mcp", "/%6dcp"}


@pytest.fixture(scope="module")
def running_gateway(installation, tmp_path_factory):
    """Whatever is no MCP endpoint goes to `math`."""
    upstreams = {name: RecordingUpstream(name) for name in ("weather", "math")}
    ports = {name: upstream.port for name, upstream in upstreams.items()}
    folder = tmp_path_factory.mktemp("other-routes")
    gateway = StaticGateway(
        installation, folder, ports, tools_and_rules(), template=listener_with_another_route
    )
    yield GatewayUnderTest(gateway, upstreams)
    gateway.stop()
    for upstream in upstreams.values():
        upstream.stop()


def listener_with_another_route() -> dict:
    listener = rendered_listener()
    everything_else = {"match": {"prefix": "/"}, "route": {"cluster": "math"}}
    (host,) = connection_manager(listener)["route_config"]["virtual_hosts"]
    host["routes"].append(everything_else)
    return listener


@pytest.fixture
def gateway_with_other_routes(running_gateway, wire):
    running_gateway.forget()
    return running_gateway.over(wire)


@pytest.mark.parametrize("path", LOOK_ALIKES)
def test_it_keeps_look_alikes_of_an_endpoint_from_every_server(gateway_with_other_routes, path):
    gateway = gateway_with_other_routes
    reply = gateway.post(
        weather(Era.LEGACY).with_body(b'{"jsonrpc":"2.0","method":"tools/call"'), path
    )
    # Where Envoy normalises the path to that of an endpoint, the filter has read the message.
    expected = (400, -32700) if path in NORMALISED else (404, -32600)
    assert (reply.status, reply.json["error"]["code"]) == expected, reply
    gateway.check_nothing_passed()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80"])
@pytest.mark.parametrize("path", ["/other", "/health", "/"])
def test_it_answers_to_its_own_hosts_only_on_every_path(gateway_with_other_routes, path, host):
    gateway = gateway_with_other_routes
    reply = gateway.request("GET", path, [("host", host)])
    assert (reply.status, reply.json["error"]["code"]) == (403, -32600)
    gateway.check_nothing_passed()


def test_it_sends_other_paths_where_their_route_says(gateway_with_other_routes):
    gateway = gateway_with_other_routes
    gateway.request("GET", "/other?a=b", LIES_OF_A_PROXY)
    (received,) = gateway.received()
    assert received.path == "/other?a=b"
    heard = {name for name, _ in LIES_OF_A_PROXY if received.header(name) is not None}
    assert heard == {"x-forwarded-proto"}
    assert gateway.upstreams["weather"].requests == []
