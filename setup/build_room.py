"""The room on the disk that compiling takes: said before it, where it would end in the middle."""

import os
import shutil
from pathlib import Path

from home import REPOSITORY, size_mb

# About as much as each purpose leaves in an empty folder of builds, in megabytes, rounded up.
BUILD_MB = {"up": 3_000, "test": 15_000, "lint": 6_000, "bench": 4_000}


def target(environment: dict[str, str] | os._Environ[str] = os.environ) -> Path:
    """The folder that cargo builds into."""
    return Path(environment.get("CARGO_TARGET_DIR") or REPOSITORY / "target")


def lack_of_room(chosen: tuple[str, ...], folder: Path, free_mb: int | None = None) -> str | None:
    """What to say where the disk of `folder` cannot take what is built for these purposes beside
    what is there already.
    """
    needed = sum(BUILD_MB.get(purpose, 0) for purpose in chosen)
    if free_mb is None:
        there = next(place for place in [folder, *folder.parents] if place.exists())
        free_mb = shutil.disk_usage(there).free // 1_000_000
    if free_mb >= needed or free_mb >= needed - size_mb(folder):
        return None
    return (
        f"the disk of `{folder}` has {free_mb} MB free, and what is built into it takes about "
        f"{needed} MB: make room, or name a folder on another disk in CARGO_TARGET_DIR"
    )
