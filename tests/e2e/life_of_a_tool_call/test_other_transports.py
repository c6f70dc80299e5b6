"""Clients on event streams are told why a call is refused, and clients that start the server
themselves are served, as docs/clients.md shows.
"""

import pytest
from client_life import BAD, GOOD, REFUSALS, ClientLife, Step, is_good
from policy_of_queries import PolicyOfQueries

from installation import REPOSITORY
from outcomes import form_of, text_of
from sdk_client import Sdk, SdkClient

STREAMING = [Sdk("python", "legacy"), Sdk("sdk", "legacy")]
"""The official SDKs that still know event streams."""
STARTING = [Sdk("python", "modern"), Sdk("python", "legacy"), Sdk("sdk", "legacy")]
"""The official SDKs, each in the eras that it speaks on standard streams."""
STEPS = [step for step in Step if step not in (Step.GOOD_CALL, Step.SILENCE, Step.RESTARTED)]
"""The refusals: a stream that has ended, or that nobody writes to, says nothing."""
PAGE = REPOSITORY / "docs/clients.md"
HEAD = f"| client on an event stream | revision | {' | '.join(step.value for step in STEPS)} |"


@pytest.fixture(scope="module")
def lives(installation, stack):
    """Runs one client's life after another, each on an event stream through the gateway."""
    policy = PolicyOfQueries(stack)
    lives: list[ClientLife] = []
    try:
        for sdk in STREAMING:
            client = SdkClient(sdk, stack.event_stream_url, installation.home)
            life = ClientLife(client)
            lives.append(life)
            life.tools = client.tools()
            for step in [Step.GOOD_CALL, *STEPS]:
                life.take(step, policy)
        yield lives
    finally:
        for life in lives:
            life.client.close()


@pytest.mark.parametrize("place", range(len(STREAMING)), ids=lambda place: STREAMING[place].label)
@pytest.mark.parametrize("step", [Step.GOOD_CALL, *STEPS], ids=lambda step: step.value)
def test_it_shows_a_client_on_an_event_stream_its_answers_and_refusals(lives, place, step):
    life = lives[place]
    assert {"execute_query", "list_tables"} <= {tool["name"] for tool in life.tools}
    if step is Step.GOOD_CALL:
        assert is_good(life.seen[step]), life.seen[step]
    else:
        assert REFUSALS[step] in text_of(life.seen[step]), life.seen[step]
    assert is_good(life.afterwards[step]), life.afterwards[step]


@pytest.mark.parametrize("sdk", STREAMING, ids=lambda sdk: sdk.label)
def test_it_serves_event_streams_below_mcp_too(installation, stack, sdk):
    url = stack.event_stream_url.replace("/sse", "/mcp/sse")
    with SdkClient(sdk, url, installation.home) as client:
        assert is_good(client.call("execute_query", GOOD))
        refused = client.call("execute_query", BAD)
        assert refused["result"]["isError"] and "colour" in text_of(refused)


def row(life: ClientLife) -> str:
    """Returns a client's row of the table in docs/clients.md."""
    forms = [form_of(life.seen[step], REFUSALS[step]) for step in STEPS]
    package = life.client.package.removeprefix("@modelcontextprotocol/")
    return f"| {' | '.join([package, life.client.protocol, *forms])} |"


def test_it_is_documented_as_it_was_seen(lives):
    _, found, table = PAGE.read_text().partition(HEAD)
    assert found, HEAD
    rows = table.split("\n\n")[0].splitlines()[2:]
    assert rows == [row(life) for life in lives]


@pytest.mark.parametrize("sdk", STARTING, ids=lambda sdk: sdk.label)
def test_it_serves_a_client_that_starts_it(installation, stack, monkeypatch, sdk):
    for name, value in stack.environment_of("mcp-server").items():
        monkeypatch.setenv(name, value)
    program = str(installation.binary("mcp-server"))
    with SdkClient(sdk, program, installation.home) as client:
        assert client.protocol == ("2026-07-28" if sdk.era == "modern" else "2025-11-25")
        assert "execute_query" in {tool["name"] for tool in client.tools()}
        assert is_good(client.call("execute_query", GOOD))
        refused = client.call("execute_query", BAD)
        assert refused["result"]["isError"] and "colour" in text_of(refused)
        assert is_good(client.call("execute_query", GOOD))
        process = client.process
    assert process.returncode == 0
