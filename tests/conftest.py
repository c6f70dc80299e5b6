"""Fixtures: where the binaries are, a gateway to send to, and that nothing outlives the run."""

import os
from pathlib import Path

import pytest

from gateway_under_test import GatewayUnderTest, tools_and_rules
from installation import Installation
from processes import Process
from recording_upstream import RecordingUpstream
from static_gateway import StaticGateway


@pytest.fixture(scope="session")
def installation() -> Installation:
    """What `make setup` and the build have put where."""
    return Installation.from_environment(os.environ)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A folder for configuration and logs of this test."""
    return tmp_path


@pytest.fixture(scope="session")
def static_gateway(installation: Installation, tmp_path_factory: pytest.TempPathFactory):
    """The static example with more tools and rules, and two recording upstreams; most tests share it."""
    upstreams = {name: RecordingUpstream(name) for name in ("weather", "math")}
    ports = {name: upstream.port for name, upstream in upstreams.items()}
    folder = tmp_path_factory.mktemp("static-gateway")
    envoy = StaticGateway(installation, folder, ports, tools_and_rules())
    yield GatewayUnderTest(envoy, upstreams)
    envoy.stop()
    for upstream in upstreams.values():
        upstream.stop()


@pytest.fixture
def gateway(static_gateway: GatewayUnderTest) -> GatewayUnderTest:
    """The shared gateway, its upstreams' records empty and their answers the usual ones."""
    static_gateway.forget()
    return static_gateway


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
