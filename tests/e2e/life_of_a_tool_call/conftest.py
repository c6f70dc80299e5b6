"""One running stack for all tests of this folder, and one connected client for each SDK."""

import pytest

from sdk_client import SDKS, SdkClient
from stack import Stack


@pytest.fixture(scope="session")
def stack(installation, tmp_path_factory):
    """Brings everything up: PostgreSQL, Spark, control plane, data server, Envoy."""
    running = Stack(installation, tmp_path_factory.mktemp("stack"))
    yield running
    running.stop()


@pytest.fixture(scope="session", params=SDKS, ids=lambda sdk: sdk.label)
def client(request, installation, stack):
    """Connects a client on an official SDK to the gateway."""
    with SdkClient(request.param, stack.url, installation.home) as connected:
        yield connected


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("run_last") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Shows the logs of the programs in the stack when a test fails."""
    report = yield
    running = getattr(item, "funcargs", {}).get("stack")
    if report.failed and running:
        report.sections.append(("logs of the stack", running.logs()))
    return report
