"""Headers and body never disagree upstream, and no header byte harms the module."""

import pytest

from gateway_parameters import in_both_eras
from gateway_under_test import answered_by, weather
from mcp_messages import (
    LEGACY_VERSION,
    LIES_OF_A_PROXY,
    MODERN_VERSION,
    Era,
    call,
    header_value,
    request,
    sentence_of,
)
from raw_http2 import Http2Connection
from recording_upstream import Received

HEADER_MISMATCH = -32020
INVALID_REQUEST = -32600


@pytest.mark.parametrize(
    "change",
    [
        lambda message: message.with_headers(("mcp-name", "secret")),
        lambda message: message.with_headers(("mcp-name", "get_weather")),
        lambda message: message.with_headers(("mcp-method", "tools/call")),
        lambda message: message.with_headers(("mcp-protocol-version", MODERN_VERSION)),
        lambda message: message.with_headers(("mcp-protocol-version", LEGACY_VERSION)),
        lambda message: message.without_header("mcp-name"),
        lambda message: message.without_header("mcp-method"),
        lambda message: message.without_header("mcp-name").with_headers(("mcp-name", "secret")),
        lambda message: message.without_header("mcp-name").with_headers(
            ("mcp-name", b"get_weather\xff")
        ),
        lambda message: message.without_header("mcp-name").with_headers(
            ("mcp-name", "=?base64?***?=")
        ),
        lambda message: message.without_header("mcp-name").with_headers(
            ("mcp-name", "Get_Weather")
        ),
        lambda message: message.without_header("mcp-method").with_headers(
            ("mcp-method", "tools/list")
        ),
    ],
    ids=[
        "another name besides",
        "the name twice",
        "the method twice",
        "the version twice",
        "another version besides",
        "no name",
        "no method",
        "another name",
        "name not ASCII",
        "name not base64",
        "name in other case",
        "another method",
    ],
)
def test_it_refuses_headers_that_disagree_with_the_body(gateway, change):
    reply = gateway.send_refused(change(weather(Era.MODERN)))
    assert reply.status == 400, (reply.status, reply.body)
    assert reply.json["error"]["code"] == HEADER_MISMATCH


def test_it_refuses_a_body_of_another_revision_than_the_header_says(gateway):
    body = weather(Era.MODERN).body.replace(MODERN_VERSION.encode(), LEGACY_VERSION.encode())
    reply = gateway.send_refused(weather(Era.MODERN).with_body(body))
    assert (reply.status, reply.json["error"]["code"]) == (400, HEADER_MISMATCH)


def test_it_refuses_a_modern_call_without_its_metadata(gateway):
    reply = gateway.send_refused(weather(Era.MODERN).with_body(weather(Era.LEGACY).body))
    assert (reply.status, reply.json["error"]["code"]) == (400, -32602)


@pytest.mark.parametrize("method", ["resources/read", "tools/list"])
def test_it_checks_the_headers_of_other_methods_too(gateway, method):
    message = request(
        Era.MODERN, method, {"uri": "file:///a"} if method == "resources/read" else {}
    )
    assert gateway.post(message).status == 200
    gateway.forget()
    reply = gateway.send_refused(
        message.without_header("mcp-method").with_headers(("mcp-method", "ping"))
    )
    assert (reply.status, reply.json["error"]["code"]) == (400, HEADER_MISMATCH)


def test_it_refuses_a_name_where_the_method_has_none(gateway):
    reply = gateway.send_refused(
        request(Era.MODERN, "tools/list").with_headers(("mcp-name", "get_weather"))
    )
    assert (reply.status, reply.json["error"]["code"]) == (400, HEADER_MISMATCH)


@in_both_eras
def test_it_refuses_headers_that_servers_may_read_as_others(gateway, era):
    """Over HTTP/2 Envoy resets the stream: it has no answer for what it drops while it decodes."""
    message = weather(era).with_headers(("Mcp_Name", "secret"))
    if gateway.wire is Http2Connection:
        with pytest.raises(ConnectionResetError, match="code 2"):
            gateway.post(message)
    else:
        reply = gateway.post(message)
        assert (reply.status, reply.json["error"]["code"]) == (400, INVALID_REQUEST)
    gateway.check_nothing_passed()


def test_it_decodes_names_in_base64(gateway):
    encoded = (
        weather(Era.MODERN)
        .without_header("mcp-name")
        .with_headers(("mcp-name", "=?base64?Z2V0X3dlYXRoZXI=?="))
    )
    assert answered_by(gateway.post(encoded)) == "weather"


@pytest.mark.parametrize("version", [LEGACY_VERSION, "2025-06-18", None])
def test_it_never_passes_mcp_headers_of_older_revisions_as_the_client_sent_them(gateway, version):
    message = call(Era.LEGACY, "get_weather", {"city": "Oslo"}).without_header(
        "mcp-protocol-version"
    )
    if version:
        message = message.with_headers(("mcp-protocol-version", version))
    lies = [("mcp-name", "secret"), ("mcp-method", "tools/list"), ("Mcp-Param-Region", "moon")]
    assert answered_by(gateway.post(message.with_headers(*lies))) == "weather"
    (received,) = gateway.received()
    for name, _ in lies:
        assert received.header(name.lower()) is None


@in_both_eras
def test_it_refuses_a_header_of_the_protocol_that_occurs_twice(gateway, era):
    twice = (
        weather(era)
        .without_header("mcp-name")
        .with_headers(("mcp-name", "get_weather"), ("Mcp-Name", "get_weather"))
    )
    reply = gateway.send_refused(twice)
    assert (reply.status, reply.json["error"]["code"]) == (400, HEADER_MISMATCH)
    assert "occurs twice" in sentence_of(reply)


def test_it_passes_the_parameters_that_modern_headers_repeat(gateway):
    message = weather(Era.MODERN).with_headers(("Mcp-Param-Region", "us-west1"))
    assert answered_by(gateway.post(message)) == "weather"
    (received,) = gateway.received()
    assert received.header("mcp-param-region") == b"us-west1"
    assert received.header("mcp-name") == b"get_weather"


def test_it_passes_a_header_that_says_what_its_argument_says(gateway):
    message = call(Era.MODERN, "forecast", {"region": "Zürich"}).with_headers(
        ("Mcp-Param-Region", header_value("Zürich")), ("Mcp-Param-Other", "x")
    )
    assert answered_by(gateway.post(message)) == "weather"
    (received,) = gateway.received()
    assert received.header("mcp-param-region") == b"=?base64?WsO8cmljaA==?="
    assert received.header("mcp-param-other") == b"x"


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        ({"region": "eu"}, ["us"]),
        ({"region": "eu"}, []),
        ({"region": "eu"}, ["eu", "eu"]),
        ({}, ["eu"]),
    ],
    ids=["another value", "no header", "the header twice", "no argument"],
)
def test_it_refuses_a_header_that_disagrees_with_its_argument(gateway, arguments, values):
    headers = [("Mcp-Param-Region", value) for value in values]
    reply = gateway.send_refused(
        call(Era.MODERN, "forecast", arguments, "mine").with_headers(*headers)
    )
    assert (reply.status, reply.json["error"]["code"], reply.json["id"]) == (
        400,
        HEADER_MISMATCH,
        "mine",
    )


def proxys_statements(received: Received) -> dict[str, bytes | None]:
    """What a server hears of the request that a proxy had."""
    return {
        name: value for name, _ in LIES_OF_A_PROXY if (value := received.header(name)) is not None
    }


@in_both_eras
def test_it_passes_no_header_that_only_a_proxy_may_write(gateway, era):
    """What Envoy says itself it says of the request that it has."""
    message = weather(era).with_headers(*LIES_OF_A_PROXY)
    assert answered_by(gateway.post(message)) == "weather"
    (received,) = gateway.received()
    said = {"x-forwarded-proto": b"http"}
    authority = b"127.0.0.1:%d" % gateway.port
    if received.header("host") != authority:
        said["x-forwarded-host"] = authority
    assert proxys_statements(received) == said


def test_it_takes_such_headers_from_requests_without_a_body_too(gateway):
    gateway.request("DELETE", "/servers/weather/mcp", LIES_OF_A_PROXY)
    (received,) = gateway.received()
    assert {"x-http-method-override", "x-original-url"}.isdisjoint(proxys_statements(received))


@in_both_eras
@pytest.mark.parametrize(
    "name", ["x-op", "user-agent", "accept-language", "cookie", "mcp-session-id", "mcp-param-a"]
)
def test_it_refuses_bytes_that_are_no_text_in_any_header(gateway, era, name):
    """Such a byte must not reach the module's string getters either: a panic there would end the
    module for all.
    """
    reloads = gateway.envoy.stats("vm_reload")
    reply = gateway.send_refused(weather(era).with_headers((name, b"ab\xff\xfe")))
    assert (reply.status, reply.json["error"]["code"]) == (400, INVALID_REQUEST)
    for _ in range(3):
        assert answered_by(gateway.post(weather(era))) == "weather"
    assert gateway.envoy.stats("vm_reload") == reloads
