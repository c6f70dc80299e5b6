"""No reader of MCP's SDKs (pydantic's `AnyUrl` and `urllib` in Python, `URL` in Node) takes a URI
that the engine takes for another such URI: it would be a resource that a rule about that closes.

docs/decisions/0063-an-item-has-rules-as-a-tool-has.md.
"""

import json
import random
import re
import subprocess
from typing import Annotated
from urllib.parse import unquote, urlsplit

import pytest
from pydantic import AnyUrl, TypeAdapter, UrlConstraints, ValidationError

from embedded import Build
from installation import Installation

CONFIGURATION = json.dumps(
    {
        "version": 3,
        "listener": "mcp",
        "allowed_hosts": ["*"],
        "allowed_origins": [],
        "max_body_bytes": 1024,
        "max_depth": 8,
        "endpoints": [{"path": "/mcp", "servers": ["data"], "forward": "data"}],
        "servers": {"data": {"cluster": "alpha", "path": "/mcp", "tools": {}}},
        "defaults": {"access": "allow", "validate": "enforce"},
        "rules": [{"name": "all", "match": {"uri": "*"}, "allow": ["*"]}],
    }
)
BEGINNINGS = (
    *("file:///", "file:///a", "https://", "https://h/", "http://h", "http://127.0.0.1", "ftp://h"),
    *("wss://", "ws://a.", "x:", "x:/", "x://", "x://h/", "notes://a", "db://[::1]", "urn:a:b"),
)
PIECES = (
    *"ab1.:@/?[]!$&'()*+,;=-_~0%#\\",
    *("%20", "%23", "%25", "%27", "%2F", "%3A", "%3F", "%40", "%5C", "%7C", "%C3%A9", "%E2%80%8B"),
    *("..", "//", "::", ":0", ":80", ":443", ":8080", "[::1]", "[0:0::1]", "[::ffff:1.2.3.4]"),
    *("1.2", "0x1", "127.0.0.1", "xn--", "xn--bcher-kva", "localhost", "A", "C:", "C|", "user@"),
)
COUNT = 30_000
READER = TypeAdapter(Annotated[AnyUrl, UrlConstraints(host_required=False)])
NODE = """
const read = uri => { try { return new URL(uri).href } catch { return null } }
const uris = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(uris.map(read)));
"""


def made_up() -> list[str]:
    """URIs of pieces that readers treat specially, the same in every run."""
    dice = random.Random(63)
    uris = set()
    while len(uris) < COUNT:
        pieces = dice.choices(PIECES, k=dice.randint(0, 6))
        uris.add(dice.choice(BEGINNINGS) + "".join(pieces))
    return sorted(uris)


def taken_of(build: Build, uris: list[str]) -> list[str]:
    """Those that the engine takes as the one spelling."""
    calls = [{"endpoint": "/mcp", "method": "resources/read", "uri": uri} for uri in uris]
    found = zip(uris, build.decide(CONFIGURATION, calls), strict=True)
    return [uri for uri, decision in found if decision["decision"] == "allow"]


@pytest.fixture(scope="module")
def taken(build: Build) -> list[str]:
    """Those of the URIs that are made up which the engine takes."""
    taken = taken_of(build, made_up())
    assert COUNT / 10 < len(taken) < COUNT
    return taken


def mistaken(build: Build, uris: list[str], texts: list[str | None]) -> list[str]:
    """The URIs that are read as another one that the engine takes."""
    others = {text: uri for uri, text in zip(uris, texts, strict=True) if text not in (None, uri)}
    taken = taken_of(build, list(others))
    return [f"{others[text]} is read as {text}" for text in taken][:10]


def by_pydantic(uri: str) -> str | None:
    try:
        return str(READER.validate_python(uri))
    except ValidationError:
        return None


def by_urllib(uri: str) -> str | None:
    try:
        return urlsplit(uri).geturl()
    except ValueError:
        return None


@pytest.mark.parametrize("reader", [by_pydantic, by_urllib])
def test_it_lets_pythons_readers_take_no_uri_for_another(build: Build, taken: list[str], reader):
    assert mistaken(build, taken, [reader(uri) for uri in taken]) == []


def test_it_lets_nodes_reader_take_no_uri_for_another(
    build: Build, taken: list[str], installation: Installation
):
    node = [str(installation.program("node")), "-e", NODE]
    answer = subprocess.run(node, input=json.dumps(taken), stdout=subprocess.PIPE, text=True)
    assert answer.returncode == 0
    assert mistaken(build, taken, json.loads(answer.stdout)) == []


def test_it_takes_a_path_that_has_the_same_segments_decoded(taken: list[str]):
    def segments(path: str) -> list[str]:
        return re.split(r"[/\\]", path)

    for uri in taken:
        path = re.sub(r"^[^:]*:(//[^/?]*)?", "", uri).split("?")[0]
        decoded = segments(unquote(path))
        assert len(decoded) == len(segments(path)) and not {".", ".."} & set(decoded), uri
