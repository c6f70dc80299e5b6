"""The folder that set-up fills, and how a thing gets into it: all of it, or nothing."""

import contextlib
import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


class Problem(Exception):
    """Something that the user must do; its text says what."""


class Everywhere(Problem):
    """A problem that every other part would meet too, such as no network: nothing more is tried."""


@dataclass(frozen=True)
class Home:
    """`PORTCULLIS_HOME`.

    What is fetched lands in `versions/`, one folder per pinned version; stable names link to it.
    """

    root: Path

    @classmethod
    def from_environment(cls) -> "Home":
        named = os.environ.get("PORTCULLIS_HOME")
        root = Path(named).expanduser() if named else Path("~/.cache/portcullis").expanduser()
        return cls(root.absolute())

    @property
    def versions(self) -> Path:
        return self.root / "versions"

    @property
    def unfinished(self) -> Path:
        """Where things are made, before a rename puts them into `versions/`."""
        return self.root / "unfinished"

    def discard_unfinished(self) -> None:
        """What an interrupted run left behind.

        Only with the lock held: another run may be at work in there.
        """
        shutil.rmtree(self.unfinished, ignore_errors=True)

    def link(self, name: str, target: Path) -> None:
        """Makes `name` lead to `target`, atomically, whatever it led to before."""
        place = self.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_name(f".{place.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        os.replace(fresh, place)

    def script(self, name: str, *command: Path) -> None:
        """Makes `name` a command that runs `command` with the caller's arguments."""
        place = self.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_name(f".{place.name}.new")
        words = " ".join(f'"{word}"' for word in command)
        fresh.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        fresh.chmod(0o755)
        os.replace(fresh, place)


@contextlib.contextmanager
def exclusive(home: Home):
    """One set-up at a time; a second one waits, and says so."""
    try:
        home.root.mkdir(parents=True, exist_ok=True)
        lock = open(home.root / ".lock", "w")
    except OSError as error:
        raise Problem(
            f"cannot write to `{home.root}`: {error.strerror}; "
            "name another folder in PORTCULLIS_HOME"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another set-up is at work in {home.root}; waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def disk_space(home: Home, needed_mb: int) -> None:
    free_mb = shutil.disk_usage(home.root).free // 1_000_000
    if free_mb < needed_mb:
        raise Problem(
            f"`{home.root}` has {free_mb} MB free and set-up needs about {needed_mb} MB "
            "while it works; "
            "make room, or name a folder on another disk in PORTCULLIS_HOME"
        )


def size_mb(folder: Path) -> int:
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total // 1_000_000
