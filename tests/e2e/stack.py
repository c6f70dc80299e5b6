"""Everything, as `portcullis up` brings it up: PostgreSQL, Spark, control plane, data server and
Envoy, on free ports.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from free_ports import free_port
from installation import Installation
from polling import until
from processes import Process
from raw_http import Connection

READY = 240.0
"""Seconds; Spark and a first PostgreSQL cluster take most of them."""
AGAIN = 180.0
"""Seconds until a program that was killed runs again: the supervisor itself waits a minute before
it starts one that has ended many times in a row.
"""


class Stack:
    """A running `portcullis up` with a data folder of its own; ready once constructed."""

    def __init__(self, installation: Installation, directory: Path) -> None:
        # PostgreSQL runs as another user when we are root, and must be able to enter the folder.
        self.data = Path(tempfile.mkdtemp(prefix="portcullis-"))
        self.data.chmod(0o755)
        self.gateway_port = free_port()
        self.rest_port = free_port()
        self.server_port = free_port()
        self.envoy_admin_port = free_port()
        environment = {
            "PORTCULLIS_HOME": str(installation.home),
            "PORTCULLIS_DATA": str(self.data),
            "CONTROL_PLANE_MODULE": str(installation.module),
            "GATEWAY_ADDRESS": f"127.0.0.1:{self.gateway_port}",
            "CONTROL_PLANE_REST_ADDRESS": f"127.0.0.1:{self.rest_port}",
            "MCP_SERVER_ADDRESS": f"127.0.0.1:{self.server_port}",
            "ENVOY_ADMIN_ADDRESS": f"127.0.0.1:{self.envoy_admin_port}",
            "CONTROL_PLANE_XDS_ADDRESS": f"127.0.0.1:{free_port()}",
            # Every call of a client that says it can follow tasks becomes one, however quick.
            "MCP_TASK_AFTER_MS": "0",
        }
        for part in ("", "REST_", "MASTER_UI_", "WORKER_UI_", "CONNECT_", "DRIVER_UI_"):
            environment[f"PORTCULLIS_SPARK_{part}PORT"] = str(free_port())
        for program in ("control-plane", "mcp-server"):
            installation.binary(program)
        self.process = Process(
            "portcullis-up", [installation.binary("portcullis"), "up"], directory, environment
        )
        try:
            until("the whole stack is ready", self._is_ready, READY)
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """The MCP endpoint of the gateway."""
        return f"http://127.0.0.1:{self.gateway_port}/mcp"

    @property
    def event_stream_url(self) -> str:
        """The event stream of the gateway, for clients that know no newer transport."""
        return f"http://127.0.0.1:{self.gateway_port}/sse"

    def configuration(self) -> list[dict]:
        """The hash of the configuration that Envoy's workers have taken, as its statistics show."""
        with Connection(self.envoy_admin_port) as connection:
            path = "/stats?format=json&filter=portcullis_configuration"
            return connection.request("GET", path, []).json["stats"]

    def environment_of(self, program: str) -> dict[str, str]:
        """The variables that one of our programs was started with."""
        pid = until(f"`{program}` runs", lambda: self.pid_of(program))
        pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        return dict(os.fsdecode(pair).split("=", 1) for pair in pairs if pair)

    @property
    def announcement(self) -> str:
        """What `portcullis up` prints once a tool call has come back through the gateway; nothing
        before.
        """
        _, ready, announcement = self.process.log_end(100_000).partition("\nready in ")
        return ready + announcement

    def _is_ready(self) -> bool:
        self.process.check_alive()
        return "Ctrl-C" in self.announcement

    def kill(self, program: str) -> None:
        """SIGKILL to one of our programs; returns when the supervisor has started it again."""
        pid = until(f"`{program}` runs", lambda: self.pid_of(program))
        os.kill(pid, signal.SIGKILL)
        until(f"`{program}` runs again", lambda: self.pid_of(program) not in (None, pid), AGAIN)

    @contextmanager
    def killed(self, program: str) -> Iterator[None]:
        """SIGKILL to one of our programs, which the supervisor starts again only afterwards."""
        pid = until(f"`{program}` runs", lambda: self.pid_of(program))
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            os.kill(pid, signal.SIGKILL)
            until(f"`{program}` is gone", lambda: self.pid_of(program) is None)
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)
        until(f"`{program}` runs again", lambda: self.pid_of(program) not in (None, pid), AGAIN)

    @contextmanager
    def frozen(self, program: str) -> Iterator[None]:
        """Holds one of our programs still: its connections stay open, and nothing is answered."""
        pid = until(f"`{program}` runs", lambda: self.pid_of(program))
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def pid_of(self, program: str) -> int | None:
        """The process of a program that the stack runs; Java's is named by its class."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and self._runs(entry, program):
                return int(entry.name)
        return None

    def _runs(self, entry: Path, program: str) -> bool:
        try:
            parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
            words = [os.fsdecode(word) for word in (entry / "cmdline").read_bytes().split(b"\0")]
        except OSError:
            return False
        is_program = Path(words[0]).name == program or program in words[1:]
        return int(parent) == self.process.pid and is_program

    def log(self, program: str) -> str:
        """Everything that a program has logged."""
        return (self.data / f"logs/{program}.log").read_text(errors="replace")

    def logs(self) -> str:
        """The end of every program's log."""
        ends = [
            f"--- {log.name}\n{log.read_text(errors='replace')[-1000:]}"
            for log in self.data.glob("logs/*.log")
        ]
        return "\n".join(ends)

    def stop(self) -> None:
        """Stops everything in order and forgets its data."""
        self.process.stop(patience=60)
        shutil.rmtree(self.data, ignore_errors=True)
