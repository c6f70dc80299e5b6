"""One Envoy with a listener for each variant, so that all of them are measured in one process.

Beyond filters and routes the listeners are the same: as the control plane renders them. Only the
bare router has Envoy's defaults: the difference to the plain one is the price of our options.
"""

import copy
from pathlib import Path

from calls import TOOL
from envoy import address
from rendered import SERVER, Rendered

BARE = "bare router"
ROUTER = "plain router"
NATIVE = "native mcp filter"
NOOP = "no-op module"
IO = "all I/O, no thought"
OURS = "portcullis"
VARIANTS = (BARE, ROUTER, NATIVE, NOOP, IO, OURS)

HTTP_MANAGER = "envoy.filters.network.http_connection_manager"
TO_THE_SERVER = {"cluster": SERVER, "timeout": "0s"}


def config(
    rendered: Rendered, floor: Path, ports: dict[str, int], admin_port: int, upstream_port: int
) -> dict:
    """The Envoy configuration; `ports` by variant, `floor` the folder of the modules to compare
    with.
    """
    listeners = [Variant(rendered, name, port).made(floor) for name, port in ports.items()]
    cluster = copy.deepcopy(rendered.cluster) | {"type": "STATIC"}
    cluster.pop("eds_cluster_config", None)
    endpoint = {"lb_endpoints": [{"endpoint": {"address": address(upstream_port)}}]}
    cluster["load_assignment"] = {"cluster_name": SERVER, "endpoints": [endpoint]}
    return {
        "admin": {"address": address(admin_port)},
        "static_resources": {"listeners": listeners, "clusters": [cluster]},
    }


class Variant:
    """The rendered listener with other filters and routes."""

    def __init__(self, rendered: Rendered, name: str, port: int) -> None:
        self.rendered = rendered
        self.name = name
        self.listener = copy.deepcopy(rendered.listener) | {"name": name, "address": address(port)}
        self.manager = self.listener["filter_chains"][0]["filters"][0]["typed_config"]
        self.router = self.manager["http_filters"][-1]
        self.routes = copy.deepcopy(rendered.routes)
        self.manager["stat_prefix"] = name.replace(" ", "_")

    def made(self, floor: Path) -> dict:
        make = {
            BARE: self.bare,
            ROUTER: self.plain,
            NATIVE: self.native,
            NOOP: lambda: self.module(floor / "floor-noop.wasm", ""),
            IO: lambda: self.module(floor / "floor-io.wasm", SERVER),
            OURS: self.ours,
        }
        make[self.name]()
        self.manager.pop("rds", None)
        self.manager["route_config"] = self.routes
        return self.listener

    def bare(self) -> None:
        """Envoy's router on a listener that says nothing but where it listens and routes."""
        named = ("@type", "stat_prefix")
        self.manager = {key: self.manager[key] for key in named}
        filters = [{"name": HTTP_MANAGER, "typed_config": self.manager}]
        self.listener = {
            "name": self.name,
            "address": self.listener["address"],
            "filter_chains": [{"filters": filters}],
        }
        self.filters()
        host = {"name": "all", "domains": ["*"]}
        self.routes = {"name": self.name, "virtual_hosts": [host]}
        self.all_to({"match": {"prefix": "/"}, "route": TO_THE_SERVER})

    def plain(self) -> None:
        """Envoy's router and nothing else."""
        self.filters()
        self.all_to({"match": {"prefix": "/"}, "route": TO_THE_SERVER})

    def native(self) -> None:
        """Envoy's own filter reads the message; the route matches the tool in its metadata."""
        proto = "type.googleapis.com/envoy.extensions.filters.http.mcp.v3.Mcp"
        reader = {"@type": proto, "traffic_mode": "REJECT_NO_MCP", "clear_route_cache": True}
        # No limit of its own: ours has one, and the listener has another.
        reader["max_request_body_size"] = 0
        self.filters({"name": "envoy.filters.http.mcp", "typed_config": reader})
        name = {
            "filter": "envoy.filters.http.mcp",
            "path": [{"key": "params"}, {"key": "name"}],
            "value": {"string_match": {"exact": TOOL}},
        }
        self.all_to(
            {"match": {"prefix": "/", "dynamic_metadata": [name]}, "route": TO_THE_SERVER},
            {"match": {"prefix": "/"}, "direct_response": {"status": 500}},
        )

    def module(self, file: Path, configuration: str) -> None:
        """Another module in the place of ours.

        One that is given a cluster sets the route by its header.
        """
        extension = self.wasm()
        settings = extension["typed_config"]["config"]
        settings["vm_config"]["code"]["local"]["filename"] = str(file)
        kind = "type.googleapis.com/google.protobuf.StringValue"
        settings["configuration"] = {"@type": kind, "value": configuration}
        self.filters(extension)
        if not configuration:
            self.all_to({"match": {"prefix": "/"}, "route": TO_THE_SERVER})

    def ours(self) -> None:
        """As rendered: reads the message, validates the arguments, takes from a bucket, routes."""
        self.filters(self.wasm())

    def wasm(self) -> dict:
        extension = copy.deepcopy(self.rendered.extension)
        # Modules of one `vm_id` share a VM.
        extension["typed_config"]["config"]["vm_config"]["vm_id"] = self.name
        return extension

    def filters(self, *before_the_router: dict) -> None:
        self.manager["http_filters"] = [*before_the_router, self.router]

    def all_to(self, *routes: dict) -> None:
        self.routes["virtual_hosts"][0]["routes"] = list(routes)
