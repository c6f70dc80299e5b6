"""Each invariant of the architecture has a test that says so: in its file stands `Invariant 3`."""

import re
from collections import defaultdict

import pytest
from test_house_language import REPOSITORY, files

ARCHITECTURE = REPOSITORY / "docs/architecture.md"


def invariants() -> dict[int, str]:
    """The numbered sentences of the section `Invariants`."""
    section = ARCHITECTURE.read_text().split("\n## Invariants\n")[1].split("\n## ")[0]
    found = re.findall(r"^(\d+)\. (.*(?:\n   .*)*)", section, re.MULTILINE)
    return {int(number): " ".join(said.split()) for number, said in found}


def numbered_tests() -> dict[int, list[str]]:
    """The test files that name each number."""
    named = defaultdict(list)
    for path in files(".rs", ".py"):
        text = (REPOSITORY / path).read_text()
        is_test = "tests" in path.parts and "docs" not in path.parts
        for number in re.findall(r"\bInvariant (\d+)\b", text) if is_test else ():
            named[int(number)].append(str(path))
    return named


@pytest.mark.parametrize("number", invariants())
def test_it_has_a_test_for_each_invariant(number: int) -> None:
    sentence = invariants()[number]
    assert numbered_tests()[number], f"no file of a test says `Invariant {number}`: {sentence}"


def test_it_names_no_invariant_that_is_not_written_down() -> None:
    assert set(numbered_tests()) <= set(invariants())


def test_it_reads_every_number_of_the_section() -> None:
    numbers = list(invariants())
    assert numbers == sorted(numbers) and len(numbers) >= 8
