"""Measures which lines of the product's crates the Rust tests run, crate by crate.

    python tests/coverage/run.py [crate …]

Without names it measures all, and fails where they have fewer than 80 % together. The end-to-end
tests are not counted: they kill what they start, and a killed program writes nothing down. The
build is kept apart from the others, in `target/llvm-cov-target`.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from lines_by_crate import Lines, lines_by_crate, table  # noqa: E402

REPOSITORY = HERE.parents[1]
LEAST = 80.0
"""Per cent of the lines."""


def main() -> int:
    named = sys.argv[1:]
    home = Path(os.environ["PORTCULLIS_HOME"])
    environment = {**os.environ, "PATH": f"{home / 'bin'}:{os.environ['PATH']}"}
    chosen = [word for name in named for word in ("-p", name)] or ["--workspace"]
    with tempfile.TemporaryDirectory(prefix="portcullis-coverage-") as folder:
        report = Path(folder) / "report.json"
        for command in (
            ["nextest", "--locked", "--offline", *chosen, "--no-report"],
            ["report", "--json", "--summary-only", "--output-path", str(report)],
        ):
            run = ["cargo", "llvm-cov", *command]
            status = subprocess.run(run, cwd=REPOSITORY, env=environment).returncode
            if status:
                return status
        files = json.loads(report.read_text())["data"][0]["files"]
    crates = lines_by_crate(files, REPOSITORY)
    crates = {name: lines for name, lines in crates.items() if not named or name in named}
    print(table(crates))
    together = sum(crates.values(), Lines())
    if not named and together.percent < LEAST:
        print(f"the tests run fewer than {LEAST:.0f} % of the lines", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
