"""Removes what set-up fetched, and, when the user says so, what Portcullis has stored."""

import os
import shutil
import sys
from pathlib import Path

from home import Home, size_mb

DEFAULTS = Path(__file__).resolve().parents[1] / "data-folder/default.txt"


def data_folder() -> Path:
    """`PORTCULLIS_DATA`, or where `portcullis up` keeps its state without it."""
    if named := os.environ.get("PORTCULLIS_DATA"):
        return Path(named).expanduser()
    system, below_home = DEFAULTS.read_text().splitlines()
    return Path(system) if os.geteuid() == 0 else Path.home() / below_home


def main() -> None:
    home = Home.from_environment()
    # Only what set-up made: PORTCULLIS_HOME may name a folder that holds other things too.
    for name in ("versions", "unfinished", "bin", "clients"):
        shutil.rmtree(home.root / name, ignore_errors=True)
    for name in ("pip", "spark", "spark-python", "spark-extension.jar", "java", "postgres"):
        (home.root / name).unlink(missing_ok=True)
    print(f"removed the downloads in {home.root}")

    data = data_folder()
    if not data.exists():
        return
    if not sys.stdin.isatty():
        print(f"kept the data in {data}: run `make clean` in a terminal to be asked about it")
        return
    answer = input(
        f"also delete the data in {data} ({size_mb(data)} MB: databases, jobs, revisions, logs)? "
        "Type `delete` to do so: "
    )
    if answer.strip() == "delete":
        shutil.rmtree(data)
        print(f"removed {data}")
    else:
        print(f"kept {data}")


if __name__ == "__main__":
    main()
