"""The same decisions over HTTP/2, where many calls share a connection."""

import json

import pytest

from gateway_parameters import in_both_eras
from gateway_under_test import answered_by, weather
from http2 import post_at_once
from mcp_messages import Era, call
from polling import until
from raw_http2 import GreedyConnection


@pytest.fixture
def post(installation, gateway):
    node = installation.program("node")
    return lambda *messages, **more: post_at_once(node, gateway.port, list(messages), **more)


@in_both_eras
def test_it_decides_each_of_many_concurrent_calls_by_itself(gateway, post, era):
    sent = []
    for number in range(12):
        sent.append(weather(era, number))
        sent.append(call(era, "add", {"a": number, "b": 1}, number))
        sent.append(call(era, "secret", {}, number))
        sent.append(call(era, "get_weather", {"city": number}, number))
    answers = post(*sent)
    for index, answer in enumerate(answers):
        message = json.loads(answer["body"])
        assert message["id"] == index // 4
        match index % 4:
            case 0 | 1:
                assert answer["status"] == 200
                server = message["result"]["content"][0]["text"].split()[0]
                assert server == ("weather", "math")[index % 4]
            case 2:
                if era is Era.MODERN:
                    assert (answer["status"], message["error"]["code"]) == (403, 40300)
                else:
                    assert (answer["status"], message["result"]["isError"]) == (200, True)
            case 3:
                assert message["result"]["isError"] is True
    assert len(gateway.received()) == 24


@in_both_eras
def test_it_refuses_a_foreign_authority(gateway, post, era):
    (answer,) = post(weather(era).with_headers((":authority", "evil.example")))
    assert answer["status"] == 403
    gateway.check_nothing_passed()


def test_it_refuses_a_name_that_occurs_twice(gateway, post):
    (answer,) = post(weather(Era.MODERN).with_headers(("mcp-name", "secret")))
    assert (answer["status"], json.loads(answer["body"])["error"]["code"]) == (400, -32020)
    gateway.check_nothing_passed()


@in_both_eras
def test_it_ignores_the_cluster_that_a_client_names(gateway, post, era):
    (answer,) = post(weather(era).with_headers(("x-portcullis-cluster", "math")))
    assert answer["status"] == 200
    assert gateway.upstreams["math"].requests == []


@in_both_eras
def test_it_passes_no_message_with_trailers(gateway, post, era):
    """What they might say was never read. A call that is refused before is refused for that."""
    trailers = {"x-trailer": "1"}
    (passing,) = post(weather(era), trailers=trailers)
    assert (passing["status"], json.loads(passing["body"])["error"]["code"]) == (400, -32600)
    (refused,) = post(call(era, "secret"), trailers=trailers)
    assert "for-analysts" in refused["body"]
    gateway.check_nothing_passed()


def test_it_holds_a_hundred_answers_for_a_client_that_takes_none(gateway):
    most, message = 100, call(Era.LEGACY, "note").body
    connection = GreedyConnection(gateway.port)
    connection.post(most, message)
    until("all are answered", lambda: len(gateway.received()) == most, 20)
    assert not connection.ended
    connection.post(1, message)
    until("one more ends the connection", lambda: connection.ended, 20)
    assert len(gateway.received()) == most
    assert answered_by(weather(Era.LEGACY).post_once(gateway.port)) == "weather"
