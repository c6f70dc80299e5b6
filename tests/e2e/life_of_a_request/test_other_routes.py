"""A listener with a route besides the MCP endpoints: nothing that a server could take for a call
goes by it unread.
"""

import pytest

from gateway_under_test import tools_and_rules, weather
from mcp_messages import Era
from raw_http import Connection
from recording_upstream import RecordingUpstream
from static_gateway import StaticGateway

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


@pytest.fixture(scope="module")
def gateway_with_other_routes(installation, tmp_path_factory):
    """Whatever is no MCP endpoint goes to `math`."""
    upstreams = {name: RecordingUpstream(name) for name in ("weather", "math")}
    ports = {name: upstream.port for name, upstream in upstreams.items()}
    folder = tmp_path_factory.mktemp("other-routes")
    everything_else = {"match": {"prefix": "/"}, "route": {"cluster": "math"}}
    gateway = StaticGateway(
        installation, folder, ports, tools_and_rules(), routes=[everything_else]
    )
    yield gateway, upstreams
    gateway.stop()
    for upstream in upstreams.values():
        upstream.stop()


@pytest.mark.parametrize("path", LOOK_ALIKES)
def test_it_keeps_look_alikes_of_an_endpoint_from_every_server(gateway_with_other_routes, path):
    gateway, upstreams = gateway_with_other_routes
    reply = (
        weather(Era.LEGACY)
        .with_body(b'{"jsonrpc":"2.0","method":"tools/call"')
        .post_once(gateway.port, path)
    )
    # Where Envoy normalises the path to that of an endpoint, the filter has read the message.
    assert reply.status in (400, 404) and reply.json["error"], reply
    assert [upstream.requests for upstream in upstreams.values()] == [[], []]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80"])
@pytest.mark.parametrize("path", ["/other", "/health", "/"])
def test_it_answers_to_its_own_hosts_only_on_every_path(gateway_with_other_routes, path, host):
    gateway, upstreams = gateway_with_other_routes
    with Connection(gateway.port) as connection:
        reply = connection.request("GET", path, [("host", host)])
    assert (reply.status, reply.json["error"]["code"]) == (403, -32600)
    assert [upstream.requests for upstream in upstreams.values()] == [[], []]


def test_it_sends_other_paths_where_their_route_says(gateway_with_other_routes):
    gateway, upstreams = gateway_with_other_routes
    with Connection(gateway.port) as connection:
        connection.request("GET", "/other?a=b", [])
    assert [one.path for one in upstreams["math"].requests] == ["/other?a=b"]
    upstreams["math"].forget()
