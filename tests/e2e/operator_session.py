"""An operator at a terminal, who types what a page shows and compares what comes back.

A block that begins with three backticks and `console` holds commands, each behind `$ `, with its
further lines behind `> `; the lines after it are what it shows. `…` stands for any text, on a line
of its own for any lines; blanks are as wide as they are. A command succeeds, unless the next one is
`echo $?`.
"""

import contextlib
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from installation import REPOSITORY
from polling import until

PATIENCE = 120
"""Seconds for one command."""
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LOOKS = (
    "status",
    "nodes",
    "servers list",
    "tools list",
    "tools call",
    "tools review",
    "rollout",
    "get",
    "explain",
    "top",
)
"""The commands of `portcullis` that change nothing, and that may be typed until they show it: the
workers of an Envoy take a configuration a moment after the Envoy has acknowledged it.
"""
STEERING = ("rollout pause", "rollout resume", "rollout promote", "rollout abort")
DECISIONS = (" --approve", " --reject")
"""The flags that make a look at the definitions of a tool a change."""


@dataclass
class Command:
    """A command of a page, and the lines that it shows."""

    line: int
    text: str
    shown: list[str] = field(default_factory=list)

    @property
    def only_looks(self) -> bool:
        words = self.text.removeprefix("portcullis ")
        changes = words.startswith(STEERING) or any(flag in words for flag in DECISIONS)
        return words != self.text and words.startswith(LOOKS) and not changes


def commands(page: str) -> list[Command]:
    """Every command of a page, in its order."""
    text = (REPOSITORY / page).read_text()
    found: list[Command] = []
    for block in CONSOLE.finditer(text):
        first = text.count("\n", 0, block.start(1)) + 1
        for number, line in enumerate(block.group(1).splitlines(), first):
            if line.startswith("$ "):
                found.append(Command(number, line[2:]))
            elif line.startswith("> ") and found[-1].shown == []:
                found[-1].text += "\n" + line[2:]
            else:
                found[-1].shown.append(line)
    return found


def fits(output: str, shown: list[str]) -> bool:
    """Whether an output is what a page shows of it."""
    parts = []
    for line in shown:
        if line.strip() == "…":
            parts.append(r"(?:[^\n]*\n)*")
        else:
            words = [r"[^\n]*".join(map(re.escape, word.split("…"))) for word in line.split()]
            parts.append(" ".join(words) + r" ?\n")
    lines = [" ".join(line.split()) for line in output.splitlines()]
    text = "".join(f"{line}\n" for line in lines if line)
    return re.fullmatch("".join(parts), text) is not None


class OperatorSession:
    """A folder, and the environment of a shell in it."""

    def __init__(self, folder: Path, environment: dict[str, str], replaced: dict[str, str]) -> None:
        self.folder = folder
        self.environment = {**os.environ, **environment}
        self.replaced = replaced
        self.last = 0

    def at_its_places(self, text: str) -> str:
        """The text with what this session has in the place of what the page shows."""
        for shown, own in self.replaced.items():
            text = text.replace(shown, own)
        return text

    def type(self, command: Command, *, may_fail: bool) -> None:
        """Types a command, and fails where it shows something else than the page."""
        wrong: str | None = None

        def is_right() -> bool:
            nonlocal wrong
            wrong = self.outcome(command, may_fail)
            return wrong is None

        if command.only_looks:
            with contextlib.suppress(AssertionError):
                until(f"line {command.line}", is_right)
        else:
            is_right()
        assert wrong is None, wrong

    def outcome(self, command: Command, may_fail: bool) -> str | None:
        """What is wrong with the outcome of a command; nothing where it is as the page shows."""
        done = subprocess.run(
            ["bash", "-c", f"(exit {self.last})\n{self.at_its_places(command.text)}"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        shown = [self.at_its_places(line) for line in command.shown]
        if done.returncode and not may_fail:
            return f"line {command.line}: exit code {done.returncode}:\n{done.stdout}"
        if not fits(done.stdout, shown):
            expected = "\n".join(shown)
            return f"line {command.line}: shows\n{done.stdout}\ninstead of\n{expected}"
        self.last = done.returncode
        return None
