"""What HTTP/2 alone has: many calls that share a connection, trailers, and windows that a client
opens or not.
"""

from gateway_parameters import in_both_eras, over_http2
from gateway_under_test import answered_by, weather
from mcp_messages import Era, call, is_refused, sentence_of
from polling import until
from raw_http2 import Http2Connection

pytestmark = over_http2


@in_both_eras
def test_it_decides_each_of_many_concurrent_calls_by_itself(gateway, era):
    sent = []
    for number in range(12):
        sent.append(weather(era, number))
        sent.append(call(era, "add", {"a": number, "b": 1}, number))
        sent.append(call(era, "secret", {}, number))
        sent.append(call(era, "get_weather", {"city": number}, number))
    with gateway.connect() as connection:
        replies = connection.post_at_once(sent)
    for index, reply in enumerate(replies):
        number, kind = divmod(index, 4)
        assert reply.json["id"] == number
        match kind:
            case 0 | 1:
                assert answered_by(reply) == ("weather", "math")[kind]
            case 2:
                assert is_refused(reply, 40300, number)
            case 3:
                assert reply.json["result"]["isError"] is True
    assert len(gateway.received()) == 24


@in_both_eras
def test_it_passes_no_message_with_trailers(gateway, era):
    """What they might say was never read. A call that is refused before is refused for that."""
    trailers = [("x-trailer", "1")]
    message, secret = weather(era), call(era, "secret")
    with gateway.connect() as connection:
        passing = connection.post_with_trailers("/mcp", message.headers, message.body, trailers)
        refused = connection.post_with_trailers("/mcp", secret.headers, secret.body, trailers)
    assert (passing.status, passing.json["error"]["code"]) == (400, -32600)
    assert "for-analysts" in sentence_of(refused)
    gateway.check_nothing_passed()


def test_it_holds_a_hundred_answers_for_a_client_that_takes_none(gateway):
    most, message = 100, call(Era.LEGACY, "note")
    with Http2Connection(gateway.port, takes_bodies=False) as greedy:
        for _ in range(most):
            greedy.begin_request("POST", "/mcp", message.headers, message.body)
        until("all are answered", lambda: len(gateway.received()) == most)
        assert not greedy.has_been_closed()
        greedy.forget_how_many_streams_the_peer_takes()
        greedy.begin_request("POST", "/mcp", message.headers, message.body)
        until("one more ends the connection", greedy.has_been_closed)
    assert len(gateway.received()) == most
    assert answered_by(gateway.post(weather(Era.LEGACY))) == "weather"
