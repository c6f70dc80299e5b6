"""Brings everything that Portcullis needs and the machine does not have.

Idempotent: what is in place is left alone, what was interrupted is done again.
Run it with `make setup`, or `python3 setup/setup.py`; Python 3.11 or later, standard library only.
Words say what it is for (`up`, `test`, `lint`, `bench`, `fuzz`, `coverage`): then it brings only
what that needs. Without words it brings what the first four need.
A command behind `--` is run beside the downloads, as soon as the Rust toolchain is there.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit(
        f"set-up needs Python 3.11 or later, this is {sys.version.split()[0]}: "
        "type `python3.11 setup/setup.py`, or install a newer Python"
    )

import time

import machine
import parts
import purposes
from beside import Beside
from build_room import lack_of_room, target
from home import Home, Problem, disk_space, exclusive
from installer import install_all, key
from part import Part
from progress import Board


def main() -> int:
    home = Home.from_environment()
    words, command = divided(sys.argv[1:])
    chosen = purposes.chosen(words)
    wanted = what_serves(chosen)
    if lack := lack_of_room(chosen, target()):
        print(f"set-up: {lack}", file=sys.stderr, flush=True)
    beside = Beside(command)
    try:
        problems = []
        if pending(home, wanted):
            require_what_comes_first(home, wanted)
            with exclusive(home):
                problems = bring_up_to_date(home, wanted, beside)
        else:
            print(f"set-up: everything is in place ({home.root})", flush=True)
            beside.start()
        failed = beside.wait()
    finally:
        beside.stop()
    # Last, so that no compiler's output hides it.
    for title, found in (("set-up is not complete", problems), ("the build failed", failed)):
        if found:
            print(f"\n{title}:", file=sys.stderr)
            for problem in found:
                print(f"  - {problem}", file=sys.stderr)
    if problems or failed:
        print("run the same command again: what is already there is kept", file=sys.stderr)
    return 1 if problems or failed else 0


def divided(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The purposes, and the command behind `--`."""
    if "--" not in arguments:
        return arguments, []
    place = arguments.index("--")
    return arguments[:place], arguments[place + 1 :]


def require_what_comes_first(home: Home, wanted: list) -> None:
    for requirement in (
        thing for thing in wanted if isinstance(thing, machine.Requirement) and thing.first
    ):
        if not requirement.present(home):
            raise Problem(
                f"{requirement.title} is missing: {machine.how_to_get(requirement)}. "
                "Nothing was downloaded"
            )


def what_serves(chosen: tuple[str, ...]) -> list:
    """What these purposes want: first what the machine must give, then what we fetch.

    Where it is only to bring the product up, PostgreSQL and Spark are left to a user who has an own
    one.
    """
    without = purposes.unneeded(purposes.settings()) if chosen == ("up",) else set()
    things = [*machine.REQUIREMENTS, *parts.PARTS]
    return [
        thing
        for thing in things
        if set(chosen).intersection(thing.purposes) and key(thing) not in without
    ]


def pending(home: Home, wanted: list) -> list:
    """What is still to do."""
    return [thing for thing in wanted if not thing.present(home)]


def bring_up_to_date(home: Home, wanted: list, beside: Beside) -> list[Problem]:
    """Brings what is still to do, and starts the command once the toolchain is there; returns what
    could not be brought.
    """
    started = time.monotonic()
    home.discard_unfinished()
    todo = pending(home, wanted)
    if not todo:
        print(f"set-up: another run has just finished it ({home.root})", flush=True)
        beside.start()
        return []
    announce(home, todo)

    fetch = [thing for thing in todo if isinstance(thing, Part)]
    toolchain = [part for part in fetch if key(part) == "wasm-target"]
    problems = install_all(toolchain, home, Board(), set())
    missing = {key(part) for part in toolchain} if problems else set()
    if not problems:
        beside.start()
    for requirement in (thing for thing in todo if isinstance(thing, machine.Requirement)):
        try:
            requirement.provide(home)
        except Problem as problem:
            problems.append(problem)
            missing.add(requirement.name)
    rest = [part for part in fetch if part not in toolchain]
    problems += install_all(rest, home, Board(beats=not beside.at_work()), missing)
    if not problems:
        print(f"set-up: done in {time.monotonic() - started:.0f} s ({home.root})", flush=True)
    return problems


def announce(home: Home, todo: list) -> None:
    fetch = [thing for thing in todo if isinstance(thing, Part)]
    download = sum(part.download_mb for part in fetch)
    disk = sum(part.disk_mb for part in fetch)
    seconds = sum(part.seconds for part in fetch)
    print(f"set-up brings into {home.root}:")
    for thing in todo:
        print(f"  - {thing.title}{thing.cost()}")
    if fetch:
        print(f"about {download} MB to download, {disk} MB of disk, and {duration(seconds)}")
        disk_space(home, needed_mb=disk + max(part.scratch_mb for part in fetch))
    sys.stdout.flush()


def duration(seconds: int) -> str:
    """In words; seconds were measured on a fast network, a slow one takes three times as long."""
    if seconds < 30:
        return "less than a minute"
    return f"{max(1, round(seconds / 60))} to {max(2, round(seconds / 20))} minutes"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Problem as problem:
        sys.exit(f"set-up: {problem}")
    except KeyboardInterrupt:
        sys.exit("\nset-up was interrupted; run it again to go on from here")
