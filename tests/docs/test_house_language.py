"""The house's language, as far as a machine can tell: faults per rule and folder, which only become
fewer.

`language_allowance.json` says how many faults a folder still has. A new one fails at once; whoever
mends one lowers the number, and takes the line out at zero.
"""

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from listed_files import REPOSITORY, listed_files

ALLOWANCE = Path(__file__).with_name("language_allowance.json")
# Differences between two versions stay readable side by side.
LONGEST_LINE = 100
# A doc comment of three words tells no reader what a thing is.
FEWEST_WORDS = 4
GENERATED = {"mcp-server/spark/src/protocol/spark.connect.rs"}
# Bytes for a parser, not text for a reader.
FUZZ_CORPUS = Path("tests/fuzz/corpus")

Fault = tuple[int, str]


def files(*suffixes: str) -> list[Path]:
    """The files of the tree with these suffixes, what is not committed yet included."""
    paths = [Path(line) for line in listed_files() if line not in GENERATED]
    return [
        path for path in paths if path.suffix in suffixes and not path.is_relative_to(FUZZ_CORPUS)
    ]


def doc_comments(text: str) -> Iterator[Fault]:
    """Each doc comment with the number of its first line, its lines joined."""
    comment: list[str] = []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if found := re.match(r"\s*//[/!](?!/) ?(.*)", line):
            comment.append(found.group(1))
        elif comment:
            yield number - len(comment), " ".join(comment)
            comment = []


def short_doc_comments(text: str) -> Iterator[Fault]:
    return (
        (number, said) for number, said in doc_comments(text) if len(said.split()) < FEWEST_WORDS
    )


def doc_comments_that_open_with_what(text: str) -> Iterator[Fault]:
    return ((number, said[:60]) for number, said in doc_comments(text) if said.startswith("What "))


def modules_without_a_sentence(text: str) -> Iterator[Fault]:
    first = re.match(r"(?://! ?(.*)\n)+", text)
    paragraph = re.split(r"\n//!\s*\n", first.group(0))[0].strip() if first else ""
    if not paragraph.endswith((".", ":", "?", "`")):
        yield 1, paragraph[-60:] or "no `//!` at the top"


def rust_tests_in_another_manner(text: str) -> Iterator[Fault]:
    attribute = r"#\[(?:tokio::)?test(?:\([^)]*\))?\]"
    for found in re.finditer(
        rf"{attribute}\s*(?:#\[[^\n]*\]\s*|///[^\n]*\n\s*)*(?:async )?fn (\w+)", text
    ):
        if not found.group(1).startswith("it_"):
            yield text.count("\n", 0, found.start(1)) + 1, found.group(1)


def python_tests_in_another_manner(text: str) -> Iterator[Fault]:
    for found in re.finditer(r"^(?:async )?def (test_\w+)", text, re.MULTILINE):
        if not found.group(1).startswith("test_it_"):
            yield text.count("\n", 0, found.start()) + 1, found.group(1)


def python_modules_without_a_sentence(text: str) -> Iterator[Fault]:
    if not (ast.get_docstring(ast.parse(text)) or "").split("\n\n")[0].endswith((".", ":", "?")):
        yield 1, "no sentence at the top"


def long_lines(text: str) -> Iterator[Fault]:
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LONGEST_LINE and not line.lstrip().startswith("|"):
            yield number, f"{len(line)} columns"


RULES = {
    "a doc comment has four words or more": (short_doc_comments, (".rs",)),
    "a doc comment does not open with `What`": (doc_comments_that_open_with_what, (".rs",)),
    "a module begins with a sentence": (modules_without_a_sentence, (".rs",)),
    "a Python module begins with a sentence": (python_modules_without_a_sentence, (".py",)),
    "the name of a Rust test begins with `it_`": (rust_tests_in_another_manner, (".rs",)),
    "the name of a Python test begins with `test_it_`": (python_tests_in_another_manner, (".py",)),
    "a line ends by column 100": (
        long_lines,
        (".rs", ".py", ".md", ".mjs", ".java", ".toml", ".yaml", ".sql"),
    ),
}


def folder_of(path: Path) -> str:
    """The crate, or as much of the path as names a part of the house."""
    return (
        "/".join(path.parts[:2])
        if len(path.parts) > 2
        else path.parts[0]
        if len(path.parts) == 2
        else "."
    )


def faults(rule: str) -> dict[str, list[str]]:
    """By folder, each as `file:line: what`."""
    find, suffixes = RULES[rule]
    found = defaultdict(list)
    for path in files(*suffixes):
        text = (REPOSITORY / path).read_text(errors="replace")
        found[folder_of(path)] += [f"{path}:{number}: {said}" for number, said in find(text)]
    return found


@pytest.mark.parametrize("rule", RULES)
def test_it_keeps_to_the_rule_or_becomes_better(rule: str) -> None:
    allowed = json.loads(ALLOWANCE.read_text()).get(rule, {})
    for folder, found in faults(rule).items():
        most = allowed.get(folder, 0)
        assert len(found) <= most, (
            f"{rule}; `{folder}` may have {most} faults, and has:\n" + "\n".join(found)
        )


def test_it_allows_nothing_that_is_mended_or_unknown() -> None:
    allowed = json.loads(ALLOWANCE.read_text())
    assert set(allowed) <= set(RULES)
    assert [
        (rule, folder)
        for rule in allowed
        for folder in allowed[rule]
        if not (REPOSITORY / folder).exists()
    ] == []
    assert [rule for rule in allowed if 0 in allowed[rule].values()] == []


@pytest.mark.parametrize(
    ("find", "text", "lines"),
    [
        (short_doc_comments, "/// It has.\nfn a() {}\n/// Says whether it has.\nfn b() {}\n", [1]),
        (short_doc_comments, "    /// No.\n    ///\n    /// It has more to say.\n", []),
        (
            doc_comments_that_open_with_what,
            "/// What it is.\n/// More.\n//! Whatever it is.\n",
            [1],
        ),
        (modules_without_a_sentence, "//! A sentence.\n//!\n//! - a list\n", []),
        (modules_without_a_sentence, "//! No sentence\nuse a;\n", [1]),
        (modules_without_a_sentence, "use a;\n", [1]),
        (
            rust_tests_in_another_manner,
            "#[test]\nfn it_is() {}\n\n#[tokio::test]\nasync fn does() {}\n",
            [5],
        ),
        (
            rust_tests_in_another_manner,
            '#[test]\n#[should_panic(expected = "x")]\nfn panics() {}\nfn helper() {}\n',
            [3],
        ),
        (
            python_tests_in_another_manner,
            "def test_it_is(): ...\ndef test_is(): ...\ndef tested(): ...\n",
            [2],
        ),
        (python_modules_without_a_sentence, '"""A sentence."""\n', []),
        (python_modules_without_a_sentence, "import os\n", [1]),
        (long_lines, f"{'x' * 100}\n{'x' * 101}\n| {'x' * 200} |\n", [2]),
    ],
)
def test_it_finds_each_kind_of_fault(find, text: str, lines: list[int]) -> None:
    assert [number for number, _ in find(text)] == lines


if __name__ == "__main__":
    # Today's numbers, to be lowered only.
    counted = {
        rule: {folder: len(found) for folder, found in sorted(faults(rule).items()) if found}
        for rule in RULES
    }
    ALLOWANCE.write_text(
        json.dumps({rule: one for rule, one in counted.items() if one}, indent=2) + "\n"
    )
