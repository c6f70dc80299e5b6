"""The changelog's entries are whole: a merge that keeps both branches' lines tears none apart."""

from pathlib import Path

CHANGELOG = Path(__file__).resolve().parents[2] / "CHANGELOG.md"
TELLING = 24
"""Characters at which two lines that begin alike are one line that was kept twice."""


def test_it_keeps_no_line_of_an_entry_twice() -> None:
    beginnings: dict[str, int] = {}
    for number, line in enumerate(CHANGELOG.read_text().splitlines(), 1):
        if not line.startswith("  ") or len(line) < TELLING:
            continue
        earlier = beginnings.setdefault(line[:TELLING], number)
        assert earlier == number, f"lines {earlier} and {number} begin alike: {line[:TELLING]}…"
