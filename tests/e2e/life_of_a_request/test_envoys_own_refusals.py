"""What Envoy refuses before the filter sees it, or beside it, is JSON-RPC as well."""

import pytest

from gateway_parameters import over_http1
from gateway_under_test import GatewayUnderTest, answered_by, tools_and_rules, weather
from mcp_messages import Era, call, has_passed
from polling import until
from raw_http import HttpConnection, Reply
from recording_upstream import RecordingUpstream
from rendered_listener import rendered_listener
from static_gateway import StaticGateway, connection_manager

POST = b"POST /mcp HTTP/1.1\r\n"
HOST = b"host: 127.0.0.1\r\n"
JSON = b"content-type: application/json\r\n"
TWO = b"content-length: 2\r\n\r\n{}"
NOT_READ = "is not HTTP that this gateway reads"
REFUSED = {
    "no HTTP": (b"GARBAGE\r\n\r\n", 400, NOT_READ),
    "a header without colon": (POST + HOST + b"foo bar\r\n\r\n", 400, NOT_READ),
    "no host": (POST + JSON + TWO, 400, NOT_READ),
    "an escaped slash": (b"POST /mcp%2f HTTP/1.1\r\n" + HOST + JSON + TWO, 400, NOT_READ),
    "an older version": (b"POST /mcp HTTP/1.0\r\n" + HOST + JSON + TWO, 426, "HTTP/2"),
    "a coding of the transfer": (
        POST + HOST + JSON + b"transfer-encoding: gzip\r\n\r\n",
        501,
        "no other transfer-encoding",
    ),
    "headers too large": (
        POST + HOST + b"x: " + b"a" * 40_000 + b"\r\n\r\n",
        431,
        "the headers are larger",
    ),
}
SHORT = 16_384
"""Bytes that an Envoy with little room buffers of a request."""


def check_refusal(reply: Reply, status: int, part: str) -> None:
    """Asserts a refusal of which Envoy knows no more than that there was a request."""
    assert (reply.status, reply.headers["content-type"]) == (status, "application/json")
    assert (reply.json["id"], reply.json["error"]["code"]) == (None, -32600)
    assert part in reply.json["error"]["message"], reply.json


@over_http1
@pytest.mark.parametrize(("request_text", "status", "part"), REFUSED.values(), ids=REFUSED.keys())
def test_it_speaks_json_rpc(gateway, request_text, status, part):
    """In bytes of HTTP/1.1."""
    with gateway.connect() as connection:
        connection.send(request_text)
        reply = connection.reply()
    check_refusal(reply, status, part)
    assert reply.headers["connection"] == "close"
    gateway.check_nothing_passed()
    assert answered_by(gateway.post(weather(Era.LEGACY))) == "weather"


def test_it_speaks_json_rpc_about_a_path_that_has_two_readings(gateway):
    message = weather(Era.LEGACY)
    check_refusal(gateway.send_refused(message, "/mcp%2f"), 400, NOT_READ)


def test_it_speaks_json_rpc_about_whatever_else_it_refuses(gateway):
    """As a request for no path at all, for which Envoy looks for no route."""
    reply = gateway.request("OPTIONS", "*")
    check_refusal(reply, 404, "does not take such a request")
    gateway.check_nothing_passed()


def hasty_listener() -> dict:
    """A listener on which a request has a second."""
    listener = rendered_listener()
    manager = connection_manager(listener)
    manager["request_timeout"] = manager["request_headers_timeout"] = "1s"
    return listener


def narrow_listener() -> dict:
    """A listener that buffers little, beside a filter that takes a megabyte."""
    listener = rendered_listener()
    listener["per_connection_buffer_limit_bytes"] = SHORT
    return listener


@pytest.fixture(scope="module")
def running_gateways(installation, tmp_path_factory):
    upstream = RecordingUpstream("weather")
    gateways = {
        template: StaticGateway(
            installation,
            tmp_path_factory.mktemp(template.__name__),
            {"weather": upstream.port, "math": upstream.port},
            tools_and_rules(),
            template=template,
        )
        for template in (hasty_listener, narrow_listener)
    }
    yield {
        template: GatewayUnderTest(gateway, {"weather": upstream})
        for template, gateway in gateways.items()
    }
    for gateway in gateways.values():
        gateway.stop()
    upstream.stop()


@pytest.fixture
def hasty_gateway(running_gateways, wire: type[HttpConnection]) -> GatewayUnderTest:
    running_gateways[hasty_listener].forget()
    return running_gateways[hasty_listener].over(wire)


@pytest.fixture
def narrow_gateway(running_gateways, wire: type[HttpConnection]) -> GatewayUnderTest:
    running_gateways[narrow_listener].forget()
    return running_gateways[narrow_listener].over(wire)


def check_that_it_serves(gateway: GatewayUnderTest) -> None:
    """Asserts that a call passes whose caller is given the processor in time."""
    message = weather(Era.LEGACY)
    reply = until("a call arrives in its second", lambda: passed(gateway.post(message)))
    assert answered_by(reply) == "weather"


def passed(reply: Reply) -> Reply | None:
    return reply if has_passed(reply) else None


@pytest.mark.parametrize("path", ["/mcp", "/servers/weather/mcp"])
def test_it_speaks_json_rpc_about_a_body_that_comes_too_slowly(hasty_gateway, path):
    message = weather(Era.LEGACY)
    with hasty_gateway.connect() as connection:
        connection.begin_post(path, message.headers, len(message.body))
        connection.send_part(message.body[:-1])
        reply = connection.reply()
    check_refusal(reply, 408, "did not arrive in time")
    hasty_gateway.check_nothing_passed()
    check_that_it_serves(hasty_gateway)


@over_http1
def test_it_speaks_json_rpc_about_headers_that_come_too_slowly(hasty_gateway):
    """HTTP/2 has them in one frame."""
    with hasty_gateway.connect() as connection:
        connection.send(POST + HOST)
        reply = connection.reply()
    check_refusal(reply, 408, "did not arrive in time")
    check_that_it_serves(hasty_gateway)


@over_http1
def test_it_speaks_json_rpc_about_a_body_for_which_it_has_no_room(narrow_gateway):
    """A client of HTTP/2 has no more room to send into than Envoy buffers."""
    message = call(Era.LEGACY, "get_weather", {"city": "x" * 4 * SHORT})
    reply = narrow_gateway.post(message)
    check_refusal(reply, 413, "the body is larger")
    narrow_gateway.check_nothing_passed()
    assert answered_by(narrow_gateway.post(weather(Era.LEGACY))) == "weather"
