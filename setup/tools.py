"""Running pip, npm, cargo and rustup: quietly, undisturbed by the user's own settings, and with a
sentence when they fail.
"""

import os
import re
import subprocess
from pathlib import Path

from home import REPOSITORY, Everywhere, Home, Problem
from part import Part


def pip(
    part: Part,
    home: Home,
    fresh: Path,
    *arguments: object,
    python: Path | None = None,
    verb: str = "install",
) -> None:
    into = ["--python", python] if python else []
    # A download writes no scripts that could be warned of.
    quiet = ["--no-warn-script-location"] if verb == "install" else []
    run(
        part,
        fresh,
        [
            home.root / "pip/bin/python",
            "-m",
            "pip",
            "--no-input",
            "--disable-pip-version-check",
            *into,
            verb,
            "--require-hashes",
            "--no-deps",
            "--no-cache-dir",
            *quiet,
            *arguments,
        ],
    )


# What a user's own configuration of these tools would send astray.
UNWANTED = (
    "PIP_USER",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_REQUIRE_VIRTUALENV",
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "CARGO_BUILD_TARGET",
    "RUSTFLAGS",
)


def run(part: Part, fresh: Path, command: list, **variables: str) -> None:
    """Runs `command` quietly; when it fails, says what the user can do, and shows the end of what
    it printed.
    """
    environment = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    # Downloads and builds on the disk that was asked about, in the folder whose growth is shown.
    environment |= {"TMPDIR": str(fresh / ".tmp"), **variables}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=REPOSITORY if part.name.startswith(("cargo", "wasm")) else fresh,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode != 0:
        raise failure(part.title, Path(command[0]).name, done.stdout)


def failure(title: str, tool: str, output: str) -> Problem:
    """What a failed tool printed, as a problem: a sentence where we know one, and the end of the
    output.
    """
    for kind, sign, sentence in SIGNS:
        if re.search(sign, output, re.IGNORECASE):
            lines = [line for line in output.strip().splitlines() if "retry" not in line.lower()][
                -3:
            ]
            break
    else:
        kind, sentence, lines = Problem, "it failed", output.strip().splitlines()[-12:]
    said = "\n      ".join(line[:300] for line in lines)
    return kind(f"{title}: {sentence}; `{tool}` said:\n      {said}")


SIGNS = [
    (
        Everywhere,
        r"No space left on device|ENOSPC|Errno 28",
        "the disk is full: make room, or name a folder on another disk in PORTCULLIS_HOME",
    ),
    (
        Problem,
        r"DO NOT MATCH THE HASHES|EINTEGRITY|checksum .*(mismatch|failed)",
        "what was downloaded is not what is pinned: a proxy or mirror changed it, or the download "
        "broke; try again",
    ),
    (
        Everywhere,
        r"name resolution|Could not resolve|NewConnectionError|ENOTFOUND|ECONNREFUSED|"
        r"Connection refused|Network is unreachable|timed out|ETIMEDOUT|"
        r"dns error|Max retries exceeded|EAI_AGAIN|ConnectTimeout|SSLError|certificate",
        "the network, or the package registry behind it, cannot be reached: check the connection "
        "and the proxy settings, and try again",
    ),
    (
        Problem,
        r"No matching distribution found|requires a different Python",
        "there is no package for this system and Python: Portcullis runs on Linux, x86_64 or "
        "arm64, with Python 3.11 or later",
    ),
]
