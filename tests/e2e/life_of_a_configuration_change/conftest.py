"""Control plane, Envoy and two servers with catalogues: one set for each test that breaks it, one
for all others.
"""

import socket

import pytest

import managed_gateway
from control_plane import subscribed_envoy
from free_ports import free_port
from pair_of_envoys import Pair
from polling import until


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


@pytest.fixture
def occupied_port():
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", free_port())) as occupier:
        yield occupier.getsockname()[1]


@pytest.fixture
def pair(managed, directory):
    second = subscribed_envoy(managed.installation, directory, managed.control_plane, "second")
    made = Pair(managed, {"envoy": managed.envoy, "second": second})
    until(
        "the second has what the first has",
        lambda: len(set(str(values) for values in made.configurations().values())) == 1,
    )
    document = managed.control_plane.document()
    document["rollout"] = {"waves": [1], "soak": "24h", "ack_deadline": "50s"}
    # How changes reach Envoys is no part of what reaches them.
    assert managed.change(document).json["outcome"] == "accepted"
    yield made
    second.stop()
