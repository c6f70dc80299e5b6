"""Each test that docs/xds-conformance.md names is there."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs/xds-conformance.md"
RUST = [REPOSITORY / "control-plane/xds", REPOSITORY / "control-plane/xds/tests"]
END_TO_END = REPOSITORY / "tests/e2e/life_of_a_configuration_change"
NAMED = re.compile(r"`([\w./-]+)::((?:test_)?it_\w+)`")

ON_ENVOY = re.compile(r"`(?:test_\w+|ads/real_envoy)\.(?:py|rs)::")


def rows() -> list[str]:
    return re.findall(r"^\| (?!rule|finding|fault|---)(.+) \|$", PAGE.read_text(), re.MULTILINE)


def named_tests() -> list[tuple[str, str]]:
    return sorted(set(NAMED.findall(PAGE.read_text())))


def is_there(file: str, name: str) -> bool:
    folders, keyword = ([END_TO_END], "def") if file.startswith("test_") else (RUST, "fn")
    paths = [folder / file for folder in folders if (folder / file).exists()]
    return any(re.search(rf"\b{keyword} {name}\(", path.read_text()) for path in paths)


def test_it_finds_every_test_that_the_page_names() -> None:
    named = named_tests()
    assert len(named) > 60
    assert [f"{file}::{name}" for file, name in named if not is_there(file, name)] == []


def test_it_names_a_test_or_a_reason_in_every_row() -> None:
    assert len(rows()) > 40
    bare = [row for row in rows() if not NAMED.search(row) and "not applicable" not in row]
    assert bare == []


def test_it_names_a_test_with_a_real_envoy_in_every_row_that_says_so() -> None:
    marked = [row for row in rows() if "**E**" in row]
    assert len(marked) > 15
    assert [row for row in marked if not ON_ENVOY.search(row)] == []
