"""MCP's conformance suites against the data server's own layers with the suites' fixtures."""

import pytest
from fixtures_of_the_suites import SUITES, FixtureServer, run


@pytest.fixture(scope="module")
def url(installation, tmp_path_factory):
    """Starts the fixtures."""
    server = FixtureServer(installation, tmp_path_factory.mktemp("conformance"))
    yield server.url
    server.stop()


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_it_passes_everything(installation, url, tmp_path, suite):
    run(installation, url, tmp_path, suite)
