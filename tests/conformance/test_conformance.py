"""MCP's conformance suites against the data server's own layers with the suites' fixtures."""

import pytest
from fixtures_of_the_suites import REQUIREMENTS_2026, FixtureServer, Suite, run

SUITES = [
    Suite("0.1", "conformance-0.1", ("--suite", "all"), 43, 0),
    Suite("2025-11-25", "conformance-0.2", ("--requirements", "2025-11-25"), 80, 0),
    REQUIREMENTS_2026,
]


@pytest.fixture(scope="module")
def url(installation, tmp_path_factory):
    """Starts the fixtures."""
    server = FixtureServer(installation, tmp_path_factory.mktemp("conformance"))
    yield server.url
    server.stop()


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_it_passes_all_but_what_is_expected_to_fail(installation, url, tmp_path, suite):
    run(installation, url, tmp_path, suite)
