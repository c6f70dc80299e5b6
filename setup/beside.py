"""A command that runs beside the downloads: the compiler needs the processors, they the network."""

import shlex
import subprocess

from home import Problem


class Beside:
    """Runs one command, whose output is the user's to read; none where no words are given."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        if not self._words or self._process:
            return
        print(shlex.join(self._words), flush=True)
        try:
            self._process = subprocess.Popen(self._words)
        except OSError as error:
            raise Problem(f"cannot run `{self._words[0]}`: {error.strerror}") from error

    def at_work(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait(self) -> list[Problem]:
        """The problem that the command ended with, if it did."""
        if self._process is None or self._process.wait() == 0:
            return []
        return [
            Problem(
                f"`{shlex.join(self._words)}` ended with {self._process.returncode}; "
                "its own words stand above"
            )
        ]

    def stop(self) -> None:
        """Ends the command if it is still at work, since nobody waits for it any more."""
        if self.at_work():
            self._process.terminate()
            self._process.wait()
