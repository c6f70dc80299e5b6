"""The process at the other end of a connection on this machine, as the kernel tells of it."""

import contextlib
import os
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path

PROCESSES = Path("/proc")
# pytest names the test in hand in its environment, which the programs that it starts inherit.
CURRENT_TEST = b"PYTEST_CURRENT_TEST="
# A program with its settings: enough to recognise it and the test that started it.
MOST_CHARACTERS = 300


def describe_caller(connection: socket.socket) -> str:
    """Who called: the test, where the caller was started by pytest, and the caller's command with
    those of the processes above it, up to our own. nextest runs each test in a process whose
    command names it.
    """
    caller = process_of(connection.getpeername()[1], connection.getsockname()[1])
    if caller is None:
        return "a process that is gone"
    processes = [caller, *ancestors(caller)]
    commands = " under ".join(f"`{command(process)}`" for process in processes)
    test = next(filter(None, map(current_test, processes)), None)
    return f"{commands} in {test}" if test else commands


def process_of(port: int, peer: int) -> int | None:
    """The process that has the TCP socket of this port, connected to that of `peer`."""
    for line in (PROCESSES / "self/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, *_, inode = line.split()[:10]
        if local.endswith(f":{port:04X}") and remote.endswith(f":{peer:04X}"):
            return process_with(f"socket:[{inode}]")
    return None


def process_with(file: str) -> int | None:
    for entry in PROCESSES.glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(entry) == file:
                return int(entry.parts[2])
    return None


def ancestors(process: int) -> Iterator[int]:
    """The processes above this one, below our own."""
    with contextlib.suppress(OSError):
        while True:
            status = (PROCESSES / str(process) / "stat").read_text()
            # The name before it stands in parentheses and may hold anything.
            process = int(status.rpartition(")")[2].split()[1])
            if process in (0, 1, os.getpid()):
                return
            yield process


def command(process: int) -> str:
    with contextlib.suppress(OSError):
        words = (PROCESSES / str(process) / "cmdline").read_bytes().split(b"\0")[:-1]
        text = shlex.join(word.decode(errors="backslashreplace") for word in words)
        return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
    return "?"


def current_test(process: int) -> str | None:
    with contextlib.suppress(OSError):
        for variable in (PROCESSES / str(process) / "environ").read_bytes().split(b"\0"):
            if variable.startswith(CURRENT_TEST):
                return variable.removeprefix(CURRENT_TEST).decode(errors="backslashreplace")
    return None
