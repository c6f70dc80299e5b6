"""Fixtures: the builds of the engine for embedders."""

from collections.abc import Iterator

import pytest

from embedded import Build, hosts
from installation import Installation


@pytest.fixture(scope="session", params=["component", "browser"])
def build(request: pytest.FixtureRequest, installation: Installation) -> Iterator[Build]:
    """A build of the engine in its host, of which all tests ask: each runs on all builds."""
    started = Build.start(hosts(installation)[request.param])
    yield started
    started.stop()
