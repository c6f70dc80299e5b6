"""The static example of `envoy/`, on free ports and with a filter configuration of the test's choice."""

import copy
import hashlib
import json
from pathlib import Path

import yaml

from envoy import Envoy, address
from free_ports import free_port
from installation import REPOSITORY, Installation

EXAMPLE = REPOSITORY / "envoy/static-example.yaml"


def example() -> dict:
    """The example as shipped."""
    return yaml.safe_load(EXAMPLE.read_text())


def connection_manager(config: dict) -> dict:
    return config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]


def wasm(config: dict) -> dict:
    """The settings of our module within an Envoy configuration."""
    filters = connection_manager(config)["http_filters"]
    return next(one for one in filters if one["name"] == "portcullis.mcp")["typed_config"]["config"]


def filter_config(config: dict) -> dict:
    return json.loads(wasm(config)["configuration"]["value"])


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


class StaticGateway:
    """Envoy with the filter and nothing else of Portcullis."""

    def __init__(
        self,
        installation: Installation,
        directory: Path,
        upstreams: dict[str, int],
        filter_config: dict | str,
        concurrency: int = 1,
    ) -> None:
        """`upstreams`: the port behind each cluster. `filter_config`: a structure, or its JSON text."""
        self.port = free_port()
        config = example()
        admin_port = free_port()
        config["admin"]["address"] = address(admin_port)
        config["static_resources"]["listeners"][0]["address"] = address(self.port)
        config["static_resources"]["clusters"] = [cluster(name, port) for name, port in upstreams.items()]
        settings = wasm(config)
        settings["vm_config"]["code"]["local"]["filename"] = str(installation.module)
        text = filter_config if isinstance(filter_config, str) else json.dumps(filter_config, separators=(",", ":"))
        settings["configuration"]["value"] = text
        self.envoy = Envoy(installation.home, config, admin_port, directory, concurrency)

    def stop(self) -> None:
        self.envoy.stop()


def example_filter_config() -> dict:
    """The example's own policy, to be changed freely."""
    return copy.deepcopy(filter_config(example()))
