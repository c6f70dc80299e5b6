"""Listeners where nobody may call: they accept, remember who spoke what, and hang up."""

import contextlib
import selectors
import socket
import threading

from callers import describe_caller

# Where `make up` listens by default, and PostgreSQL's own port; `docs/operator/running-locally.md`.
USUAL_PORTS = (5432, 6066, 7077, 8000, 8080, 8090, 8091, 9901, 10000, 15002, 18000)
# Seconds that a caller may take for its first bytes, which tell what it is.
PATIENCE = 1.0


class Sentinels:
    """Watches ports of the loopback interface while it is entered; `()` watches none."""

    def __init__(self, ports: tuple[int, ...] = USUAL_PORTS, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._selector = selectors.DefaultSelector()
        self._calls: list[str] = []
        self._listeners = [socket.create_server(("127.0.0.1", port)) for port in ports]
        self._wake, self._woken = socket.socketpair()
        for listener in [*self._listeners, self._woken]:
            self._selector.register(listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Sentinels":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._wake.close()
        self._thread.join()
        for listener in self._listeners:
            listener.close()

    def seen(self) -> list[str]:
        """One line for each connection."""
        return list(self._calls)

    def _watch(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._woken:
                    return
                self._answer(key.fileobj)

    def _answer(self, listener: socket.socket) -> None:
        caller, _ = listener.accept()
        port = listener.getsockname()[1]
        # At once: who hangs up first may be gone soon.
        who = describe_caller(caller)
        said = b""
        with caller, contextlib.suppress(OSError):
            caller.settimeout(self._patience)
            said = caller.recv(200)
        first_line = said.split(b"\r\n")[0].decode(errors="backslashreplace")
        self._calls.append(
            f"a test connected to port {port}, which it did not start, and said `{first_line}`: "
            f"give it an address of its own; it was {who}"
        )
