"""One Envoy with a listener for each variant, so that all of them are measured in one process."""

from calls import SCHEMA, TOOL
from envoy import address
from installation import Installation
from static_gateway import cluster, connection_manager, example_filter_config, listener, with_tools

ROUTER, NATIVE, OURS = VARIANTS = ("plain router", "native mcp filter", "portcullis")
UPSTREAM = "upstream"


def config(installation: Installation, ports: dict[str, int], admin_port: int, upstream_port: int) -> dict:
    """The Envoy configuration; `ports` by variant. Beyond filters and routes the listeners are the same."""
    make = {ROUTER: plain, NATIVE: native, OURS: ours}
    listeners = []
    for variant, port in ports.items():
        one = listener(installation, variant.replace(" ", "-"), port, policy())
        make[variant](connection_manager({"static_resources": {"listeners": [one]}}))
        listeners.append(one)
    return {
        "admin": {"address": address(admin_port)},
        "static_resources": {"listeners": listeners, "clusters": [cluster(UPSTREAM, upstream_port)]},
    }


def plain(manager: dict) -> None:
    """Envoy's router and nothing else."""
    manager["http_filters"] = manager["http_filters"][-1:]
    routes(manager, [{"match": {"prefix": "/"}, "route": {"cluster": UPSTREAM, "timeout": "0s"}}])


def native(manager: dict) -> None:
    """Envoy's own filter reads the message; the route matches the tool's name in its metadata."""
    proto = "type.googleapis.com/envoy.extensions.filters.http.mcp.v3.Mcp"
    reader = {"@type": proto, "traffic_mode": "REJECT_NO_MCP", "clear_route_cache": True}
    manager["http_filters"] = [{"name": "envoy.filters.http.mcp", "typed_config": reader}, manager["http_filters"][-1]]
    name = {
        "filter": "envoy.filters.http.mcp",
        "path": [{"key": "params"}, {"key": "name"}],
        "value": {"string_match": {"exact": TOOL}},
    }
    routes(
        manager,
        [
            {
                "match": {"prefix": "/", "dynamic_metadata": [name]},
                "route": {"cluster": UPSTREAM, "timeout": "0s"},
            },
            {"match": {"prefix": "/"}, "direct_response": {"status": 500}},
        ],
    )


def ours(_: dict) -> None:
    """The example as it is: reads the message, validates the arguments, takes from a bucket, routes."""


def routes(manager: dict, table: list[dict]) -> None:
    manager["route_config"]["virtual_hosts"][0]["routes"] = table


def policy() -> dict:
    """Route, limit and validation on; the limit is so high that it is counted but never hit."""
    made = example_filter_config()
    made["servers"] = {"bench": {"cluster": UPSTREAM, "path": "/mcp", "tool_prefix": "", "tools": {}}}
    made["endpoints"] = [{"path": "/mcp", "servers": ["bench"], "forward": "bench"}]
    made["schemas"] = {}
    with_tools(made, "bench", {TOOL: SCHEMA})
    limit = {"id": "each", "per": ["tool"], "requests": 1_000_000, "window_ms": 1000, "burst": 1_000_000}
    made["rules"] = [{"name": "counted", "match": {"server": "bench", "tool": TOOL}, "limits": [limit]}]
    return made
