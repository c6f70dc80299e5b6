"""Runs a command apart from the developer's machine: its variables, its folders, its network.

    python3 tests/apart/apart.py cargo nextest run

A test must never reach what it did not start: a developer's own database named in `POSTGRES_HOST`,
a `make up` in the next terminal. So the command gets the few variables of `KEPT`, a home and a
temporary folder of its own, and, where the kernel allows it, a loopback interface of its own. On
that one, sentinels listen on the ports that `make up` uses by default; a connection to one of them
means that a test reached for something that it did not start, and the command counts as failed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from own_network import enter_own_network  # noqa: E402
from sentinels import Sentinels  # noqa: E402

KEPT = {
    # The terminal and the machine.
    *(
        "PATH",
        "LANG",
        "LANGUAGE",
        "TERM",
        "COLUMNS",
        "NO_COLOR",
        "TZ",
        "USER",
        "LOGNAME",
        "SHELL",
        "CI",
    ),
    # How our programs are built, and how much of a failure is shown.
    *(
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_JOBS",
        "CARGO_INCREMENTAL",
        "RUSTUP_TOOLCHAIN",
        "RUSTUP_AUTO_INSTALL",
    ),
    *("RUSTFLAGS", "RUST_BACKTRACE", "LD_LIBRARY_PATH"),
    # What a run of the tests is told on purpose.
    *("PORTCULLIS_BIN_DIR", "PORTCULLIS_FILTERS_DIR", "PORTCULLIS_EARLIER_BIN_DIR"),
    "UPDATE_GOLDEN",
    *("FUZZ_SEED", "FUZZ_COUNT", "PROPTEST_RNG_SEED", "PROPTEST_CASES"),
}
# Seconds that programs may take to end after the command that started them.
PATIENCE = 10.0
# Folders below the home that is replaced, which the command still needs where they are.
FOLDERS = {
    "CARGO_HOME": "~/.cargo",
    "RUSTUP_HOME": "~/.rustup",
    "PORTCULLIS_HOME": "~/.cache/portcullis",
}


def environment_of_its_own(given: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The variables of the command; what it writes into a home, goes into `folder`."""
    kept = {name: value for name, value in given.items() if name in KEPT or name.startswith("LC_")}
    for name, usual in FOLDERS.items():
        kept[name] = str(Path(given.get(name, usual)).expanduser().absolute())
    for name in ("home", "tmp"):
        (folder / name).mkdir(mode=0o755)
    own = {"HOME": folder / "home", "TMPDIR": folder / "tmp", "PORTCULLIS_DATA": folder / "data"}
    return kept | {name: str(path) for name, path in own.items()}


def run(command: list[str]) -> int:
    """The command's status; 1 if it succeeded but reached what it did not start."""
    folder = Path(tempfile.mkdtemp(prefix="apart-"))
    # PostgreSQL runs as another user when we are root, and must be able to pass through.
    folder.chmod(0o755)
    try:
        with Sentinels() if enter_own_network() else Sentinels(ports=()) as sentinels:
            status = subprocess.run(
                command, env=environment_of_its_own(os.environ, folder)
            ).returncode
        for line in sentinels.seen():
            print(line, file=sys.stderr)
        return status or int(bool(sentinels.seen()))
    except KeyboardInterrupt:
        return 130
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """Removes the folder, into which a program that is just ending may still write."""
    deadline = time.monotonic() + PATIENCE
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
