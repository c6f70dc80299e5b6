"""The same decisions over HTTP/2, where many calls share a connection."""

import json

import pytest

from gateway_parameters import in_both_eras
from gateway_under_test import weather
from http2 import post_at_once
from mcp_messages import Era, call


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
                assert (answer["status"], message["error"]["code"]) == (403, 40300)
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
def test_it_never_passes_an_undecided_body_before_trailers(gateway, post, era):
    """Whatever becomes of a message with trailers, a refused one reaches no upstream."""
    (answer,) = post(call(era, "secret"), trailers={"x-trailer": "1"})
    assert answer["status"] in (400, 403)
    gateway.check_nothing_passed()
