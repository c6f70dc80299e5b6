"""Envoy itself accepts the bootstrap files as they are in the repository."""

import os
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "envoy"


@pytest.mark.parametrize("file", sorted(path.name for path in FOLDER.glob("bootstrap*.yaml")))
def test_it_is_a_bootstrap_file_that_envoy_accepts(file: str) -> None:
    home = Path(os.environ.get("PORTCULLIS_HOME", "~/.cache/portcullis")).expanduser()
    checked = subprocess.run(
        [home / "bin/envoy", "--mode", "validate", "-c", FOLDER / file],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr
