"""One thing that set-up fetches: how it gets its folder and its names."""

import hashlib
import os
import shutil
from pathlib import Path

from home import Home

SETUP = Path(__file__).resolve().parent


class Part:
    """One thing under `PORTCULLIS_HOME/versions`, in a folder named after its pins, and the links
    that lead to it.
    """

    name: str
    title: str
    download_mb = 0
    disk_mb = 0
    scratch_mb = 0
    seconds = 0
    # Files whose content is the pin: another content is another folder.
    pins: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    # The purposes that want this part: `up`, `test`, `lint`, `bench`, `fuzz`, `coverage`.
    purposes: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    # What must be there for the folder to count as whole: a virtual environment breaks when its
    # Python is removed.
    heart = "."

    def cost(self) -> str:
        return f", {self.download_mb} MB"

    def folder(self, home: Home) -> Path:
        digest = hashlib.sha256()
        for pin in self.pins:
            digest.update((SETUP / pin).read_bytes())
        return home.versions / f"{self.name}-{digest.hexdigest()[:12]}"

    def present(self, home: Home) -> bool:
        folder = self.folder(home)
        return (folder / self.heart).exists() and all(
            leads_into(home.root / link, folder) for link in self.links
        )

    def install(self, home: Home) -> None:
        folder = self.folder(home)
        if not (folder / self.heart).exists():
            shutil.rmtree(folder, ignore_errors=True)
            fresh = self.workplace(home)
            fresh.mkdir(parents=True)
            (fresh / ".tmp").mkdir()
            self.make(home, fresh)
            shutil.rmtree(fresh / ".tmp")
            home.versions.mkdir(parents=True, exist_ok=True)
            fresh.rename(folder)
        self.expose(home, folder)

    def workplace(self, home: Home) -> Path:
        return home.unfinished / self.name

    def make(self, home: Home, fresh: Path) -> None:
        """Fills `fresh`, which is renamed afterwards: nothing in it may remember the path."""
        raise NotImplementedError

    def expose(self, home: Home, folder: Path) -> None:
        """Gives what is in `folder` its stable names."""
        raise NotImplementedError


def leads_into(link: Path, folder: Path) -> bool:
    """A link to something in `folder` that exists, or a script that runs it."""
    if link.is_symlink():
        return link.exists() and Path(os.readlink(link)).is_relative_to(folder)
    try:
        return str(folder) in link.read_text()
    except OSError:
        return False
