"""Runs the fuzz targets and the property tests again and again, each round with seeds of its own.

    python tests/fuzz/fresh_seeds.py [rounds]

Each round prints its seeds; the same seeds find the same thing again. A finding is mended, and its
input kept: in the target's corpus, or as a row of a test.
"""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ROUNDS = 10
# A hundred times as many as in `make test`, over all rounds two hundred times.
COUNT = 100_000


def command() -> list[str]:
    """Runs every fuzz target, and the tests of every crate that has property tests."""
    metadata = ["cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"]
    answer = subprocess.run(metadata, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    runner = Path(os.environ["PORTCULLIS_HOME"]) / "bin/cargo-nextest"
    # The whole workspace, as `make test` has built it: fewer crates would be built with fewer
    # features, anew.
    run = [
        str(runner),
        "nextest",
        "run",
        "--locked",
        "--offline",
        "--workspace",
        "--profile",
        "fuzz",
    ]
    filters = []
    for package in json.loads(answer.stdout)["packages"]:
        targets = [
            target["name"] for target in package["targets"] if target["name"].startswith("fuzz_")
        ]
        chosen = [f"binary(={name})" for name in targets]
        if any(need["name"] == "proptest" for need in package["dependencies"]):
            chosen.append(f"package(={package['name']})")
        filters += chosen
    return [*run, "-E", " + ".join(filters)]


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    run = command()
    failed = []
    for number in range(1, rounds + 1):
        seed = str(secrets.randbits(63))
        seeds = {"FUZZ_SEED": seed, "PROPTEST_RNG_SEED": seed, "FUZZ_COUNT": str(COUNT)}
        said = " ".join(f"{name}={value}" for name, value in seeds.items())
        print(f"round {number} of {rounds}: {said}", flush=True)
        if subprocess.run(run, cwd=REPOSITORY, env={**os.environ, **seeds}).returncode:
            failed.append(said)
    for seeds in failed:
        print(f"failed with {seeds}: `{seeds} make test` shows it again")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
