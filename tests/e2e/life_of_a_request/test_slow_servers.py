"""A server that hangs or is overrun: the gateway answers for it after a time that its operator
sets, and no sooner where a tool has a time of its own or events are awaited.
"""

import contextlib
import threading

import pytest

from gateway_parameters import in_both_eras
from gateway_under_test import ANYTHING, GatewayUnderTest
from mcp_messages import Era, Message, call, has_passed, is_refused, request, sentence_of
from polling import PATIENCE, until
from raw_http import HttpConnection
from recording_upstream import RecordingUpstream, answers_with
from rendered_gateway import RenderedGateway
from rendered_listener import rendered_listener
from static_gateway import (
    StaticGateway,
    connection_manager,
    example_filter_config,
    example_listener,
    with_tools,
)

TOOLS = {"frozen": ANYTHING, "patient": ANYTHING}
TEMPLATES = {"static": example_listener, "rendered": rendered_listener}


class SlowServer:
    """Answers nothing to `frozen`, and all else once it is released."""

    def __init__(self) -> None:
        self.upstream = RecordingUpstream("weather")
        self.upstream.responder = self.respond
        self.released = threading.Event()

    def respond(self, received, exchange) -> None:
        if received.readable.get("params", {}).get("name") == "frozen":
            return
        if self.streams(received):
            exchange.begin_events()
            self.released.wait()
            exchange.event({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
            exchange.end_events()
            return
        self.released.wait()
        self.upstream.say_who_i_am(received, exchange)

    def streams(self, received) -> bool:
        return received.method == "GET" or received.readable.get("method") == "subscriptions/listen"


def hasty(template):
    """A listener on which a server may say nothing for 300 ms."""
    listener = template()
    (host,) = connection_manager(listener)["route_config"]["virtual_hosts"]
    (bounded,) = [route for route in host["routes"] if route["name"] == "mcp"]
    assert bounded["route"]["idle_timeout"] in ("900s", "900.0s")
    bounded["route"]["idle_timeout"] = "0.3s"
    return listener


@pytest.fixture(params=TEMPLATES.values(), ids=TEMPLATES)
def slow(request, installation, directory, wire):
    """The gateway, and the server behind it; `patient` may take a minute."""
    config = example_filter_config()
    with_tools(config, "weather", TOOLS)
    config["rules"] = [
        {"name": "patient", "match": {"tool": "patient"}, "timeout_ms": 60_000},
    ]
    server = SlowServer()
    ports = {"weather": server.upstream.port, "math": server.upstream.port}
    gateway = StaticGateway(
        installation, directory, ports, config, template=lambda: hasty(request.param)
    )
    yield GatewayUnderTest(gateway, {"weather": server.upstream}, wire), server
    server.released.set()
    gateway.stop()
    server.upstream.stop()


def sent(
    stack: contextlib.ExitStack, gateway: GatewayUnderTest, message: Message
) -> HttpConnection:
    """A message that has been sent on a connection of its own, and whose answer is still to be
    read.
    """
    connection = stack.enter_context(gateway.connect())
    connection.begin_post("/mcp", message.headers, len(message.body))
    connection.send_part(message.body)
    connection.end_post()
    return connection


def test_it_answers_for_a_server_that_hangs_and_waits_where_it_was_told_to(slow):
    gateway, server = slow
    with contextlib.ExitStack() as stack:
        called = sent(stack, gateway, call(Era.LEGACY, "patient"))
        listen = request(Era.MODERN, "subscriptions/listen", {"notifications": {}})
        listening = sent(stack, gateway, listen)
        until("both are at the server", lambda: len(server.upstream.requests) == 2)
        # Each of these takes longer than a server may say nothing.
        for era in Era:
            reply = gateway.post(call(era, "frozen", id=7))
            assert is_refused(reply, 50400, 7), reply
            assert "nothing came of this call" in sentence_of(reply)
        server.released.set()
        assert has_passed(called.reply())
        assert b"list_changed" in listening.reply().body


def test_it_leaves_streams_of_events_open(slow):
    gateway, server = slow
    answers = []
    accept = ("accept", "text/event-stream")
    listening = threading.Thread(
        target=lambda: answers.append(gateway.request("GET", "/mcp", [accept]))
    )
    listening.start()
    until("it is at the server", lambda: server.upstream.requests)
    assert is_refused(gateway.post(call(Era.LEGACY, "frozen")), 50400)
    server.released.set()
    listening.join(PATIENCE)
    assert b"list_changed" in answers[0].body


@in_both_eras
def test_it_lets_calls_wait_for_a_server_that_is_full_and_refuses_those_beyond(
    installation, directory, era
):
    """The server takes two connections; two more calls wait, and the fifth is to come again."""
    upstream = RecordingUpstream("weather")
    gateway = RenderedGateway(
        installation,
        directory,
        {"weather": upstream},
        {"weather": {"wait": ANYTHING}},
        servers={"weather": {"max_connections": 2}},
    )
    under_test = GatewayUnderTest(gateway, {"weather": upstream})
    under_test.forget()
    released = threading.Event()
    lists = answers_with([{"name": "wait", "inputSchema": ANYTHING}])

    def respond(received, exchange):
        released.wait()
        lists(received, exchange)

    upstream.responder = respond
    waiting = []
    message = call(era, "wait")
    with contextlib.ExitStack() as stack:
        try:
            for number in range(4):
                waiting.append(sent(stack, under_test, message))
                counted = "upstream_rq_active" if number < 2 else "upstream_rq_pending_active"
                until(
                    "Envoy has taken it up",
                    lambda counted=counted, number=number: (
                        gateway.envoy.stats(counted)[f"cluster.weather.{counted}"] == number % 2 + 1
                    ),
                )
            refused = under_test.post(message)
            assert is_refused(refused, 50300), refused
            assert "as many calls to answer as it may have" in sentence_of(refused)
            assert refused.headers["retry-after"] == "10"
            assert len(upstream.requests) == 2
            released.set()
            assert all(has_passed(connection.reply()) for connection in waiting)
        finally:
            released.set()
            gateway.stop()
            upstream.stop()
