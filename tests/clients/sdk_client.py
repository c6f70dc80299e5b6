"""Drives the client programs of this folder from a test, each in a process of its own."""

import json
import os
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue

HERE = Path(__file__).parent
PYTHON_PROGRAMS = {
    "python": ("python", "call_mcp_2.py"),
    "mcp-1.30": ("mcp-1.30", "call_mcp_1.py"),
    "mcp-1.20": ("mcp-1.20", "call_mcp_1.py"),
    "mcp-1.9": ("mcp-1.9", "call_mcp_1.py"),
    "fastmcp-4": ("fastmcp-4", "call_fastmcp.py"),
    "fastmcp-2": ("mcp-1.30", "call_fastmcp.py"),
    "langchain": ("mcp-1.30", "call_langchain.py"),
    "inspector": ("python", "call_inspector.py"),
}
"""The virtual environment and the program of each client in Python; `call.mjs` is the others'."""


@dataclass(frozen=True)
class Sdk:
    """One client that people use, in one protocol era."""

    name: str
    era: str

    @property
    def label(self) -> str:
        return f"{self.name} {self.era}"

    def command(self, url: str, home: Path) -> list[str]:
        """`url`: also of an event stream, or the path of a program, where the client takes one."""
        if self.name in PYTHON_PROGRAMS:
            environment, program = PYTHON_PROGRAMS[self.name]
            return [
                str(home / "clients" / environment / "bin/python"),
                str(HERE / program),
                url,
                self.era,
            ]
        return [str(home / "bin/node"), str(HERE / "call.mjs"), url, self.era, self.name]


SDKS = [
    Sdk("python", "modern"),
    Sdk("python", "legacy"),
    Sdk("client", "modern"),
    Sdk("client", "legacy"),
    Sdk("sdk", "legacy"),
]
"""The newest official SDKs, in each era that they speak."""
CLIENTS = [
    *SDKS,
    Sdk("mcp-1.30", "legacy"),
    Sdk("mcp-1.20", "legacy"),
    Sdk("mcp-1.9", "legacy"),
    Sdk("fastmcp-4", "modern"),
    Sdk("fastmcp-2", "legacy"),
    Sdk("langchain", "legacy"),
    Sdk("sdk-1.20", "legacy"),
    Sdk("sdk-1.12", "legacy"),
    Sdk("inspector", "legacy"),
    Sdk("mcp-remote", "legacy"),
]
"""Every client of docs/clients.md."""


STARTING = 60.0
"""Seconds until a client is connected; on a busy machine the largest takes 20 to load itself."""
ENDING = 60.0
"""Seconds that a client has to end by itself, and with it the server that it has started."""


class NoAnswer(RuntimeError):
    """A client that ended, or that said nothing until its deadline."""


class SdkClient:
    """A connected client; `ask` sends one line and returns what the client's user saw.

    `deadline` bounds each answer, in seconds. `user_says` is the answer of the client's user to
    every question, `accept` or `decline`; without it the client has none who could be asked.
    """

    def __init__(
        self,
        sdk: Sdk,
        url: str,
        home: Path,
        deadline: float = 60,
        user_says: str | None = None,
    ) -> None:
        environment = {
            **os.environ,
            "NODE": str(home / "bin/node"),
            "NODE_CLIENTS": str(home / "clients/node"),
        }
        if user_says:
            environment["USER_SAYS"] = user_says
        command = sdk.command(url, home)
        for needed in command[:1]:
            if not Path(needed).exists():
                raise FileNotFoundError(f"no `{needed}`: run `make setup`")
        self.sdk = sdk
        self.deadline = deadline
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.lines: Queue[str | None] = Queue()
        self.complaints: list[str] = []
        self.readers = [
            threading.Thread(target=self._collect, daemon=True),
            threading.Thread(
                target=lambda: self.complaints.extend(self.process.stderr), daemon=True
            ),
        ]
        for reader in self.readers:
            reader.start()
        introduced = self._next(STARTING)
        self.protocol = introduced["connected"]
        self.package = introduced["package"]

    def _collect(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def _next(self, deadline: float) -> dict:
        try:
            line = self.lines.get(timeout=deadline)
        except Empty:
            line = None
        if line is None:
            self.close()
            raise NoAnswer(f"{self.sdk.label} gave no answer: {''.join(self.complaints)}")
        return json.loads(line)

    def ask(self, request: dict) -> dict:
        """Sends a request and waits for its outcome. Raises `NoAnswer` when there is none."""
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise NoAnswer(f"{self.sdk.label} has ended: {''.join(self.complaints)}") from error
        return self._next(self.deadline)

    def call(self, tool: str, arguments: dict | None = None) -> dict:
        return self.ask({"call": tool, "arguments": arguments or {}})

    def tools(self) -> list[dict]:
        return self.ask({"list": "tools"})["result"]["tools"]

    def list(self, what: str) -> list[dict]:
        """Lists `resources`, `templates` or `prompts`."""
        key = {"templates": "resourceTemplates"}.get(what, what)
        return self.ask({"list": what})["result"][key]

    def read(self, uri: str) -> dict:
        return self.ask({"read": uri})

    def prompt(self, name: str, arguments: dict | None = None) -> dict:
        return self.ask({"prompt": name, "arguments": arguments or {}})

    def complete(self, ref: dict, argument: dict) -> dict:
        return self.ask({"complete": {"ref": ref, "argument": argument}})

    def close(self) -> None:
        """Ends the client: by the end of its input, and by SIGKILL where that is not enough."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(timeout=ENDING)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for reader in self.readers:
            reader.join(timeout=5)

    def __enter__(self) -> "SdkClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
