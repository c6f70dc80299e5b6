"""Every client that people use lives through refusals and a restart, as docs/clients.md shows."""

import json

import pytest
from client_life import GOOD, REFUSALS, ClientLife, Step, is_good
from policy_of_queries import PolicyOfQueries

from installation import REPOSITORY
from outcomes import form_of, text_of
from polling import until
from sdk_client import CLIENTS, SdkClient
from stack import Stack

REVISIONS = {
    "mcp-1.9": "2025-03-26",
    "mcp-1.20": "2025-06-18",
    "sdk-1.12": "2025-03-26",
    "sdk-1.20": "2025-06-18",
}
"""The revision of each client that is older than the newest session-based one."""
OWN_WORDS = {("inspector", Step.UNKNOWN_TOOL): "not found on server"}
"""Refusals that a client makes itself, and words of its own sentence."""
MISREAD = ("Traceback", "SyntaxError", "Unexpected end of JSON", "Error parsing")
"""Words that clients print about an event or a message that they cannot read."""
PAGE = REPOSITORY / "docs/clients.md"


@pytest.fixture(scope="module")
def lives(installation, stack):
    """Runs one client's life after another; the data server restarts once, under all of them."""
    policy = PolicyOfQueries(stack)
    lives: dict[str, ClientLife] = {}
    try:
        for sdk in CLIENTS:
            life = ClientLife(SdkClient(sdk, stack.url, installation.home))
            lives[sdk.label] = life
            life.tools = life.client.tools()
            for step in Step:
                if step is not Step.RESTARTED:
                    life.take(step, policy)
        restart(stack, installation)
        for life in lives.values():
            life.take(Step.RESTARTED, policy)
        yield lives
    finally:
        for life in lives.values():
            life.client.close()


def restart(stack: Stack, installation) -> None:
    """Kills the data server, and waits until its successor serves a client that connects then."""
    stack.kill("mcp-server")
    with SdkClient(CLIENTS[0], stack.url, installation.home) as fresh:
        until("the data server answers", lambda: is_good(fresh.call("execute_query", GOOD)))


@pytest.fixture(params=CLIENTS, ids=lambda sdk: sdk.label)
def life(request, lives):
    """Returns one client's life."""
    return lives[request.param.label]


def test_it_negotiates_the_newest_revision_that_it_knows(life):
    sdk = life.client.sdk
    newest = "2026-07-28" if sdk.era == "modern" else "2025-11-25"
    assert life.client.protocol == REVISIONS.get(sdk.name, newest)


def test_it_lists_the_tools(life):
    tools = {tool["name"]: tool for tool in life.tools}
    assert {"execute_query", "list_tables"} <= set(tools)
    knows_structured_content = life.client.protocol >= "2025-06-18"
    assert ("outputSchema" in tools["execute_query"]) == knows_structured_content


@pytest.mark.parametrize("step", [Step.GOOD_CALL, Step.RESTARTED], ids=lambda step: step.value)
def test_it_is_answered(life, step):
    assert is_good(life.seen[step]), life.seen[step]


@pytest.mark.parametrize("step", REFUSALS, ids=lambda step: step.value)
def test_it_shows_why_a_call_was_refused(life, step):
    words = OWN_WORDS.get((life.client.sdk.name, step), REFUSALS[step])
    assert words in text_of(life.seen[step]), life.seen[step]


@pytest.mark.parametrize("step", Step, ids=lambda step: step.value)
def test_it_goes_on_with_the_next_good_call(life, step):
    assert is_good(life.afterwards[step]), life.afterwards[step]


def test_it_can_read_whatever_it_is_sent(life):
    complaints = "".join(life.client.complaints)
    assert not [sign for sign in MISREAD if sign in complaints], complaints


def row(life: ClientLife) -> str:
    """Returns a client's row of the table in docs/clients.md."""
    name = life.client.sdk.name
    forms = [
        "own words" if (name, step) in OWN_WORDS else form_of(life.seen[step], sentence)
        for step, sentence in REFUSALS.items()
    ]
    package = life.client.package.removeprefix("@modelcontextprotocol/")
    return f"| {' | '.join([package, life.client.protocol, *forms])} |"


PACKAGES = ("mcp", "fastmcp", "langchain-mcp-adapters")
"""The packages on PyPI that are clients; the others of an environment are what they stand on."""


def brought() -> set[str]:
    """Returns every client that set-up brings, by name and version."""
    found = set()
    for file in (REPOSITORY / "setup/requirements").glob("clients*.txt"):
        pins = (line.split(" ")[0].split("==") for line in file.read_text().splitlines())
        found |= {" ".join(pin) for pin in pins if pin[0] in PACKAGES}
    wanted = json.loads((REPOSITORY / "setup/clients-node/package.json").read_text())
    for name, version in wanted["dependencies"].items():
        # A package in several versions stands there under aliases, its own name in the version.
        own_name, _, version = version.rpartition("@")
        found.add(f"{own_name.removeprefix('npm:') or name} {version}")
    return found


def test_it_takes_every_client_that_set_up_brings(lives):
    taken = {life.client.package for life in lives.values()}
    assert brought() == taken


def test_it_is_documented_as_it_was_seen(lives):
    _, _, page = PAGE.read_text().partition("| client | ")
    first_table = f"| client | {page}".split("\n\n")[0].splitlines()
    head, *documented = [line for line in first_table if line.startswith("| ")]
    assert head == f"| {' | '.join(['client', 'revision', *(step.value for step in REFUSALS)])} |"
    assert documented == [row(life) for life in lives.values()]
