"""What the gateway must not let pass: refused with the caller's id and a sentence, no upstream saw
any of it, and the next call works (`send_refused` asserts the last two). The forms are those of
docs/decisions/0001-status-codes.md.

Invariant 1 of docs/architecture.md.
"""

import json

import pytest

from gateway_parameters import in_both_eras, over_http1
from gateway_under_test import MAX_BODY, MAX_DEPTH, answered_by, weather
from mcp_messages import Era, Message, call, is_refused, modern_meta, sentence_of
from polling import until
from raw_http import Reply


def check_error(reply: Reply, status: int, code: int, id: object = 1) -> str:
    """Asserts the form of a refusal and that its sentence suits a client that shows raw JSON;
    returns the sentence.
    """
    assert reply.status == status, (reply.status, reply.body)
    assert reply.headers["content-type"] == "application/json"
    message = reply.json
    assert message["error"]["code"] == code, message
    assert message["jsonrpc"] == "2.0" and message["id"] == id, message
    sentence = message["error"]["message"]
    assert sentence and "\n" not in sentence and '"' not in sentence, sentence
    return sentence


def raw_call(era: Era, params: str) -> Message:
    """A call whose `params` is exactly this text."""
    if era is Era.MODERN:
        params += f',"_meta":{json.dumps(modern_meta())}'
    text = f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{params}}}}}'
    return weather(era).with_body(text.encode())


@in_both_eras
def test_it_refuses_a_tool_that_no_catalogue_has(gateway, era):
    for name in (
        "drop_everything",
        "get_weather ",
        "GET_WEATHER",
        "",
        "x" * 30_000,
        "tool\r\nx-a: b",
        "🌩",
    ):
        message = call(era, name, id="seven")
        sentence = check_error(gateway.send_refused(message), 200, -32602, "seven")
        assert "tools/list" in sentence
        gateway.forget()


@in_both_eras
@pytest.mark.parametrize(
    ("arguments", "pointer"),
    [
        ({}, "`city`"),
        ({"city": 7}, "/city"),
        ({"city": ""}, "/city"),
        ({"city": "Oslo", "country": "NO"}, "country"),
    ],
    ids=["missing", "type", "too-short", "unknown"],
)
def test_it_refuses_bad_arguments_where_a_model_reads_it(gateway, era, arguments, pointer):
    reply = gateway.send_refused(call(era, "get_weather", arguments))
    assert reply.status == 200
    result = reply.json["result"]
    assert result["isError"] is True and reply.json["id"] == 1
    assert result.get("resultType") == ("complete" if era is Era.MODERN else None)
    assert pointer in result["content"][0]["text"]


@pytest.mark.parametrize("version", ["2025-06-18", "2025-03-26", "2024-11-05", None])
@pytest.mark.parametrize(("tool", "part"), [("get_weather", "/city"), ("secret", "for-analysts")])
def test_it_refuses_where_a_model_reads_it_on_older_revisions_too(gateway, version, tool, part):
    message = call(Era.LEGACY, tool, {"city": 7}).without_header("mcp-protocol-version")
    if version:
        message = message.with_headers(("mcp-protocol-version", version))
    reply = gateway.send_refused(message)
    assert is_refused(reply, 40300), reply
    assert part in sentence_of(reply)


@in_both_eras
def test_it_refuses_a_caller_without_the_role(gateway, era):
    reply = gateway.send_refused(call(era, "secret"))
    assert is_refused(reply, 40300), reply
    assert "for-analysts" in sentence_of(reply)
    assert "www-authenticate" not in reply.headers


@in_both_eras
@pytest.mark.parametrize(
    "params",
    [
        '"name":"get_weather","arguments":{"city":"Oslo"},"name":"secret"',
        '"name":"get_weather","n\\u0061me":"secret","arguments":{"city":"Oslo"}',
        '"name":"get_weather","arguments":{"city":"Oslo"},"arguments":{"city":"Rome"}',
    ],
    ids=["name-last", "escaped", "arguments"],
)
def test_it_refuses_a_key_that_occurs_twice(gateway, era, params):
    check_error(gateway.send_refused(raw_call(era, params)), 400, -32600, id=None)


@in_both_eras
def test_it_refuses_by_the_first_name_that_stands_whatever_follows(gateway, era):
    """A name that is closed decides at once; what comes behind it is not waited for."""
    message = raw_call(era, '"name":"secret","arguments":{"city":"Oslo"},"name":"get_weather"')
    reply = gateway.send_refused(message)
    if era is Era.MODERN:
        assert "Mcp-Name" in check_error(reply, 400, -32020)
    else:
        assert is_refused(reply, 40300), reply


@in_both_eras
def test_it_refuses_a_key_that_occurs_twice_within_the_arguments(gateway, era):
    reply = gateway.send_refused(
        raw_call(era, '"name":"get_weather","arguments":{"city":"Oslo","city":"Rome"}')
    )
    assert reply.status == 200 and reply.json["result"]["isError"] is True
    assert "city" in sentence_of(reply)


@in_both_eras
def test_it_refuses_the_second_name_however_late_it_comes(gateway, era):
    """Nobody reads the arguments of `unread`, so its body is already on its way when the second
    name arrives.
    """
    padding = "x" * 500_000
    params = f'"name":"unread","arguments":{{"text":"{padding}"}},"name":"secret"'
    message = call(era, "unread")
    if era is Era.MODERN:
        # First, or it would be what the decision waits for.
        params = f'"_meta":{json.dumps(modern_meta())},{params}'
    message = message.with_body(
        f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{params}}}}}'.encode()
    )
    with gateway.connect() as connection:
        body = message.body
        connection.begin_post("/mcp", message.headers, len(body))
        connection.send_part(body[:300_000])
        until("the beginning streams", lambda: any(gateway.upstreams["weather"].fragments()))
        connection.send_part(body[300_000:])
        connection.end_post()
        reply = connection.reply()
    check_error(reply, 400, -32600, id=None)
    until("the server is left without the rest", lambda: gateway.upstreams["weather"].broken_off)
    assert answered_by(gateway.post(weather(era, "after"))) == "weather"
    assert [one.json["id"] for one in gateway.received()] == ["after"]


UNREADABLE = {
    "not JSON": (b"{", -32700),
    "empty": (b"", -32700),
    "trailing": (b'{"jsonrpc":"2.0","id":1,"method":"ping"} {}', -32700),
    "not UTF-8": (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\xff"}}', -32700),
    "lone surrogate": (b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', -32700),
    "batch": (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
    "empty batch": (b"[]", -32600),
    "a string": (b'"tools/call"', -32600),
    "other JSON-RPC": (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
    "id null": (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
    "id an object": (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600),
    "method twice": (b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}', -32600),
    "nested too deep": (
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":%s%s}}'
        % (b"[" * MAX_DEPTH, b"]" * MAX_DEPTH),
        -32600,
    ),
    "nested far too deep": (b"[" * 200_000, -32600),
    "nested far too deep inside": (b'{"a":' * 100_000, -32600),
}


@in_both_eras
@pytest.mark.parametrize(("body", "code"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_it_refuses_a_body_that_it_cannot_read(gateway, era, body, code):
    check_error(gateway.send_refused(weather(era).with_body(body)), 400, code, id=None)


@in_both_eras
def test_it_refuses_a_body_that_is_too_large(gateway, era):
    message = call(era, "note", {"text": "x" * MAX_BODY})
    check_error(gateway.post(message), 413, -32600, id=None)
    assert answered_by(gateway.post(weather(era, "after"))) == "weather"
    assert [one.json["id"] for one in gateway.received()] == ["after"]


@in_both_eras
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1.evil.example", b"http://\xff"]
)
def test_it_refuses_a_foreign_origin(gateway, era, origin):
    assert gateway.send_refused(weather(era).with_headers(("origin", origin))).status == 403


@in_both_eras
@pytest.mark.parametrize("origin", ["http://localhost:5173", "http://127.0.0.1", "http://[::1]:80"])
def test_it_lets_local_origins_pass(gateway, era, origin):
    message = weather(era).with_headers(("origin", origin))
    assert answered_by(gateway.post(message)) == "weather"


@in_both_eras
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:10000", "127.0.0.1.evil.example", "localhost.evil.example:80"],
)
def test_it_refuses_a_foreign_host(gateway, era, host):
    assert gateway.send_refused(weather(era).with_headers(("host", host))).status == 403


@in_both_eras
@pytest.mark.parametrize("path", ["/", "/mcpx", "/mcp/", "/MCP", "/servers/nobody/mcp", "/admin"])
def test_it_refuses_other_paths(gateway, era, path):
    for message in (weather(era), weather(era).with_headers(("x-portcullis-cluster", "math"))):
        sentence = check_error(gateway.send_refused(message, path), 404, -32600, id=None)
        assert "there is nothing at this path" in sentence
        gateway.forget()


@in_both_eras
@pytest.mark.parametrize(
    ("header", "status"),
    [
        (("content-type", "text/plain"), 415),
        (("content-type", "application/x-www-form-urlencoded"), 415),
        (("content-encoding", "gzip"), 415),
    ],
    ids=["text", "form", "compressed"],
)
def test_it_refuses_a_body_that_a_server_might_read_as_something_else(gateway, era, header, status):
    message = weather(era).without_header(header[0]).with_headers(header)
    assert gateway.send_refused(message).status == status


def test_it_refuses_a_modern_body_under_an_older_header(gateway):
    message = weather(Era.LEGACY).with_body(weather(Era.MODERN).body)
    check_error(gateway.send_refused(message), 400, -32020)


@pytest.mark.parametrize(
    "path",
    [
        "/servers/weather/../math/mcp",
        "/servers/weather/%2e%2e/math/mcp",
        "/servers/weather%2f..%2fmath/mcp",
    ],
)
def test_it_lets_no_path_lead_past_its_endpoint(gateway, path):
    """Read as the endpoint that it leads to, which has not this tool; or refused, where one reading
    is as good as another.
    """
    reply = gateway.post(call(Era.LEGACY, "get_weather", {"city": "Oslo"}), path)
    expected = (400, -32600) if "%2f" in path else (200, -32602)
    assert (reply.status, reply.json["error"]["code"]) == expected
    gateway.check_nothing_passed()


def test_it_refuses_a_body_on_get(gateway):
    headers = [("mcp-protocol-version", "2025-11-25"), ("accept", "text/event-stream")]
    reply = gateway.request("GET", "/mcp", headers, weather(Era.LEGACY).body)
    check_error(reply, 400, -32600, id=None)
    gateway.check_nothing_passed()


@over_http1
def test_it_refuses_an_upgrade(gateway):
    """HTTP/2 knows no header for it."""
    with gateway.connect() as connection:
        headers = [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            *weather(Era.LEGACY).headers,
        ]
        assert connection.request("GET", "/mcp", headers).status == 400
    gateway.check_nothing_passed()


@over_http1
@in_both_eras
@pytest.mark.parametrize("length", [True, False], ids=["with a length", "without a length"])
def test_it_refuses_a_post_that_asks_for_an_upgrade_at_once(gateway, era, length):
    """To Envoy what follows has no end, so nobody waits for it.

    HTTP/2 knows no header for it.
    """
    message = weather(era)
    headers = [("connection", "upgrade"), ("upgrade", "websocket"), *message.headers]
    headers += [("content-length", str(len(message.body)))] if length else []
    with gateway.connect() as connection:
        connection.send(connection.head("POST", "/mcp", headers))
        check_error(connection.reply(), 400, -32600, id=None)
    gateway.check_nothing_passed()


@over_http1
def test_it_answers_each_of_two_requests_that_arrive_at_once(gateway):
    """Pipelined, which HTTP/1.1 alone has: the second lies in the packet of the refused first."""
    with gateway.connect() as connection:
        both = b""
        for message in (call(Era.MODERN, "secret", id="first"), weather(Era.LEGACY, "second")):
            length = ("content-length", str(len(message.body)))
            both += connection.head("POST", "/mcp", [*message.headers, length]) + message.body
        connection.send(both)
        stream = connection.socket.makefile("rb")
        statuses = []
        for _ in range(2):
            statuses.append(int(stream.readline().split()[1]))
            length = 0
            while (line := stream.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            stream.read(length)
    assert statuses == [403, 200]
    assert [one.json["id"] for one in gateway.received()] == ["second"]


@over_http1
def test_it_refuses_two_lengths_of_one_body(gateway):
    """HTTP/2 ends a body by a frame, and knows one length at most."""
    message = weather(Era.LEGACY)
    with gateway.connect() as connection:
        both = [("content-length", str(len(message.body))), ("transfer-encoding", "chunked")]
        connection.send(connection.head("POST", "/mcp", [*message.headers, *both]) + b"0\r\n\r\n")
        check_error(connection.reply(), 400, -32600, id=None)
    gateway.check_nothing_passed()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "PROPFIND", "OPTIONS"])
def test_it_refuses_other_http_methods(gateway, method):
    reply = gateway.request(method, "/mcp", weather(Era.LEGACY).headers, b"{}")
    assert (reply.status, reply.json["error"]["code"]) == (405, -32600)
    assert reply.headers["allow"] == "POST, GET, DELETE"
    gateway.check_nothing_passed()


def test_it_refuses_a_revision_that_nobody_knows(gateway):
    message = (
        weather(Era.LEGACY)
        .without_header("mcp-protocol-version")
        .with_headers(("mcp-protocol-version", "2031-01-01"))
    )
    reply = gateway.send_refused(message)
    assert reply.status == 400
    assert "2026-07-28" in json.dumps(reply.json["error"])
