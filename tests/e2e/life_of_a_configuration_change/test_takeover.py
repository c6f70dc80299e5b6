"""Another control plane takes over, at another address, and Envoy moves to it."""

import yaml

import managed_gateway
from control_plane import BOOTSTRAP, ControlPlane
from envoy import address
from free_ports import free_port
from managed_gateway import CALLS
from polling import until
from traffic import Traffic

TRANSFERS = "update_success|config_reload"
"""The counters that rise with each response of a discovery service that Envoy has taken."""


def test_it_moves_to_the_control_plane_that_takes_over_and_takes_nothing_that_it_has(
    installation, directory
):
    bootstrap = yaml.safe_load(BOOTSTRAP.read_text())
    (cluster,) = bootstrap["static_resources"]["clusters"]
    second_port = free_port()
    second = {"lb_endpoints": [{"endpoint": {"address": address(second_port)}}]}
    cluster["load_assignment"]["endpoints"].append(second)
    bootstrap_file = directory / "bootstrap.yaml"
    bootstrap_file.write_text(yaml.safe_dump(bootstrap))
    # The second port is closed, as it is while a control plane stands by.
    managed = managed_gateway.start(installation, directory, bootstrap_file)
    try:
        managed.limit("get_weather", 1_000_000)
        before = managed.control_plane.document()
        taken = managed.envoy.stats(TRANSFERS)
        assert len(taken) > 3, taken
        with Traffic(managed.port, CALLS) as traffic:
            traffic.flows()
            managed.control_plane.crash()
            managed.control_plane = ControlPlane(installation, directory, {}, second_port)
            until(
                "Envoy has moved",
                lambda: any(node["connected"] for node in managed.control_plane.nodes()),
            )
            assert managed.control_plane.document() == before
            traffic.flows()
        traffic.check_only({name: {200} for name in CALLS})
        assert managed.control_plane.set_limit("get_weather", 1).status == 200
        until("a new change is in force", lambda: managed.status("get_weather") == 429)
        now = managed.envoy.stats(TRANSFERS)
        risen = {name for name, count in now.items() if count != taken[name]}
        assert risen and all("extension_config" in name for name in risen), risen
    finally:
        managed.stop()
