"""Fixtures: the builds of the engine for embedders."""

import pytest

from embedded import Build, hosts
from installation import Installation


@pytest.fixture(params=["component", "browser"])
def build(request: pytest.FixtureRequest, installation: Installation) -> Build:
    """A build of the engine: each test runs on all of them."""
    return Build(hosts(installation)[request.param])
