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
    """One build of the engine, in its host."""

    host: subprocess.Popen[str]

    @classmethod
    def start(cls, command: list[object]) -> "Build":
        words = [str(word) for word in command]
        pipe = subprocess.PIPE
        return cls(subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True))

    def stop(self) -> None:
        """Ends the host, which must have been able to answer everything."""
        self.host.stdin.close()
        assert self.host.wait() == 0

    def ask(self, asked: dict) -> dict:
        """The answer to one line."""
        self.host.stdin.write(json.dumps(asked) + "\n")
        self.host.stdin.flush()
        line = self.host.stdout.readline()
        assert line, "the host has ended; see what it wrote"
        return json.loads(line)

    def decide(self, configuration: str, calls: list[dict]) -> list[dict]:
        """The decision about each call, in order, while the clock stands still."""
        questions = [{"call": call, "now": 1_800_000_000_000_000_000} for call in calls]
        answer = self.ask({"configuration": configuration, "questions": questions})
        assert "answers" in answer, answer
        return answer["answers"]
