"""Every tool of the data server is told of, and tried."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = sorted((REPOSITORY / "mcp-server/src/tools").glob("*.rs"))
NAMED = re.compile(r"const NAME: &'static str = \"(\w+)\";")
TOOLS = sorted(name for source in SOURCES for name in NAMED.findall(source.read_text()))


def test_it_finds_a_file_of_its_name_for_each_tool() -> None:
    assert len(TOOLS) > 10
    assert [name for name in TOOLS if f"{name}.rs" not in {path.name for path in SOURCES}] == []


@pytest.mark.parametrize("tool", TOOLS)
def test_it_finds_each_tool_in_the_table_of_the_readme(tool: str) -> None:
    table = (REPOSITORY / "README.md").read_text().split("\n## The tools\n")[1].split("\n## ")[0]
    assert f"`{tool}`" in table, "add it to README.md, The tools"


@pytest.mark.parametrize("tool", TOOLS)
def test_it_finds_each_tool_in_the_reference(tool: str) -> None:
    headings = re.findall(r"^### (\w+)$", (REPOSITORY / "docs/api-reference.md").read_text(), re.M)
    assert tool in headings, (
        "say what is needed in tests/reference/notes.json; type `make reference`"
    )


@pytest.mark.parametrize("tool", TOOLS)
def test_it_finds_a_test_that_calls_each_tool(tool: str) -> None:
    tests = [
        *(REPOSITORY / "mcp-server/tests").rglob("*.rs"),
        *(REPOSITORY / "tests/e2e").rglob("*.py"),
    ]
    calls = any(f'"{tool}"' in path.read_text() for path in tests)
    assert calls, "call it in mcp-server/tests, or in tests/e2e where it needs a real Spark"
