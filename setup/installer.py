"""Installs parts: each one after what it needs, two at a time."""

import concurrent.futures
import re

from home import Everywhere, Home, Problem
from machine import Requirement
from part import Part
from progress import Board

# Two at a time: one waits for the network while the other one computes.
AT_ONCE = 2


def install_all(todo: list[Part], home: Home, board: Board, missing: set[str]) -> list[Problem]:
    """Installs what can be installed, each part after what it needs; returns what could not.

    `missing` are the names of what the machine lacks: what needs it is not tried, since that was
    said already.
    """
    problems: list[Problem] = []
    failed = set(missing)
    unfinished = {key(part) for part in todo}
    waiting = list(todo)
    with board, concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        running: dict[concurrent.futures.Future, Part] = {}
        while waiting or running:
            for part in [part for part in waiting if failed.intersection(part.needs)]:
                waiting.remove(part)
                failed.add(key(part))
            if any(isinstance(problem, Everywhere) for problem in problems):
                waiting.clear()
            ready = [part for part in waiting if not unfinished.intersection(part.needs)]
            for part in ready[: AT_ONCE - len(running)]:
                waiting.remove(part)
                running[pool.submit(install_one, part, home, board)] = part
            if not running:
                break
            finished, _ = concurrent.futures.wait(
                running, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in finished:
                part = running.pop(future)
                unfinished.discard(key(part))
                try:
                    future.result()
                except (Problem, OSError) as error:
                    failed.add(key(part))
                    problems.append(
                        error if isinstance(error, Problem) else Problem(f"{part.title}: {error}")
                    )
    return problems


def key(part: Part | Requirement) -> str:
    """`spark-4.3.0` → `spark`: what others name in their `needs`."""
    return re.split(r"-\d", part.name)[0]


def install_one(part: Part, home: Home, board: Board) -> None:
    board.started(part.title, part.workplace(home))
    try:
        part.install(home)
    except BaseException:
        board.finished(part.title, "FAILED")
        raise
    board.finished(part.title, "done")
