"""A control plane, an Envoy that it configures, and servers with catalogues behind them."""

from dataclasses import dataclass
from pathlib import Path

from control_plane import BOOTSTRAP, ControlPlane, subscribed_envoy
from envoy import Envoy
from free_ports import free_port
from gateway_under_test import ANYTHING, CITY, NUMBERS
from installation import Installation
from mcp_messages import Era, Message, call, has_passed
from plain_service import cluster
from polling import until
from raw_http import Connection, Reply
from recording_upstream import RecordingUpstream, answers_with

TOOLS = {
    "weather": {
        "get_weather": CITY,
        **{f"note_{name}": ANYTHING for name in ("modern", "legacy", "shown", "kept", "other")},
    },
    "math": {"add": NUMBERS},
}
CALLS = {
    "get_weather": call(Era.MODERN, "get_weather", {"city": "Oslo"}),
    "add": call(Era.LEGACY, "add", {"a": 1, "b": 2}),
}
CONFIGURATION = "portcullis_configuration"
"""The gauge that a worker sets to the hash of the configuration that it has taken."""


def listed(tools: dict[str, dict]) -> list[dict]:
    return [{"name": name, "inputSchema": schema} for name, schema in tools.items()]


@dataclass
class ManagedGateway:
    """Everything that a configuration change passes through."""

    installation: Installation
    directory: Path
    port: int
    upstreams: dict[str, RecordingUpstream]
    control_plane: ControlPlane
    envoy: Envoy

    def send(self, message: Message) -> Reply:
        return message.post_once(self.port)

    def status(self, tool: str) -> int:
        return self.send(CALLS[tool]).status

    def passes(self, tool: str) -> bool:
        return has_passed(self.send(CALLS[tool]))

    def limit(self, tool: str, requests: int) -> None:
        """Limits the calls of a tool, and returns once the worker counts them: Envoy acknowledges
        on its main thread, and its worker takes the configuration a moment later.
        """
        before = self.envoy.stats(CONFIGURATION)
        assert self.control_plane.set_limit(tool, requests).status == 200
        until("the worker has it", lambda: self.envoy.stats(CONFIGURATION) != before)

    def change(self, document: dict) -> Reply:
        return self.control_plane.request("PUT", "/api/v1/config", document)

    def stop(self) -> None:
        """Stops everything."""
        self.envoy.stop()
        self.control_plane.stop()
        for upstream in self.upstreams.values():
            upstream.stop()


def start(
    installation: Installation,
    directory: Path,
    bootstrap_file: Path = BOOTSTRAP,
    **settings: object,
) -> ManagedGateway:
    """A gateway that serves the tools of both servers; `settings` are its control plane's."""
    upstreams = {name: RecordingUpstream(name) for name in TOOLS}
    for name, upstream in upstreams.items():
        upstream.responder = answers_with(listed(TOOLS[name]))
    port = free_port()
    document = {
        "listeners": [{"name": "mcp", "address": f"127.0.0.1:{port}", "servers": ["*"]}],
        "servers": {
            name: {"url": f"http://127.0.0.1:{upstream.port}/mcp"}
            for name, upstream in upstreams.items()
        },
        # No Envoy here is silent on purpose, so that only a busy machine would be judged.
        "rollout": {"ack_deadline": "50s"},
    }
    control_plane = ControlPlane(installation, directory, document, **settings)
    envoy = subscribed_envoy(installation, directory, control_plane, bootstrap_file=bootstrap_file)
    made = ManagedGateway(installation, directory, port, upstreams, control_plane, envoy)
    for tool in CALLS:
        until(f"`{tool}` can be called", lambda: made.passes(tool))
    return made


def spread(gateway: ManagedGateway, new: RecordingUpstream, *rules: str) -> None:
    """Has a quarter of the calls of `math` go to a second version of it, by rules of these names;
    without any, the second version's cluster is no more.
    """
    document = gateway.control_plane.document()
    document["clusters"] = [cluster("math-next", [new])] if rules else []
    weights = {"math": 3, "math-next": 1}
    document["tools"] = [
        {"name": name, "match": {"server": "math"}, "route": {"weights": weights}} for name in rules
    ]
    assert gateway.change(document).json["outcome"] == "accepted"


def upload(gateway: ManagedGateway, module: bytes) -> Reply:
    """Uploads a module, as `POST /api/v1/modules` takes it."""
    return upload_to(gateway.control_plane, module)


def upload_to(control_plane: ControlPlane, module: bytes) -> Reply:
    headers = [("content-type", "application/wasm")]
    with Connection(control_plane.rest_port) as connection:
        return connection.request("POST", "/api/v1/modules", headers, module)
