"""Every official SDK shows its user the sentence of every refusal: docs/decisions/0001-status-codes.md rests on it."""

import pytest

from gateway_under_test import ANYTHING, CITY
from recording_upstream import RecordingUpstream, answers_with
from refusal_forms import FORMS, SENTENCE
from scripted_server import ScriptedServer
from sdk_client import SDKS, SdkClient, shown
from static_gateway import StaticGateway, example_filter_config, with_tools

CHOSEN = [
    "429, code 42900",
    "403, code 40300",
    "200, code -32602",
    "200, isError",
    "400, code -32020",
    "400, code -32700, id null",
    "413, code -32600, id null",
    "503, code 50300",
]
with_each_sdk = pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.label)


@with_each_sdk
def test_each_form_that_was_chosen_shows_its_sentence(installation, sdk):
    server = ScriptedServer(FORMS, SENTENCE)
    with SdkClient(sdk, server.url, installation.home) as client:
        client.tools()
        hidden = [form for form in CHOSEN if SENTENCE not in shown(client.call("refuse", {"form": form}))]
    server.close()
    assert hidden == []


@pytest.fixture(scope="module")
def refusing_gateway(installation, tmp_path_factory):
    """A gateway before a server that lists tools; `rare` has one call an hour."""
    tools = {"get_weather": CITY, "secret": ANYTHING, **{f"rare_{number}": ANYTHING for number in range(len(SDKS))}}
    config = example_filter_config()
    with_tools(config, "weather", tools)
    once = {"id": "each", "per": ["tool"], "requests": 1, "window_ms": 3_600_000}
    config["rules"] = [
        {"name": "rare", "match": {"tool": "rare_*"}, "limits": [once]},
        {"name": "closed", "match": {"tool": "secret"}, "allow": []},
    ]
    upstream = RecordingUpstream("weather")
    upstream.responder = answers_with([{"name": name, "inputSchema": schema} for name, schema in tools.items()])
    folder = tmp_path_factory.mktemp("refusing-gateway")
    gateway = StaticGateway(installation, folder, {"weather": upstream.port, "math": upstream.port}, config)
    yield gateway
    gateway.stop()
    upstream.stop()


@with_each_sdk
def test_users_read_what_to_do_about_each_refusal(installation, refusing_gateway, sdk):
    rare = f"rare_{SDKS.index(sdk)}"
    with SdkClient(sdk, f"http://127.0.0.1:{refusing_gateway.port}/mcp", installation.home) as client:
        assert client.protocol == ("2026-07-28" if sdk.era == "modern" else "2025-11-25")
        assert len(client.tools()) == 2 + len(SDKS)
        passed = client.call("get_weather", {"city": "Oslo"})
        assert passed["result"]["content"][0]["text"] == '["get_weather", {"city": "Oslo"}]'
        assert "expected a string" in shown(client.call("get_weather", {"city": 7}))
        assert "call `tools/list`" in shown(client.call("no_such_tool"))
        assert "ask the operator" in shown(client.call("secret"))
        assert "result" in client.call(rare)
        assert "try again in" in shown(client.call(rare))
