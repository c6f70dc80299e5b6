"""The listener, the routes and the filter as the control plane renders them, to be put into a
static Envoy.

A control plane runs just long enough to list a server's tools and to render its document; what is
measured is an Envoy that nothing else talks to.
"""

from pathlib import Path

from calls import SCARCE, SCHEMA, TOOL
from control_plane import ControlPlane
from free_ports import free_port
from installation import Installation
from polling import until
from recording_upstream import RecordingUpstream, answers_with

SERVER = "bench"


class Rendered:
    """One listener's resources, by type."""

    def __init__(self, resources: list[dict]) -> None:
        self._content = {resource["type"]: resource["content"] for resource in resources}

    @property
    def listener(self) -> dict:
        return self._content["listener"]

    @property
    def routes(self) -> dict:
        return self._content["route"]

    @property
    def extension(self) -> dict:
        """Our filter with its module and its policy."""
        return self._content["extension"]

    @property
    def cluster(self) -> dict:
        return self._content["cluster"]


def document(url: str) -> dict:
    """Route, limit and validation on; the limit of the measured tool is so high that it is counted
    but never hit.
    """
    counted = {"per": ["tool"], "requests": 1_000_000, "window": "1s"}
    scarce = {"per": ["tool"], "requests": 1, "window": "1h"}
    return {
        "listeners": [{"name": "mcp", "address": f"127.0.0.1:{free_port()}", "servers": ["*"]}],
        "servers": {SERVER: {"url": url}},
        "tools": [
            {"name": "counted", "match": {"server": SERVER, "tool": TOOL}, "limits": [counted]},
            {"name": "scarce", "match": {"server": SERVER, "tool": SCARCE}, "limits": [scarce]},
        ],
    }


def render(installation: Installation, directory: Path) -> Rendered:
    """Runs a control plane until both tools are listed."""
    server = RecordingUpstream(SERVER)
    server.responder = answers_with(
        [{"name": name, "inputSchema": SCHEMA} for name in (TOOL, SCARCE)]
    )
    folder = directory / "control-plane"
    folder.mkdir()
    control_plane = ControlPlane(
        installation, folder, document(f"http://127.0.0.1:{server.port}/mcp")
    )
    try:
        until(
            "both tools are listed",
            lambda: len(control_plane.get("/api/v1/tools").json["tools"]) == 2,
        )
        snapshot = control_plane.get("/api/v1/config/snapshot").json
        return Rendered(snapshot["resources"])
    finally:
        control_plane.stop()
        server.stop()
