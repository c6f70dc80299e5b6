"""A call goes to its tool's server and nowhere else, whatever the client says about clusters."""

import pytest

from gateway_parameters import in_both_eras
from gateway_under_test import answered_by, weather
from mcp_messages import LEGACY_VERSION, Era, call, request

ADDITION = {"a": 1, "b": 2}


@in_both_eras
def test_it_routes_each_tool_to_its_own_server(gateway, era):
    with gateway.connect() as connection:
        for _ in range(3):
            assert answered_by(weather(era).post(connection)) == "weather"
            assert answered_by(call(era, "add", ADDITION).post(connection)) == "math"
    assert (
        len(gateway.upstreams["weather"].requests) == len(gateway.upstreams["math"].requests) == 3
    )


@in_both_eras
def test_it_passes_the_message_unchanged_to_the_servers_own_path(gateway, era):
    message = call(era, "add", {"a": 1.0, "b": 2e3}, id="é\n")
    assert answered_by(gateway.post(message, "/servers/math/mcp?session=1")) == "math"
    (received,) = gateway.received()
    assert received.body == message.body
    assert received.path == "/mcp"


@in_both_eras
def test_it_offers_a_servers_own_path_only_that_servers_tools(gateway, era):
    reply = gateway.send_refused(call(era, "add", ADDITION), "/servers/weather/mcp")
    assert reply.json["error"]["code"] == -32602


@in_both_eras
@pytest.mark.parametrize("wanted", ["math", "nowhere", ""])
def test_it_ignores_the_cluster_that_a_client_names(gateway, era, wanted):
    smuggled = ("x-portcullis-cluster", wanted)
    path = "/servers/weather/mcp"
    for message in (weather(era), request(era, "tools/list")):
        assert answered_by(gateway.post(message.with_headers(smuggled), path)) == "weather"
        assert (
            answered_by(gateway.post(message.with_headers(smuggled, smuggled), path)) == "weather"
        )
    assert gateway.upstreams["math"].requests == []


def test_it_ignores_the_cluster_on_requests_without_a_body(gateway):
    for method in ("GET", "DELETE"):
        with gateway.connect() as connection:
            headers = [("x-portcullis-cluster", "math"), ("mcp-protocol-version", LEGACY_VERSION)]
            connection.request(
                method, "/servers/weather/mcp", [*headers, ("accept", "text/event-stream")]
            )
    assert [one.method for one in gateway.upstreams["weather"].requests] == ["GET", "DELETE"]
    assert gateway.upstreams["math"].requests == []


@in_both_eras
@pytest.mark.parametrize(
    "method", ["tools/list", "ping", "server/discover", "prompts/list", "initialize"]
)
def test_it_passes_other_methods_to_the_server_that_the_endpoint_names(gateway, era, method):
    reply = gateway.post(request(era, method))
    assert reply.json["result"]["content"][0]["text"] == f"{gateway.forward} answers {method}"


def test_it_passes_notifications_and_responses(gateway):
    headers = weather(Era.LEGACY).headers
    for body in (
        b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
        b'{"jsonrpc":"2.0","id":7,"result":{"roots":[]}}',
    ):
        with gateway.connect() as connection:
            assert connection.post("/mcp", headers, body).status == (
                200 if b'"id"' in body else 202
            )
    assert len(gateway.upstreams[gateway.forward].requests) == 2
