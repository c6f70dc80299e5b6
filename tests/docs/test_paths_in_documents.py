"""A document that names a file names one that exists."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from listed_files import REPOSITORY, listed_files

FILES = listed_files()
DOCUMENTS = sorted(Path(path) for path in FILES if path.endswith(".md"))
TOP = {Path(path).parts[0] for path in FILES}

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\s]+)`")
# Not `.proto`: those that documents name are mostly Envoy's.
SOURCE = re.compile(r"[\w./*-]+\.(?:java|mjs|py|rs|sql|toml|ts|wit)(?=:\d|$)")


def outside_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def paths_named(text: str) -> set[str]:
    """Relative link targets as they stand, and code spans that begin with a name at the top of the
    tree, after a `/`.
    """
    text = outside_blocks(text)
    links = {
        link.split("#")[0]
        for link in LINK.findall(text)
        if "://" not in link and not link.startswith("mailto:")
    }
    spans = {
        span.rstrip("/") for span in CODE.findall(text) if "/" in span and span.split("/")[0] in TOP
    }
    return {f"./{link}" for link in links if link} | {
        span for span in spans if not re.search(r"[<>{}$…|=()]", span)
    }


def sources_named(text: str) -> set[str]:
    """Code spans that end as a file of source does, wherever in the tree they begin."""
    spans = map(SOURCE.match, CODE.findall(outside_blocks(text)))
    return {span[0] for span in spans if span}


def missing_sources(text: str, files: list[str]) -> list[str]:
    """The files of source that a document names and no path of these ends with."""
    return sorted(
        name
        for name in sources_named(text)
        if not any(fnmatchcase(f"/{path}", f"*/{name}") for path in files)
    )


def missing(document: Path) -> list[str]:
    text = (REPOSITORY / document).read_text()
    return sorted(
        name
        for name in paths_named(text)
        if not (
            (REPOSITORY / document).parent / name if name.startswith("./") else REPOSITORY / name
        ).exists()
        and not ("*" in name and any(REPOSITORY.glob(name)))
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_it_finds_every_path_that_a_document_names(document: Path) -> None:
    assert missing(document) == []
    assert missing_sources((REPOSITORY / document).read_text(), FILES) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see `setup/setup.py` and `not/ours.py`", {"setup/setup.py"}),
        ("[a page](architecture.md#map), [the web](https://example.org/x)", {"./architecture.md"}),
        ("```\nsetup/nothing\n```\n`GET /api/v1`", set()),
        ("`setup/<name>.py`", set()),
    ],
)
def test_it_tells_paths_from_other_code(text: str, expected: set[str]) -> None:
    assert paths_named(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`gateway/change.rs`, `change.rs:12` and `server/*/change.rs`", []),
        ("`gateway/gone.rs` and `way/change.rs`", ["gateway/gone.rs", "way/change.rs"]),
        ("`server/*/gone.rs`", ["server/*/gone.rs"]),
        ("`stages[].source.sql`, `gone.rs.example` and `gone.json`", []),
        ("```\n`gone.rs`\n```\n", []),
    ],
)
def test_it_finds_sources_by_the_ends_of_paths(text: str, expected: list[str]) -> None:
    assert missing_sources(text, ["control-plane/server/src/gateway/change.rs"]) == expected
