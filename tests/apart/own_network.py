"""A loopback interface that this process and its children have for themselves."""

import ctypes
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

# From <linux/sched.h>, <linux/sockios.h> and <linux/if.h>.
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
IFF_UP = 0x1


def enter_own_network() -> bool:
    """Leaves the machine's network for an empty one; says so where the kernel does not allow it."""
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        entered = unshare(CLONE_NEWNET)
    else:
        entered = unshare(CLONE_NEWUSER | CLONE_NEWNET) and keep_identity(user, group)
    if not entered:
        print(
            "tests share this machine's network: the kernel allows no other. "
            "They use free ports; another `portcullis up` should not run now",
            file=sys.stderr,
        )
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
    return True


def unshare(flags: int) -> bool:
    return ctypes.CDLL(None, use_errno=True).unshare(flags) == 0


def keep_identity(user: int, group: int) -> bool:
    """In the new user namespace we are who we were, not root: PostgreSQL refuses to run as root."""
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    except OSError as error:
        sys.exit(f"cannot keep the identity of user {user} in a network of its own: {error}")
    return True
