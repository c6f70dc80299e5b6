"""However a body arrives, the decision is the same; no upstream ever holds a complete request that
was not decided.
"""

import json

import pytest

from gateway_parameters import in_both_eras
from gateway_under_test import MAX_BODY, answered_by, weather
from mcp_messages import call
from polling import until

BEGUN = "http.mcp.downstream_rq_total"
READ = "http.mcp.downstream_cx_rx_bytes_total"


@in_both_eras
def test_it_reads_a_body_in_chunks_of_one_byte(gateway, era):
    message = weather(era)
    pieces = [message.body[i : i + 1] for i in range(len(message.body))]
    with gateway.connect() as connection:
        assert answered_by(connection.post_in_pieces("/mcp", message.headers, pieces)) == "weather"
        assert answered_by(weather(era).post(connection)) == "weather"
    assert gateway.received()[0].body == message.body


@in_both_eras
def test_it_refuses_the_same_in_chunks_of_one_byte(gateway, era):
    message = call(era, "get_weather", {"city": 7})
    pieces = [message.body[i : i + 1] for i in range(len(message.body))]
    with gateway.connect() as connection:
        assert connection.post_in_pieces("/mcp", message.headers, pieces).json["result"]["isError"]
        gateway.check_nothing_passed()
        assert answered_by(weather(era).post(connection)) == "weather"
    gateway.check_no_part_passed()


@in_both_eras
@pytest.mark.parametrize("ending", ["close", "reset"])
def test_it_passes_nothing_of_a_body_that_never_ends(gateway, era, ending):
    """In chunks, so that no announced length keeps an upstream from taking the part for the whole;
    and by the fragments that reached it, because the arguments of this tool are judged as a whole.
    """
    message = weather(era)
    ended = "http.mcp.downstream_cx_destroy"
    before = gateway.envoy.stats(ended)[ended]
    for kept in (1, len(message.body) // 2, len(message.body) - 1, len(message.body)):
        with gateway.connect() as connection:
            begun = gateway.envoy.stats(BEGUN)[BEGUN]
            connection.begin_post("/mcp", message.headers)
            until("Envoy has the head", lambda: gateway.envoy.stats(BEGUN)[BEGUN] > begun)
            read = gateway.envoy.stats(READ)[READ]
            connection.send_part(message.body[:kept])
            # What the kernel holds when a connection is reset is never read.
            until("Envoy has it", lambda: gateway.envoy.stats(READ)[READ] >= read + kept)
            if ending == "reset":
                connection.reset()
    until("Envoy saw them end", lambda: gateway.envoy.stats(ended)[ended] >= before + 4)
    gateway.check_nothing_passed()
    assert answered_by(gateway.post(weather(era, "after"))) == "weather"
    gateway.check_no_part_passed()


@in_both_eras
@pytest.mark.parametrize("tool", ["get_weather", "note"])
def test_it_refuses_a_message_that_ends_before_it_is_whole(gateway, era, tool):
    """The body is complete to HTTP, the message is not."""
    message = call(era, tool, {"city": "Oslo"})
    for kept in range(1, len(message.body)):
        reply = gateway.post(message.with_body(message.body[:kept]))
        assert (reply.status, reply.json["error"]["code"]) == (400, -32700), (kept, reply)
    gateway.check_nothing_passed()


@in_both_eras
@pytest.mark.parametrize("size", [70_000, 200_000, MAX_BODY])
@pytest.mark.parametrize("tool", ["note", "get_weather"])
def test_it_passes_bodies_up_to_the_largest_that_is_allowed(gateway, era, tool, size):
    """Larger than what HTTP/2 lets a client send at first, and than what Envoy buffers unasked."""
    member = "city" if tool == "get_weather" else "text"
    empty = len(call(era, tool, {member: ""}).body)
    message = call(era, tool, {member: "x" * (size - empty)})
    assert len(message.body) == size
    assert answered_by(gateway.post(message)) == "weather"
    (received,) = gateway.received()
    assert received.body == message.body


@in_both_eras
def test_it_passes_events_as_they_come(gateway, era):
    """The upstream sends each event only after the client has read the one before."""
    seen = []
    upstream = gateway.upstreams["weather"]

    def respond(received, exchange):
        exchange.begin_events()
        for number in range(3):
            exchange.event(
                {
                    "jsonrpc": "2.0",
                    "method": "notifications/progress",
                    "params": {"progress": number},
                }
            )
            until(f"event {number} at the client", lambda: len(seen) > number)
        exchange.event({"jsonrpc": "2.0", "id": 1, "result": {"content": []}})
        exchange.end_events()

    upstream.responder = respond
    message = weather(era)
    with gateway.connect() as connection:
        connection.begin_post("/mcp", message.headers, len(message.body))
        connection.send_part(message.body)
        connection.end_post()
        response = connection.begin_reply()
        assert response.getheader("content-type") == "text/event-stream"
        while line := response.readline():
            if line.startswith(b"data: "):
                seen.append(json.loads(line[6:]))
    assert [one["params"]["progress"] for one in seen[:3]] == [0, 1, 2]
    assert seen[3]["id"] == 1
