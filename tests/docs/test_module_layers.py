"""The modules of the data server, and the crates that were cut from it, use each other as the
table in `docs/architecture.md` says.
"""

import re
from pathlib import Path

from rust_modules import Crate

REPOSITORY = Path(__file__).resolve().parents[2]
ROWS = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \|", re.MULTILINE)


def layers(architecture: str) -> list[set[str]]:
    """The modules in each row of the table, from the top to the bottom."""
    _, table = architecture.split("\nInside `mcp-server` dependencies point down this table")
    table = table.split("\n\n")[1]
    return [set(re.findall(r"`(\w+)`", cell)) for cell in ROWS.findall(table)]


def climbing(edges: set[tuple[str, str]], rows: list[set[str]]) -> list[str]:
    """The uses of a module that is not in a row further down."""
    place = {module: at for at, row in enumerate(rows) for module in row}
    return sorted(f"{user} uses {used}" for user, used in edges if place[user] >= place[used])


def crates_beside() -> dict[str, Path]:
    """The crates in the folder of the data server, by the names that code knows them by."""
    roots = sorted((REPOSITORY / "mcp-server").glob("*/src/lib.rs"))
    return {root.parents[1].name.replace("-", "_"): root for root in roots}


def test_it_lists_every_module_above_all_that_it_uses() -> None:
    rows = layers((REPOSITORY / "docs/architecture.md").read_text())
    crate = Crate(REPOSITORY / "mcp-server/src/lib.rs", crates_beside())
    modules = {module[0] for module in crate.sources if module}
    listed = set().union(*rows)
    assert modules - listed == set(), "add a row, or a name to one, in docs/architecture.md"
    assert listed - modules == set(), "docs/architecture.md names modules that are gone"
    edges = {
        (user[0], used[0]) for user, used in crate.edges() if user and used and user[0] != used[0]
    }
    assert len(edges) > len(rows)
    assert climbing(edges, rows) == []


def test_it_finds_uses_that_climb_or_stay_in_their_row() -> None:
    text = (
        "\nInside `mcp-server` dependencies point down this table:\n\n"
        "| module | what |\n|---|---|\n| `a` | x |\n| `b`, `c` | y |\n\nrest | `d` |\n"
    )
    rows = layers(text)
    assert rows == [{"a"}, {"b", "c"}]
    assert climbing({("a", "b"), ("b", "c"), ("c", "a")}, rows) == ["b uses c", "c uses a"]
