"""The tools and rules of the shared gateway on the listener that the control plane renders."""

from pathlib import Path

from control_plane import ControlPlane, subscribed_envoy
from free_ports import free_port
from gateway_under_test import TOOLS, rules
from installation import Installation
from managed_gateway import listed
from mcp_messages import Era, call, has_passed
from polling import until
from recording_upstream import RecordingUpstream, answers_with


class RenderedGateway:
    """An Envoy that a control plane has configured.

    The control plane is gone once this is constructed: it would list the upstreams' tools again and
    again, and tests count what reaches them.
    """

    forward = "math"
    """The server that gets what is no tool call: of several, the first by name."""

    def __init__(
        self, installation: Installation, directory: Path, upstreams: dict[str, RecordingUpstream]
    ) -> None:
        self.port = free_port()
        for name, upstream in upstreams.items():
            upstream.responder = answers_with(listed(TOOLS[name]))
        document = {
            "listeners": [{"name": "mcp", "address": f"127.0.0.1:{self.port}", "servers": ["*"]}],
            "servers": {
                name: {"url": f"http://127.0.0.1:{one.port}/mcp"} for name, one in upstreams.items()
            },
            "roles": {"analyst": {"claims": {"groups": ["analysts"]}}},
            "tools": [as_written(rule) for rule in rules()],
        }
        control_plane = ControlPlane(installation, directory, document)
        try:
            self.envoy = subscribed_envoy(installation, directory, control_plane)
            add = call(Era.MODERN, "add", {"a": 1, "b": 2})
            note = call(Era.MODERN, "note")
            for message in (add, note):
                until("the tools are known", lambda: has_passed(message.post_once(self.port)), 60)
        finally:
            control_plane.stop()

    def stop(self) -> None:
        self.envoy.stop()


def as_written(rule: dict) -> dict:
    """A rule of the filter's configuration as an operator writes it."""
    limits = [
        {**limit, "window": f"{limit['window_ms']}ms"} | {"window_ms": None}
        for limit in rule.get("limits", [])
    ]
    for limit in limits:
        del limit["window_ms"]
    return {**rule, "limits": limits} if limits else rule
