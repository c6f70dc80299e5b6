"""A document that names a file names one that exists."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BUILT = {"target", "node_modules", ".git", ".pytest_cache", "__pycache__"}
DOCUMENTS = sorted(
    path.relative_to(REPOSITORY)
    for path in REPOSITORY.rglob("*.md")
    if not BUILT.intersection(path.relative_to(REPOSITORY).parts)
)
TOP = {path.name for path in REPOSITORY.iterdir()} - BUILT

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\s]+)`")


def paths_named(text: str) -> set[str]:
    """Relative link targets as they stand, and code spans that begin with a name at the top of the
    tree, after a `/`.
    """
    outside_blocks = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    links = {
        link.split("#")[0]
        for link in LINK.findall(outside_blocks)
        if "://" not in link and not link.startswith("mailto:")
    }
    spans = {
        span.rstrip("/")
        for span in CODE.findall(outside_blocks)
        if "/" in span and span.split("/")[0] in TOP
    }
    return {f"./{link}" for link in links if link} | {
        span for span in spans if not re.search(r"[<>{}$…|=()]", span)
    }


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
