"""Child processes of a test run: their own process groups, logs in files, none outlives the run."""

import ctypes
import os
import signal
import subprocess
from pathlib import Path

_SET_PARENT_DEATH_SIGNAL = 1
_libc = ctypes.CDLL(None)


def _prepare_child(cores: set[int] | None) -> None:
    """Runs in the child before the program: the program dies with its parent and stays on its
    cores.
    """
    _libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if cores:
        os.sched_setaffinity(0, cores)


class Process:
    """A started program. Its output goes to `log`; a failing test shows the end of it."""

    running: list["Process"] = []

    def __init__(
        self,
        name: str,
        command: list[str | Path],
        directory: Path,
        environment: dict[str, str] | None = None,
        cores: set[int] | None = None,
    ) -> None:
        """`environment` is added to our own; `cores` pins the program, for measurements.

        It runs in `directory`, so that it finds no `.env` of whoever runs the tests.
        """
        self.name = name
        self.cores = cores
        self.command = [str(part) for part in command]
        self.environment = {**os.environ, **(environment or {})}
        self.directory = directory
        self.log = directory / f"{name}.log"
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=self.environment,
                start_new_session=True,
                preexec_fn=lambda: _prepare_child(self.cores),
            )
        Process.running.append(self)

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def alive(self) -> bool:
        return self.child.poll() is None

    def check_alive(self) -> None:
        """Raises AssertionError with the end of the log if the program has ended."""
        assert self.alive, (
            f"{self.name} ended with status {self.child.returncode}:\n{self.log_end(4000)}"
        )

    def log_end(self, size: int = 8000) -> str:
        return self.log.read_text(errors="replace")[-size:]

    def kill(self) -> None:
        """SIGKILL, as a crash; the program can be started again."""
        self._signal(signal.SIGKILL)
        self.child.wait()
        self._forget()

    def stop(self, patience: float = 15.0) -> None:
        """SIGTERM, and SIGKILL for what is left of the group after `patience` seconds."""
        self._signal(signal.SIGTERM)
        try:
            self.child.wait(patience)
        except subprocess.TimeoutExpired:
            pass
        self._signal(signal.SIGKILL)
        self.child.wait()
        self._forget()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass

    def _forget(self) -> None:
        if self in Process.running:
            Process.running.remove(self)
