"""The same sources give the same bytes, wherever they are and wherever they are built."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from installation import REPOSITORY, Installation


def sources() -> list[Path]:
    """What belongs to the project, as it stands."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [Path(name) for name in listed.stdout.split("\0") if name]
    return [path for path in paths if (REPOSITORY / path).is_file()]


def copy_sources(folder: Path) -> None:
    for path in sources():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / path, folder / path)


def other_cargo_home(folder: Path) -> Path:
    """Cargo's home by another path, which sources of crates have in theirs."""
    home = Path(os.environ.get("CARGO_HOME", "~/.cargo")).expanduser()
    folder.mkdir()
    for entry in home.iterdir():
        (folder / entry.name).symlink_to(entry)
    return folder


def built(
    program: Path, folder: Path, target: Path, out_dir: Path, **variables: object
) -> dict[str, str]:
    """The hash of each file that a builder writes, run in a folder of sources."""
    environment = os.environ | {"CARGO_TARGET_DIR": str(target), "CARGO_NET_OFFLINE": "true"}
    environment |= {name: str(value) for name, value in variables.items()}
    done = subprocess.run(
        [str(program), "--out-dir", str(out_dir)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    manifest = json.loads((out_dir / "manifest.json").read_text())
    return {module["file"]: module["sha256"] for module in manifest["modules"]}


# It builds a module from nothing, on whatever the machine has left.
@pytest.mark.timeout(1800)
def test_it_builds_the_same_filter_in_another_folder(installation: Installation, tmp_path: Path):
    program = installation.binary("wasm-build")
    elsewhere = tmp_path / "some/other folder"
    copy_sources(elsewhere)
    here = built(program, REPOSITORY, installation.filters.parent, tmp_path / "here")
    there = built(
        program,
        elsewhere,
        tmp_path / "target",
        tmp_path / "there",
        CARGO_HOME=other_cargo_home(tmp_path / "cargo"),
    )
    assert here
    assert here == there


@pytest.mark.timeout(1800)
def test_it_packages_the_engine_to_the_same_bytes(installation: Installation, tmp_path: Path):
    """The modules of the packages are compiled as the filter is; here it is about what becomes of
    them.
    """
    program = installation.binary("policy-packages")
    target = installation.filters.parent
    first, second = (
        built(program, REPOSITORY, target, tmp_path / name) for name in ("first", "second")
    )
    assert len(first) == 2
    assert first == second
