"""Envoy itself accepts the bootstrap file as it is in the repository."""

import os
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_it_is_a_bootstrap_file_that_envoy_accepts() -> None:
    home = Path(os.environ.get("PORTCULLIS_HOME", "~/.cache/portcullis")).expanduser()
    checked = subprocess.run(
        [home / "bin/envoy", "--mode", "validate", "-c", REPOSITORY / "envoy/bootstrap.yaml"],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr
