"""Drives `call.py` and `call.mjs` from a test: a client that others wrote, in a process of its own."""

import json
import os
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Sdk:
    """One official SDK in one protocol era."""

    name: str
    era: str

    @property
    def label(self) -> str:
        return f"{self.name} {self.era}"

    def command(self, url: str, home: Path) -> list[str]:
        if self.name == "python":
            return [str(home / "clients/python/bin/python"), str(HERE / "call.py"), url, self.era]
        return [str(home / "bin/node"), str(HERE / "call.mjs"), url, self.era, self.name]


SDKS = [
    Sdk("python", "modern"),
    Sdk("python", "legacy"),
    Sdk("client", "modern"),
    Sdk("client", "legacy"),
    Sdk("sdk", "legacy"),
]


def shown(outcome: dict) -> str:
    """The sentence of a refusal that the user of an SDK, or the model behind it, reads."""
    if "error" in outcome:
        return outcome["error"]["message"]
    assert outcome["result"].get("isError"), outcome
    return outcome["result"]["content"][0]["text"]


class SdkClient:
    """A connected client; `ask` sends one line and returns what the SDK's user saw."""

    def __init__(self, sdk: Sdk, url: str, home: Path, deadline: float = 60) -> None:
        environment = {**os.environ, "NODE_CLIENTS": str(home / "clients/node")}
        command = sdk.command(url, home)
        for needed in command[:1]:
            if not Path(needed).exists():
                raise FileNotFoundError(f"no `{needed}`: run `make setup`")
        self.sdk = sdk
        self.deadline = deadline
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self.lines: Queue[str | None] = Queue()
        self.complaints: list[str] = []
        self.readers = [
            threading.Thread(target=self._collect, daemon=True),
            threading.Thread(target=lambda: self.complaints.extend(self.process.stderr), daemon=True),
        ]
        for reader in self.readers:
            reader.start()
        self.protocol = self._next()["connected"]

    def _collect(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def _next(self) -> dict:
        try:
            line = self.lines.get(timeout=self.deadline)
        except Empty:
            line = None
        if line is None:
            self.close()
            raise RuntimeError(f"{self.sdk.label} gave no answer: {''.join(self.complaints)}")
        return json.loads(line)

    def ask(self, request: dict) -> dict:
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._next()

    def call(self, tool: str, arguments: dict | None = None) -> dict:
        return self.ask({"call": tool, "arguments": arguments or {}})

    def tools(self) -> list[dict]:
        return self.ask({"list": "tools"})["result"]["tools"]

    def close(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for reader in self.readers:
            reader.join(timeout=5)

    def __enter__(self) -> "SdkClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
