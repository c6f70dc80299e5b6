"""The files of the tree, as git lists them."""

import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def listed_files() -> list[str]:
    """The paths of the tree's files from its top, what is not committed yet included, and nothing
    that is built.
    """
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for path in listed.stdout.splitlines() if (REPOSITORY / path).exists()]
