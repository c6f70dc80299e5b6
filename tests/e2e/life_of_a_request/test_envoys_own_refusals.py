"""What Envoy refuses before the filter sees it, or beside it, is JSON-RPC as well."""

import pytest

from gateway_parameters import over_http1
from gateway_under_test import answered_by, weather
from mcp_messages import Era

HOST = b"host: 127.0.0.1\r\n"
JSON = b"content-type: application/json\r\n"
REFUSED = {
    "no HTTP": (b"GARBAGE\r\n\r\n", 400),
    "a header without colon": (b"POST /mcp HTTP/1.1\r\n" + HOST + b"foo bar\r\n\r\n", 400),
    "no host": (b"POST /mcp HTTP/1.1\r\n" + JSON + b"content-length: 2\r\n\r\n{}", 400),
    "an escaped slash": (
        b"POST /mcp%2f HTTP/1.1\r\n" + HOST + JSON + b"content-length: 2\r\n\r\n{}",
        400,
    ),
    "headers too large": (
        b"POST /mcp HTTP/1.1\r\n" + HOST + b"x: " + b"a" * 40_000 + b"\r\n\r\n",
        431,
    ),
}


@over_http1
@pytest.mark.parametrize(("request_text", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_it_speaks_json_rpc(gateway, request_text, status):
    """In bytes of HTTP/1.1."""
    with gateway.connect() as connection:
        connection.send(request_text)
        reply = connection.reply()
    assert (reply.status, reply.headers["content-type"]) == (status, "application/json")
    assert (reply.json["id"], reply.json["error"]["code"]) == (None, -32600)
    assert reply.json["error"]["message"]
    assert reply.headers["connection"] == "close"
    gateway.check_nothing_passed()
    assert answered_by(gateway.post(weather(Era.LEGACY))) == "weather"
