"""A gateway on the listener that the control plane renders, as Envoy gets it by xDS."""

from pathlib import Path

from control_plane import ControlPlane, subscribed_envoy
from free_ports import free_port
from gateway_under_test import TOOLS, rules
from installation import Installation
from managed_gateway import listed
from mcp_messages import Era, call
from polling import until
from recording_upstream import RecordingUpstream, answers_with


class RenderedGateway:
    """An Envoy that a control plane has configured.

    The control plane is gone once this is constructed: it would list the upstreams' tools again and
    again, and tests count what reaches them.
    """

    def __init__(
        self,
        installation: Installation,
        directory: Path,
        upstreams: dict[str, RecordingUpstream],
        catalogues: dict[str, dict[str, dict]],
        **document: object,
    ) -> None:
        """`catalogues`: what each upstream lists, by name and input schema.

        `document`: what else the gateway document says; of `servers` what it says besides the URL.
        """
        self.port = free_port()
        self.forward = min(upstreams)
        more = document.pop("servers", {})
        document["listeners"] = [
            {"name": "mcp", "address": f"127.0.0.1:{self.port}", "servers": ["*"]}
        ]
        document["servers"] = {
            name: {"url": f"http://127.0.0.1:{one.port}/mcp", **more.get(name, {})}
            for name, one in upstreams.items()
        }
        for name, upstream in upstreams.items():
            upstream.responder = answers_with(listed(catalogues[name]))
        control_plane = ControlPlane(installation, directory, document)
        try:
            self.envoy = subscribed_envoy(installation, directory, control_plane)
            for name in upstreams:
                # Whether or not its arguments fit: a tool that nobody knows has no result.
                first = call(Era.LEGACY, next(iter(catalogues[name])))
                until(
                    f"the tools of `{name}` are known",
                    lambda: "result" in first.post_once(self.port).json,
                )
        finally:
            control_plane.stop()

    def stop(self) -> None:
        self.envoy.stop()


def with_tools_and_rules(
    installation: Installation, directory: Path, upstreams: dict[str, RecordingUpstream]
) -> RenderedGateway:
    """The tools and rules that most tests share."""
    return RenderedGateway(
        installation,
        directory,
        upstreams,
        TOOLS,
        roles={"analyst": {"claims": {"groups": ["analysts"]}}},
        tools=[as_written(rule) for rule in rules()],
    )


def as_written(rule: dict) -> dict:
    """A rule of the filter's configuration as an operator writes it."""
    limits = [
        {**limit, "window": f"{limit['window_ms']}ms"} | {"window_ms": None}
        for limit in rule.get("limits", [])
    ]
    for limit in limits:
        del limit["window_ms"]
    return {**rule, "limits": limits} if limits else rule
