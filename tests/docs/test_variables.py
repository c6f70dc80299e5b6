"""`.env.example` lists every environment variable that a program of ours reads, and no other; so
does a page of settings of those that its program reads.
"""

import re
from pathlib import Path

import pytest

from settings_page import CONTROL_PLANE, DATA_SERVER

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = ("control-plane", "mcp-server")


def read_by_programs(programs: tuple[str, ...] = PROGRAMS) -> set[str]:
    sources = (path for folder in programs for path in (REPOSITORY / folder).rglob("*.rs"))
    return {name for path in sources for name in re.findall(r'env = "([A-Z_]+)"', path.read_text())}


def listed() -> set[str]:
    return set(
        re.findall(r"^# ([A-Z_]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE)
    )


def test_it_lists_every_variable_that_is_read() -> None:
    assert read_by_programs() - listed() == set()


def test_it_lists_no_variable_that_nothing_reads() -> None:
    assert listed() - read_by_programs() == set()


@pytest.mark.parametrize(
    ("page", "sources"),
    [(DATA_SERVER, "mcp-server"), (CONTROL_PLANE, "control-plane/server")],
    ids=["data server", "control plane"],
)
def test_it_tells_of_every_setting_of_a_program(page, sources) -> None:
    told = set(re.findall(r"^\| `([A-Z_]+)`", page.path.read_text(), re.MULTILINE))
    assert told == read_by_programs((sources,)), "type `make reference`, and commit the page"
