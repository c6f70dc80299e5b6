"""Fixtures: where the binaries are, a gateway to send to, and that nothing outlives the run."""

import os
from pathlib import Path

import pytest

from gateway_parameters import WIRES
from gateway_under_test import GatewayUnderTest, tools_and_rules
from installation import Installation
from processes import Process
from raw_http import HttpConnection
from recording_upstream import RecordingUpstream
from rendered_gateway import with_tools_and_rules
from static_gateway import StaticGateway, example_listener


@pytest.fixture(scope="session")
def installation() -> Installation:
    """What `make setup` and the build have put where."""
    return Installation.from_environment(os.environ)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A folder for configuration and logs of this test."""
    return tmp_path


@pytest.fixture(scope="session", params=["static", "rendered"])
def shared_gateway(
    request: pytest.FixtureRequest,
    installation: Installation,
    tmp_path_factory: pytest.TempPathFactory,
):
    """A gateway with tools, rules and two recording upstreams that most tests share: on the
    listener of the static example, and on the one that the control plane renders.
    """
    upstreams = {name: RecordingUpstream(name) for name in ("weather", "math")}
    folder = tmp_path_factory.mktemp(f"{request.param}-gateway")
    if request.param == "static":
        ports = {name: upstream.port for name, upstream in upstreams.items()}
        gateway = StaticGateway(
            installation, folder, ports, tools_and_rules(), template=example_listener
        )
    else:
        gateway = with_tools_and_rules(installation, folder, upstreams)
    yield GatewayUnderTest(gateway, upstreams)
    gateway.stop()
    for upstream in upstreams.values():
        upstream.stop()


@pytest.fixture(params=WIRES, ids=lambda wire: wire.label)
def wire(request: pytest.FixtureRequest) -> type[HttpConnection]:
    """The version of HTTP that a gateway is spoken to by: each test runs over both."""
    return request.param


@pytest.fixture
def gateway(shared_gateway: GatewayUnderTest, wire: type[HttpConnection]) -> GatewayUnderTest:
    """The shared gateway, its upstreams' records empty and their answers the usual ones."""
    shared_gateway.forget()
    return shared_gateway.over(wire)


@pytest.fixture(scope="session", autouse=True)
def nothing_outlives_the_run():
    yield
    for process in list(Process.running):
        process.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """A failing test shows the end of every running process's log."""
    report = yield
    if report.failed:
        for process in Process.running:
            report.sections.append((f"log of {process.name}", process.log_end()))
    return report
