"""Loopback ports that nobody listens on.

They lie below the range from which the kernel takes the ports of outgoing connections, so that none is lost between
being found and being bound.
"""

import random
import socket

LOWEST, HIGHEST = 20000, 32000
_given: set[int] = set()


def free_port() -> int:
    """A port that this run has not given away before and that could be bound just now."""
    for _ in range(1000):
        port = random.randrange(LOWEST, HIGHEST)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise RuntimeError("no free loopback port found")
