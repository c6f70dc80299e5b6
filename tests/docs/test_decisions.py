"""Each decision record has a number of its own, which its heading and all citations repeat."""

import re
from collections import Counter
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RECORDS = sorted((REPOSITORY / "docs/decisions").glob("*.md"))
LINK = re.compile(r"\[decision\s+(\d+)\]\(([^)]*)\)", re.IGNORECASE)


def test_it_gives_each_record_a_number_of_its_own() -> None:
    numbers = Counter(record.name[:4] for record in RECORDS)
    assert numbers and set(numbers.values()) == {1}, numbers


def test_it_heads_each_record_with_its_number() -> None:
    heads = {record.name: record.read_text().split(".")[0] for record in RECORDS}
    assert heads == {name: f"# {int(name[:4])}" for name in heads}


def test_it_cites_records_by_their_numbers() -> None:
    cited = [
        (document.name, int(number), target.rsplit("/", 1)[-1])
        for document in (REPOSITORY / "docs").rglob("*.md")
        for number, target in LINK.findall(document.read_text())
    ]
    assert cited
    assert [found for found in cited if found[1] != int(found[2][:4])] == []
