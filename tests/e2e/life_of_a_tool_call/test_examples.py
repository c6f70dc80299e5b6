"""The programs in `examples` work as they stand, through the gateway and on the demo data."""

import csv
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from installation import REPOSITORY

EXAMPLES = REPOSITORY / "examples"
PATIENCE = 300
"""Seconds; the first statement in a Spark takes most of them."""


def run(command: list[object], folder: Path) -> str:
    """Runs an example as its reader would, and returns what it prints."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def python(installation) -> Path:
    """A Python that has the official SDK."""
    return installation.home / "clients/python/bin/python"


def test_it_calls_tools_from_python(stack, python, tmp_path):
    printed = run([python, EXAMPLES / "python_client.py", "--url", stack.url], tmp_path)
    assert "products: product_id, name, category, price" in printed
    assert "  Green tea: 3.50\n" in printed
    assert "the change would touch 20 rows; nothing was kept" in printed
    assert printed.splitlines()[-1].startswith("refused: ") and "[42501]" in printed


def test_it_calls_tools_from_typescript(stack, installation, tmp_path):
    # As in a project of the reader's own: the packages beside the program.
    shutil.copy(EXAMPLES / "typescript_client.ts", tmp_path)
    (tmp_path / "node_modules").symlink_to(installation.home / "clients/node/node_modules")
    (tmp_path / "package.json").write_text(json.dumps({"type": "module"}))
    node = [installation.program("node"), "--experimental-strip-types"]
    printed = run([*node, "typescript_client.ts", stack.url], tmp_path)
    assert "events of PostgreSQL: primary key event_id\n" in printed
    assert printed.count("[ 'purchase', 33333 ]") == 2
    assert printed.endswith("50000 rows in 4 blocks\n")


def test_it_moves_rows_from_spark_over_postgresql_into_a_file(stack, python, tmp_path):
    example = [python, EXAMPLES / "etl_pipeline.py", "--url", stack.url]
    first = run([*example, "--least", 290], tmp_path)
    again = run([*example, "--least", 10], tmp_path)
    assert "visits_by_product version 1\n" in again, "an equal pipeline is no new version"
    for rows, printed in ((5, first), (30, again)):
        assert f"load: {rows} rows, error: None\nreport: {rows} rows, error: None\n" in printed
    assert "  Smoked tea: 667 visits\n" in first
    assert "  Black cups: 3334 visits\n" in again
    with (stack.data / "pipelines/visits_by_product.csv").open(newline="") as file:
        report = list(csv.DictReader(file))
    assert len(report) == 30 and max(int(row["visits"]) for row in report) == 3334
