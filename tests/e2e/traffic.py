"""Callers in tight loops on keep-alive connections, while a test changes something."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from mcp_messages import Message, has_passed
from polling import PATIENCE, until
from raw_http import Connection


@dataclass
class Outcomes:
    """What the callers of one message saw."""

    statuses: Counter = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return self.statuses.total() + len(self.failures)


class Traffic:
    """Within the `with` block each message is sent again and again over `connections` connections
    of its own, to one path; over a new one each time where these are not kept, as a listener that
    changes ends those of before.
    """

    def __init__(
        self,
        port: int,
        messages: dict[str, Message],
        connections: int = 2,
        connect: Callable[[int], Connection] = Connection,
        keeps: bool = True,
        path: str = "/mcp",
    ) -> None:
        self.port = port
        self.path = path
        self.keeps = keeps
        self.connect = connect
        self.outcomes = {name: Outcomes() for name in messages}
        self.stopping = threading.Event()
        self.threads = [
            threading.Thread(target=self._call, args=(message, self.outcomes[name]), daemon=True)
            for name, message in messages.items()
            for _ in range(connections)
        ]

    def _call(self, message: Message, outcomes: Outcomes) -> None:
        connection = self.connect(self.port)
        while not self.stopping.is_set():
            try:
                reply = message.post(connection, self.path)
            # noqa: BLE001 - any failure of a call is what a test wants to know
            except Exception as error:
                outcomes.failures.append(repr(error))
                connection.close()
                connection = self.connect(self.port)
                continue
            if reply.status == 200 and not has_passed(reply):
                # A refusal of a session-based revision has no status of its own.
                outcomes.failures.append(reply.body.decode())
            else:
                outcomes.statuses[reply.status] += 1
            if not self.keeps or reply.headers.get("connection") == "close":
                connection.close()
                connection = self.connect(self.port)
        connection.close()

    def flows(self, calls: int = 100) -> None:
        """Waits until each message has been sent so many times more."""
        wanted = {name: seen.calls + calls for name, seen in self.outcomes.items()}
        until(
            "traffic flows",
            lambda: all(self.outcomes[name].calls >= count for name, count in wanted.items()),
        )

    def check_only(self, statuses: dict[str, set[int]]) -> None:
        """Asserts that no call failed and that each message saw no other status than these."""
        for name, seen in self.outcomes.items():
            assert seen.failures == [], (
                f"{name}: {len(seen.failures)} of {seen.calls} failed: {seen.failures[:3]}"
            )
            assert set(seen.statuses) <= statuses[name], f"{name}: {seen.statuses}"

    def __enter__(self) -> "Traffic":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(timeout=PATIENCE)
