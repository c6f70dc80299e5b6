"""Waiting for a condition instead of for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")
PATIENCE = 60.0
"""Seconds that a test waits for what takes a moment: a machine that does other things besides may
take many. What comes true ends the wait, so that they cost nothing but where a test fails.
"""


def until(
    what: str, condition: Callable[[], Seen], deadline: float = PATIENCE, pause: float = 0.02
) -> Seen:
    """Asks again and again until `condition` answers something true, and returns that.

    `pause` lies between two questions: longer where asking is dear. A connection that is refused or
    reset counts as "not yet".

    Raises AssertionError, which says `what` was awaited and what was seen last, once `deadline`
    seconds have passed; and ValueError where these are fewer than `PATIENCE`.
    """
    if deadline < PATIENCE:
        raise ValueError(f"{what}: {deadline:g} s are too few for a busy machine")
    give_up = time.monotonic() + deadline
    while True:
        try:
            seen = condition()
            if seen:
                return seen
        except (OSError, EOFError) as error:
            seen = error
        if time.monotonic() > give_up:
            raise AssertionError(f"{what}: not within {deadline:g} s; last seen: {seen!r}")
        time.sleep(pause)
