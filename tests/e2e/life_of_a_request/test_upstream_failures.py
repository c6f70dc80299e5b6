"""A server that is down, breaks off or takes too long: the caller is told so in JSON-RPC, whatever
SDK shows it.
"""

import pytest

from free_ports import free_port
from gateway_parameters import in_both_eras
from gateway_under_test import ANYTHING, GatewayUnderTest
from mcp_messages import Era, call, has_passed, is_refused, request, sentence_of
from outcomes import shown
from polling import until
from recording_upstream import RecordingUpstream, answers_with
from sdk_client import SDKS, SdkClient
from static_gateway import StaticGateway, example_filter_config, with_tools

TOOLS = {"down": ANYTHING, "breaks": ANYTHING, "slow": ANYTHING, "well": ANYTHING}


@pytest.fixture(scope="module")
def running_gateway(installation, tmp_path_factory):
    """`down` leads to a port where nobody listens; `breaks` closes the connection; `slow` has 300
    ms and never answers.
    """
    config = example_filter_config()
    with_tools(config, "weather", TOOLS)
    config["rules"] = [
        {"name": "down", "match": {"tool": "down"}, "route": {"cluster": "math"}},
        {"name": "hurry", "match": {"tool": "slow"}, "timeout_ms": 300},
    ]
    upstream = RecordingUpstream("weather")
    otherwise = answers_with(
        [{"name": name, "inputSchema": schema} for name, schema in TOOLS.items()]
    )

    def respond(received, exchange):
        match received.readable.get("params", {}).get("name"):
            case "breaks":
                raise ConnectionResetError
            case "slow":
                pass
            case _:
                otherwise(received, exchange)

    upstream.responder = respond
    folder = tmp_path_factory.mktemp("failing-gateway")
    gateway = StaticGateway(
        installation, folder, {"weather": upstream.port, "math": free_port()}, config
    )
    yield GatewayUnderTest(gateway, {"weather": upstream})
    gateway.stop()
    upstream.stop()


@pytest.fixture
def failing_gateway(running_gateway, wire):
    return running_gateway.over(wire)


@in_both_eras
@pytest.mark.parametrize(
    ("tool", "code", "part", "retry_after"),
    [
        ("down", 50300, "cannot be reached; try again in 10 s", "10"),
        ("breaks", 50200, "broke off its answer", None),
        ("slow", 50400, "longer than its policy allows", None),
    ],
)
def test_it_answers_for_the_server_with_the_callers_id(
    failing_gateway, era, tool, code, part, retry_after
):
    with failing_gateway.connect() as connection:
        for id in (7, 'é"\\ ', 2**70):
            reply = call(era, tool, id=id).post(connection)
            assert is_refused(reply, code, id), reply
            assert part in sentence_of(reply)
            assert reply.headers.get("retry-after") == retry_after
        assert has_passed(call(era, "well").post(connection))


@in_both_eras
def test_it_tells_the_server_how_long_a_tool_may_take(failing_gateway, era):
    lie = ("x-envoy-expected-rq-timeout-ms", "99000")
    seen = {}
    for tool in ("slow", "well"):
        failing_gateway.upstreams["weather"].forget()
        failing_gateway.post(call(era, tool).with_headers(lie))
        # The gateway may answer for a slow server before that has read the call.
        (received,) = until("the call is at the server", failing_gateway.received)
        seen[tool] = received.header(lie[0])
    assert seen == {"slow": b"300", "well": None}


@in_both_eras
def test_it_answers_other_requests_for_the_server_too(failing_gateway, era):
    """Not as a tool's result, which nobody asked for."""
    reply = failing_gateway.post(request(era, "tools/list", id="mine"), "/servers/math/mcp")
    assert reply.status == (503 if era is Era.MODERN else 200)
    assert (reply.json["id"], reply.json["error"]["code"]) == ("mine", 50300)


@pytest.mark.parametrize(
    "body",
    [b'{"jsonrpc":"2.0","method":"notifications/x"}', b'{"jsonrpc":"2.0","id":7,"result":{}}'],
    ids=["a notification", "a response"],
)
def test_it_answers_with_a_status_where_nobody_waits_for_an_answer(failing_gateway, body):
    message = call(Era.LEGACY, "well").with_body(body)
    reply = failing_gateway.post(message, "/servers/math/mcp")
    assert (reply.status, reply.json["id"], reply.json["error"]["code"]) == (503, None, 50300)


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.label)
def test_it_tells_users_what_became_of_their_call(installation, running_gateway, sdk):
    """By whatever version of HTTP the SDK speaks."""
    with SdkClient(
        sdk, f"http://127.0.0.1:{running_gateway.port}/mcp", installation.home
    ) as client:
        assert "cannot be reached; try again" in shown(client.call("down"))
        assert "broke off its answer" in shown(client.call("breaks"))
        assert "longer than its policy allows" in shown(client.call("slow"))
