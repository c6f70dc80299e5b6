"""The examples of docs/embedding.md run as they stand, and print what the page says. That of Rust
is a documentation test of `policy-text`.
"""

import re
import subprocess
from pathlib import Path

import pytest

from embedded import browser_package, component, component_python
from installation import REPOSITORY, Installation

PAGE = (REPOSITORY / "docs/embedding.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BUILDS = {"python": component, "js": browser_package}


def examples() -> list[tuple[str, str, str]]:
    """Each program that a page shows with what it prints: its language, its text, the output."""
    blocks = list(BLOCK.finditer(PAGE))
    return [
        (*program.groups(), output.group(2))
        for program, output in zip(blocks, blocks[1:], strict=False)
        if PAGE[program.end() : output.start()].strip() == "It prints:"
    ]


EXAMPLES = examples()


@pytest.fixture
def interpreters(installation: Installation) -> dict[str, tuple[Path, str]]:
    """What runs a language's examples, and the ending of their files."""
    return {
        "python": (component_python(installation), "py"),
        "js": (installation.program("node"), "mjs"),
    }


@pytest.mark.parametrize(
    ("language", "program", "printed"), EXAMPLES, ids=[language for language, *_ in EXAMPLES]
)
def test_it_prints_what_the_page_says(
    installation: Installation,
    interpreters: dict[str, tuple[Path, str]],
    tmp_path: Path,
    language: str,
    program: str,
    printed: str,
):
    # The page names the usual folder; this run may have another one.
    (tmp_path / "target").mkdir()
    (tmp_path / "target/policy").symlink_to(BUILDS[language](installation).parent)
    interpreter, ending = interpreters[language]
    (tmp_path / f"example.{ending}").write_text(program)
    done = subprocess.run(
        [interpreter, f"example.{ending}"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, printed), done.stderr


def test_it_runs_an_example_of_each_language():
    run = {language for language, *_ in EXAMPLES}
    assert run == set(BUILDS)
    shown = {language for language, _ in BLOCK.findall(PAGE)}
    assert shown == run | {"text", "sh", "rust"}
