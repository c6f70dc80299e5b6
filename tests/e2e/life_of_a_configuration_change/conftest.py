"""Control plane, Envoy and two servers with catalogues: one set for each test that breaks it, one
for all others.
"""

import pytest

import managed_gateway


@pytest.fixture
def managed(installation, directory):
    """A set of one test's own."""
    made = managed_gateway.start(installation, directory)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def shared(installation, tmp_path_factory):
    """The set of all tests of a module that leave it as they found it, but for tools that are
    theirs alone.
    """
    made = managed_gateway.start(installation, tmp_path_factory.mktemp("shared"))
    yield made
    made.stop()
