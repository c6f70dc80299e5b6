"""Every example is run by a test."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path.name for path in (REPOSITORY / "examples").iterdir() if path.is_file())


def test_it_finds_examples() -> None:
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_finds_a_test_that_runs_each_example(name: str) -> None:
    tests = (REPOSITORY / "tests/e2e").rglob("test_*.py")
    assert any(name in path.read_text() for path in tests), "run it in tests/e2e"
