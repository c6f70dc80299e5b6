"""A real control plane, and the Envoy that it configures."""

import json
from pathlib import Path

import yaml

from envoy import Envoy, address
from free_ports import free_port
from installation import REPOSITORY, Installation
from polling import until
from processes import Process
from raw_http import Connection, Reply

BOOTSTRAP = REPOSITORY / "envoy/bootstrap.yaml"


class ControlPlane:
    """`control-plane` on free ports with its own store; answers `/healthz` once constructed."""

    def __init__(
        self,
        installation: Installation,
        directory: Path,
        document: dict,
        xds_port: int | None = None,
        relist_seconds: int = 1,
        store: str | None = None,
        preflight: bool = False,
        fetched: bool = False,
        more_environment: dict[str, str] | None = None,
    ) -> None:
        """`preflight`: whether changes are shown to an Envoy that serves nobody first. `fetched`:
        whether Envoys fetch modules, instead of reading their files.
        """
        self.rest_port = free_port()
        self.xds_port = xds_port or free_port()
        first = directory / "gateway.json"
        first.write_text(json.dumps(document))
        environment = {
            "CONTROL_PLANE_XDS_ADDRESS": f"127.0.0.1:{self.xds_port}",
            "CONTROL_PLANE_REST_ADDRESS": f"127.0.0.1:{self.rest_port}",
            "CONTROL_PLANE_STORE": store or str(directory / "control-plane.db"),
            "CONTROL_PLANE_MODULE": str(installation.module),
            "CONTROL_PLANE_MODULE_DIR": str(directory / "modules"),
            "CONTROL_PLANE_DOCUMENT": str(first),
            "CONTROL_PLANE_RELIST_SECONDS": str(relist_seconds),
            "CONTROL_PLANE_PROBE_SECONDS": "1",
            "PORTCULLIS_HOME": str(installation.home),
            "PORTCULLIS_DATA": str(directory),
            **(more_environment or {}),
        }
        if fetched:
            environment["CONTROL_PLANE_MODULE_URL"] = f"http://127.0.0.1:{self.rest_port}"
        if preflight:
            environment["CONTROL_PLANE_ENVOY"] = str(installation.program("envoy"))
        command = [installation.binary("control-plane")]
        self.process = Process("control-plane", command, directory, environment)
        self.wait_until_healthy()

    def wait_until_healthy(self) -> None:
        until("the control plane is healthy", self._is_healthy)

    def _is_healthy(self) -> bool:
        self.process.check_alive()
        return self.get("/healthz").status == 200

    def request(self, method: str, path: str, body: object = None) -> Reply:
        """A REST call; a body is sent as JSON."""
        encoded = None if body is None else json.dumps(body).encode()
        headers = [] if body is None else [("content-type", "application/json")]
        with Connection(self.rest_port) as connection:
            return connection.request(method, path, headers, encoded)

    def get(self, path: str) -> Reply:
        return self.request("GET", path)

    def document(self) -> dict:
        """The document in force, as the API shows it."""
        reply = self.get("/api/v1/config")
        assert reply.status == 200, reply.body
        return reply.json["document"]

    def nodes(self) -> list[dict]:
        return self.get("/api/v1/nodes").json["nodes"]

    def reporting(self) -> int:
        """How many Envoys report their numbers. What one has counted before it does is in none."""
        return self.get("/api/v1/traffic").json["reporting"]

    def set_limit(self, tool: str, requests: int) -> Reply:
        """Limits a tool by its policy to so many calls an hour: none comes back in a test."""
        limits = [{"per": ["tool"], "requests": requests, "window": "1h"}]
        return self.request("PUT", f"/api/v1/tools/{tool}/policy", {"limits": limits})

    def crash(self) -> None:
        self.process.kill()

    def start_again(self) -> None:
        self.process.start()
        self.wait_until_healthy()

    def stop(self) -> None:
        self.process.stop()


def rejections(node: dict) -> list[str]:
    """The texts with which an Envoy rejected what it was sent."""
    states = [resource["state"] for resource in node["resources"]]
    return [
        state["rejected"]["message"]
        for state in states
        if isinstance(state, dict) and "rejected" in state
    ]


def subscribed_envoy(
    installation: Installation,
    directory: Path,
    control_plane: ControlPlane,
    name: str = "envoy",
    concurrency: int = 1,
    bootstrap_file: Path = BOOTSTRAP,
) -> Envoy:
    """An Envoy that takes its configuration from the control plane."""
    bootstrap = yaml.safe_load(bootstrap_file.read_text())
    admin_port = free_port()
    bootstrap["node"]["id"] = name
    # A test waits for what an Envoy reports.
    bootstrap["stats_flush_interval"] = "0.5s"
    bootstrap["admin"]["address"] = address(admin_port)
    (cluster,) = bootstrap["static_resources"]["clusters"]
    (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    endpoint["endpoint"]["address"] = address(control_plane.xds_port)
    folder = directory / name
    folder.mkdir(exist_ok=True)
    return Envoy(installation.home, bootstrap, admin_port, folder, concurrency)
