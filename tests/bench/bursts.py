"""Bursts of requests by the load generator, and the order in which they take turns."""

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

Variant = TypeVar("Variant")


def in_rotating_order(variants: Sequence[Variant], rounds: int) -> Iterator[Variant]:
    """All variants in each round, each round beginning with another one."""
    for number in range(rounds):
        turn = number % len(variants)
        yield from [*variants[turn:], *variants[:turn]]


def generate(
    load: Path, title: str, options: Sequence[object], before: Callable[[], None] | None = None
) -> dict:
    """What one burst cost, as `load generate` reports it; ends the program where an answer is not
    the expected one. `before`: runs in the generator's process before it begins.
    """
    command = [str(part) for part in (load, "generate", *options)]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=before)
    if done.returncode:
        raise SystemExit(f"{title}: {done.stderr}")
    return json.loads(done.stdout)
