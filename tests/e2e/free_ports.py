"""Loopback ports that this run has for itself.

They lie below the range from which the kernel takes the ports of outgoing connections. A port that
is given away stays bound, without listening, until the run ends: a second run on the same machine
cannot get it, and the program that it is for can still listen on it, as every server that sets
`SO_REUSEADDR` can. Until it does, connections to the port are refused.
"""

import random
import socket

LOWEST, HIGHEST = 20000, 32000
_holders: list[socket.socket] = []


def free_port() -> int:
    """A port that nobody else gets as long as this run lasts."""
    for _ in range(1000):
        holder = socket.socket()
        try:
            # Exclusive while it looks, so that two runs cannot take the same one.
            holder.bind(("127.0.0.1", random.randrange(LOWEST, HIGHEST)))
        except OSError:
            holder.close()
            continue
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _holders.append(holder)
        return holder.getsockname()[1]
    raise RuntimeError("no free loopback port found")
