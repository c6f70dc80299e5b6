"""`make bench` runs every benchmark that there is, in each of its ways."""

import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
USAGE = re.compile(r"^python (tests/bench/\S+(?: --[\w-]+)*)", re.MULTILINE)
"""A benchmark's own line of how it is run, up to what may be left out."""


def recipe() -> list[str]:
    """The lines of `make bench`."""
    text = (REPOSITORY / "Makefile").read_text()
    return text.split("\nbench:\n")[1].split("\n\n")[0].splitlines()


def test_it_runs_each_script_as_its_first_lines_say() -> None:
    scripts = (REPOSITORY / "tests/bench").rglob("*.py")
    usages = [usage for script in scripts for usage in USAGE.findall(script.read_text())]
    assert len(usages) > 4
    run = {line.partition("$(PYTHON) ")[2] for line in recipe()}
    assert sorted(set(usages) - run) == []


def test_it_runs_each_benchmark_of_a_crate() -> None:
    members = [
        *REPOSITORY.glob("filters/*/Cargo.toml"),
        *REPOSITORY.glob("control-plane/*/Cargo.toml"),
        *REPOSITORY.glob("*/Cargo.toml"),
    ]
    manifests = [tomllib.loads(member.read_text()) for member in members]
    benches = [
        f"-p {manifest['package']['name']} --bench {bench['name']}"
        for manifest in manifests
        for bench in manifest.get("bench", [])
    ]
    assert len(benches) > 3
    assert [bench for bench in benches if not any(bench in line for line in recipe())] == []
