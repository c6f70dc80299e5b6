"""A server that is down, breaks off or takes too long: the caller is told so in JSON-RPC, whatever SDK shows it."""

import pytest

from free_ports import free_port
from gateway_under_test import ANYTHING
from recording_upstream import RecordingUpstream, answers_with
from sdk_client import SDKS, SdkClient
from static_gateway import StaticGateway, example_filter_config, with_tools

TOOLS = {"down": ANYTHING, "breaks": ANYTHING, "slow": ANYTHING}


@pytest.fixture(scope="module")
def failing_gateway(installation, tmp_path_factory):
    """`down` leads to a port where nobody listens; `breaks` closes the connection; `slow` has 300 ms and never answers."""
    config = example_filter_config()
    with_tools(config, "weather", TOOLS)
    config["rules"] = [
        {"name": "down", "match": {"tool": "down"}, "route": {"cluster": "math"}},
        {"name": "hurry", "match": {"tool": "slow"}, "timeout_ms": 300},
    ]
    upstream = RecordingUpstream("weather")
    otherwise = answers_with([{"name": name, "inputSchema": schema} for name, schema in TOOLS.items()])

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
    gateway = StaticGateway(installation, folder, {"weather": upstream.port, "math": free_port()}, config)
    yield gateway
    gateway.stop()
    upstream.stop()


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.label)
def test_users_read_what_became_of_their_call(installation, failing_gateway, sdk):
    with SdkClient(sdk, f"http://127.0.0.1:{failing_gateway.port}/mcp", installation.home) as client:
        assert "cannot be reached; try again" in client.call("down")["error"]["message"]
        assert "broke off its answer" in client.call("breaks")["error"]["message"]
        assert "longer than its policy allows" in client.call("slow")["error"]["message"]
