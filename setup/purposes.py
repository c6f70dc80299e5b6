"""What set-up is for this time, and what the user has already: only what is wanted is fetched."""

import os
from collections.abc import Mapping
from pathlib import Path

from home import REPOSITORY, Problem
from machine import ON_DEMAND, PURPOSES


def chosen(words: list[str]) -> tuple[str, ...]:
    """The purposes that the command line names; the usual ones when it names none."""
    known = PURPOSES + ON_DEMAND
    unknown = [word for word in words if word not in known]
    if unknown:
        raise Problem(
            f"`{unknown[0]}` is no purpose: type some of {', '.join(known)}, or nothing for the "
            "usual ones"
        )
    return tuple(words) or PURPOSES


def settings(
    environment: Mapping[str, str] = os.environ, file: Path = REPOSITORY / ".env"
) -> dict[str, str]:
    """What `portcullis up` will find: the variables of the environment, else those of `.env`."""
    lines = file.read_text().splitlines() if file.exists() else []
    named = [
        line.strip().removeprefix("export ").partition("=")
        for line in lines
        if not line.strip().startswith("#")
    ]
    values = {name.strip(): value.strip().strip("\"'") for name, equals, value in named if equals}
    return {name: value for name, value in {**values, **environment}.items() if value}


def unneeded(settings: Mapping[str, str]) -> set[str]:
    """The names of what `portcullis up` does not start, because the user has named an own one.

    As `local_needed` in `control-plane/cli/src/up/settings.rs` decides it.
    """
    without = set()
    if settings.get("POSTGRES_HOST") and settings.get("PORTCULLIS_STORE_URL"):
        without.add("postgres")
    if settings.get("SPARK_REMOTE") or settings.get("SPARK_MASTER"):
        without |= {"spark", "java", "javac", "spark-extension"}
    return without
