"""Every block of the user guide, and of the tour in the README, works as it stands."""

import json

import pytest
from reader import Reader, blocks

from sdk_client import Sdk, SdkClient

GUIDE = blocks("docs/user-guide.md")
CONFIGURATIONS = [block for block in GUIDE if block.language == "json"]
PROGRAMS = [block for block in GUIDE if block.language != "json"]
TOUR = blocks("README.md", "A tour")
SHOWN = [["revenue", "499500"], ["sql", "drop_everything"], ["try again in"]]
"""Words that each block of the tour prints, refusals among them."""
LIST_TOOLS = """
import asyncio, json, os, sys

from mcp import Client, StdioServerParameters


async def main():
    command, *args = sys.argv[1:]
    program = StdioServerParameters(command=command, args=args, env=dict(os.environ))
    async with Client(program) as client:
        print(json.dumps([tool.name for tool in (await client.list_tools()).tools]))


asyncio.run(main())
"""


@pytest.fixture(scope="module")
def reader(stack, installation, tmp_path_factory) -> Reader:
    """The one who reads both pages from top to bottom."""
    return Reader(stack, installation, tmp_path_factory.mktemp("reader"))


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: block.place)
def test_it_runs_as_it_stands(reader, block):
    done = reader.type(block)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert done.stdout.strip()


def test_it_leaves_the_files_that_the_guide_names(reader):
    assert len((reader.folder / "events.ndjson").read_text().splitlines()) == 200_000
    for name in ("answer.json", "job.json", "run.json"):
        assert json.loads((reader.folder / name).read_text()).get("error") is None


@pytest.mark.parametrize(
    ("block", "words"), list(zip(TOUR, SHOWN, strict=True)), ids=[block.place for block in TOUR]
)
def test_it_takes_the_tour(reader, block, words):
    done = reader.type(block, stops=False)
    for word in words:
        assert word in done.stdout + done.stderr, (done.stdout, done.stderr)
    assert (done.returncode == 0) == ("drop_everything" not in words), done.stderr


def test_it_connects_a_client_by_its_url(reader, installation):
    (server,) = json.loads(reader.at_its_ports(CONFIGURATIONS[0].text))["mcpServers"].values()
    with SdkClient(Sdk("sdk", "legacy"), server["url"], installation.home) as client:
        assert "execute_query" in {tool["name"] for tool in client.tools()}


@pytest.mark.parametrize("block", CONFIGURATIONS[1:], ids=lambda block: block.place)
def test_it_connects_a_client_that_starts_a_program(reader, stack, block):
    (server,) = json.loads(reader.at_its_ports(block.text))["mcpServers"].values()
    given = server.get("env", {})
    # The database and the Spark that the page leaves open are those of the stack.
    own = stack.environment_of("mcp-server")
    places = {name: own[name] for name in own if name.startswith(("POSTGRES_", "SPARK_"))}
    variables = {**given, **places, "PORTCULLIS_DATA": str(reader.folder / "own")}
    done = reader.run(
        ["python3", "-c", LIST_TOOLS, server["command"], *server["args"]], **variables
    )
    assert done.returncode == 0, done.stderr
    named = given["MCP_TOOLS"].split(",") if given else ["execute_query", "cancel_pipeline"]
    assert set(named) <= set(json.loads(done.stdout))
    assert not given or set(given) - set(own) == set()
    assert not given or len(json.loads(done.stdout)) == len(named)
