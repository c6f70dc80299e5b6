"""One Envoy with the filter and nothing else of Portcullis, on free ports and with a filter
configuration of the test's choice: on the listener that the control plane renders, or on that of
the static example in `envoy/`.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import yaml

from envoy import Envoy, address
from free_ports import free_port
from installation import REPOSITORY, Installation
from rendered_listener import rendered_listener

EXAMPLE = REPOSITORY / "envoy/static-example.yaml"


def example() -> dict:
    """The example as shipped."""
    return yaml.safe_load(EXAMPLE.read_text())


def example_listener() -> dict:
    """The example's one listener."""
    (one,) = example()["static_resources"]["listeners"]
    return one


def connection_manager(listener: dict) -> dict:
    return listener["filter_chains"][0]["filters"][0]["typed_config"]


def wasm(listener: dict) -> dict:
    """The settings of our module on a listener."""
    ours, _router = connection_manager(listener)["http_filters"]
    return ours["typed_config"]["config"]


def filter_config(listener: dict) -> dict:
    return json.loads(wasm(listener)["configuration"]["value"])


def cluster(name: str, port: int) -> dict:
    endpoint = {"lb_endpoints": [{"endpoint": {"address": address(port)}}]}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [endpoint]},
    }


def schema_entry(schema: dict) -> tuple[str, dict]:
    """A schema under the hash of its text, as `schemas` wants it."""
    text = json.dumps(schema, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest(), schema


def with_tools(config: dict, server: str, tools: dict[str, dict]) -> None:
    """Gives a server of the filter configuration these tools, by name and input schema."""
    server_tools = config["servers"][server]["tools"] = {}
    for name, schema in tools.items():
        digest, schema = schema_entry(schema)
        config["schemas"][digest] = schema
        server_tools[name] = {"input_schema": digest}


def listener(
    installation: Installation, one: dict, name: str, port: int, filter_config: dict | str
) -> dict:
    """A listener under another name, with a policy and limits of its own.

    `filter_config` is a structure, or its JSON text.
    """
    one |= {"name": name, "address": address(port)}
    connection_manager(one)["stat_prefix"] = name
    settings = wasm(one)
    # Limits live in what all modules of one `vm_id` share.
    settings["vm_config"]["vm_id"] = name
    settings["vm_config"]["code"]["local"]["filename"] = str(installation.module)
    text = (
        filter_config
        if isinstance(filter_config, str)
        else json.dumps(filter_config, separators=(",", ":"))
    )
    kind = "type.googleapis.com/google.protobuf.StringValue"
    settings["configuration"] = {"@type": kind, "value": text}
    return one


class StaticGateways:
    """One Envoy with a listener for each policy, apart from each other."""

    def __init__(
        self,
        installation: Installation,
        directory: Path,
        upstreams: dict[str, int],
        filter_configs: dict[str, dict | str],
        concurrency: int = 1,
        template: Callable[[], dict] = rendered_listener,
    ) -> None:
        """`upstreams`: the port behind each cluster.

        `filter_configs`: the policy of each listener. `template` makes the listener.
        """
        self.ports = {name: free_port() for name in filter_configs}
        admin_port = free_port()
        listeners = [
            listener(installation, template(), name, self.ports[name], filter_config)
            for name, filter_config in filter_configs.items()
        ]
        clusters = [cluster(name, port) for name, port in upstreams.items()]
        config = {
            "admin": {"address": address(admin_port)},
            "static_resources": {"listeners": listeners, "clusters": clusters},
        }
        self.envoy = Envoy(installation.home, config, admin_port, directory, concurrency)

    def stop(self) -> None:
        self.envoy.stop()


class StaticGateway(StaticGateways):
    """One Envoy with one listener, named `mcp`."""

    forward = "weather"
    """The server that gets what is no tool call, as the example says."""

    def __init__(
        self,
        installation: Installation,
        directory: Path,
        upstreams: dict[str, int],
        filter_config: dict,
        concurrency: int = 1,
        template: Callable[[], dict] = rendered_listener,
    ) -> None:
        super().__init__(
            installation, directory, upstreams, {"mcp": filter_config}, concurrency, template
        )
        self.port = self.ports["mcp"]


def example_filter_config() -> dict:
    """The example's own policy, to be changed freely."""
    return filter_config(example_listener())
