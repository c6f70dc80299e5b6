"""The builds of the policy engine for embedders, each in a process that is asked line by line."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from installation import Installation, present

REMEDY = "run `cargo run -p policy-packages`"


def component(installation: Installation) -> Path:
    """The engine as a component."""
    return present(installation.filters.parent / "policy/policy-engine.wasm", REMEDY)


def browser_package(installation: Installation) -> Path:
    """The folder of the engine's package for browsers."""
    return present(installation.filters.parent / "policy/browser", REMEDY)


def component_python(installation: Installation) -> Path:
    """A Python with `wasmtime`."""
    return present(installation.home / "clients/wasmtime/bin/python", "run `make setup`")


def hosts(installation: Installation) -> dict[str, list[object]]:
    """The command of each build's host."""
    here = Path(__file__).parent
    return {
        "component": [
            component_python(installation),
            here / "component_host.py",
            component(installation),
        ],
        "browser": [
            installation.program("node"),
            here / "browser_host.mjs",
            browser_package(installation),
        ],
    }


@dataclass(frozen=True)
class Build:
    """One build of the engine."""

    command: list[object]

    def ask(self, asked: list[dict]) -> list[dict]:
        """The answer to each line, all in one process."""
        lines = "".join(json.dumps(line) + "\n" for line in asked)
        done = subprocess.run(
            [str(word) for word in self.command], input=lines, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(asked), done.stdout
        return answers

    def decide(self, configuration: str, calls: list[dict]) -> list[dict]:
        """The decision about each call, in order, while the clock stands still."""
        questions = [{"call": call, "now": 1_800_000_000_000_000_000} for call in calls]
        (answer,) = self.ask([{"configuration": configuration, "questions": questions}])
        assert "answers" in answer, answer
        return answer["answers"]
