"""Measures which lines of the product's crates the Rust tests run, crate by crate.

    python tests/coverage/run.py [crate …]

It fails where a crate has fewer than 80 %, or all of them together. The end-to-end tests are not
counted: they kill what they start, and a killed program writes nothing down. The build is kept
apart from the others, in `target/llvm-cov-target`.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from lines_by_crate import lines_by_crate, table, too_few  # noqa: E402

REPOSITORY = HERE.parents[1]


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
    for sentence in (sentences := too_few(crates)):
        print(sentence, file=sys.stderr)
    return int(bool(sentences))


if __name__ == "__main__":
    sys.exit(main())
