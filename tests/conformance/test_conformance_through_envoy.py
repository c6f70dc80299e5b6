"""MCP's conformance suites against the fixtures behind the gateway: what a client hears through
Envoy, tasks included, is what the server says, and what it answers in its session gets there.
"""

import pytest
from fixtures_of_the_suites import SUITES, FixtureServer, run

from control_plane import ControlPlane, subscribed_envoy
from free_ports import free_port
from mcp_messages import Era, call
from polling import until


@pytest.fixture(scope="module")
def url(installation, tmp_path_factory):
    """Starts the fixtures, and a control plane and an Envoy before them."""
    folder = tmp_path_factory.mktemp("gateway")
    server = FixtureServer(installation, folder)
    port = free_port()
    document = {
        "listeners": [{"name": "mcp", "address": f"127.0.0.1:{port}", "servers": ["*"]}],
        "servers": {"fixtures": {"url": server.url}},
    }
    control_plane = ControlPlane(installation, folder, document)
    envoy = subscribed_envoy(installation, folder, control_plane)
    try:
        greeting = call(Era.MODERN, "greet", {"name": "Envoy"})
        until("a tool can be called", lambda: b"Hello, Envoy!" in greeting.post_once(port).body)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        for part in (envoy, control_plane, server):
            part.stop()


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_it_passes_through_envoy_what_it_passes_alone(installation, url, tmp_path, suite):
    run(installation, url, tmp_path, suite)
