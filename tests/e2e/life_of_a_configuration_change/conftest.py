"""A gateway of its own for each test, since each changes it."""

import pytest

import managed_gateway


@pytest.fixture
def managed(installation, directory):
    """Control plane, Envoy and two servers with catalogues."""
    made = managed_gateway.start(installation, directory)
    yield made
    made.stop()
