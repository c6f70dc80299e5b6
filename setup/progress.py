"""What the user sees while set-up works: a line when a thing starts, one when it is done, and a
sign of life in between.
"""

import sys
import threading
import time
from pathlib import Path

from home import size_mb

# Between two signs of life: on a terminal the line is overwritten, in a log each one stays.
TERMINAL_BEAT = 1.0
LOG_BEAT = 20.0


class Board:
    """Without `beats` nothing is said in between: something else on the terminal shows life."""

    def __init__(self, beats: bool = True) -> None:
        self._beats = beats
        self._running: dict[str, tuple[float, Path]] = {}
        self._lock = threading.Lock()
        self._terminal = sys.stdout.isatty()
        self._began = time.monotonic()
        self._stop = threading.Event()

    def __enter__(self) -> "Board":
        self._began = time.monotonic()
        if self._beats:
            threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def started(self, title: str, folder: Path) -> None:
        with self._lock:
            self._running[title] = (time.monotonic(), folder)
            self._say(f"[{self._elapsed():4.0f} s] {title}: started")

    def finished(self, title: str, outcome: str) -> None:
        with self._lock:
            began, _ = self._running.pop(title)
            self._say(
                f"[{self._elapsed():4.0f} s] {title}: {outcome} ({time.monotonic() - began:.0f} s)"
            )

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _say(self, line: str) -> None:
        clear = "\r\x1b[K" if self._terminal else ""
        print(f"{clear}{line}", flush=True)

    def _beat(self) -> None:
        while not self._stop.wait(TERMINAL_BEAT if self._terminal else LOG_BEAT):
            with self._lock:
                folders = {title: folder for title, (_, folder) in self._running.items()}
            if not folders:
                continue
            # Outside the lock: counting a large folder takes a while.
            work = ", ".join(f"{title} {size_mb(folder)} MB" for title, folder in folders.items())
            with self._lock:
                if not self._running:
                    continue
                if self._terminal:
                    print(f"\r\x1b[K[{self._elapsed():4.0f} s] {work}"[:150], end="", flush=True)
                else:
                    print(f"[{self._elapsed():4.0f} s] at work: {work}", flush=True)
