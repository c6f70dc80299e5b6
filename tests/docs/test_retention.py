"""Every table of the configuration store says in the documentation who takes its rows back."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
STEPS = [
    ROOT / "control-plane/store/migrations",
    ROOT / "control-plane/store/postgres-migrations",
]
PAGE = ROOT / "docs/operator/store.md"


def tables(folder: Path) -> set[str]:
    """The tables that the steps in a folder make, without those that a later one drops."""
    there: set[str] = set()
    for step in sorted(folder.glob("*.sql")):
        for verb, name in re.findall(
            r"\b(CREATE|DROP) TABLE (?:IF EXISTS )?(\w+)", step.read_text()
        ):
            if verb == "CREATE":
                there.add(name)
            else:
                there.discard(name)
    return there


def documented() -> list[str]:
    """The tables that the page lists with who takes their rows back."""
    _, _, section = PAGE.read_text().partition("\n## Retention\n")
    _, _, rows = section.partition("| table |")
    return [
        name
        for row in rows.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`(\w+)`", row.split("|")[1])
    ]


def test_it_says_of_every_table_who_takes_its_rows_back():
    listed = documented()
    assert len(listed) == len(set(listed)), "a table has two rows"
    for folder in STEPS:
        assert set(listed) == tables(folder), folder.name
