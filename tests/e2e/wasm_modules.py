"""WebAssembly modules: a build of the filter under another hash, and small ones written here."""

import hashlib
import json

PREAMBLE = b"\0asm\x01\0\0\0"
I32 = 0x7F
UNREACHABLE = b"\x00"
ZERO = b"\x41\x00"
"""Puts the number 0 on the stack."""

CALLBACKS = {
    "proxy_abi_version_0_2_1": (0, False),
    "proxy_on_memory_allocate": (1, True),
    "proxy_on_context_create": (2, False),
    "proxy_on_vm_start": (2, True),
    "proxy_on_configure": (2, True),
    "proxy_on_request_headers": (3, True),
    "proxy_on_request_body": (3, True),
    "proxy_on_request_trailers": (2, True),
}
"""What Envoy calls: how many numbers it gives, and whether it is given one."""


def sha256(module: bytes) -> str:
    return hashlib.sha256(module).hexdigest()


def another_build(module: bytes, note: str) -> bytes:
    """The same module under another hash: one more custom section changes nothing that runs."""
    return module + section(0, text("note") + note.encode())


def that_traps_at_its_start() -> bytes:
    """A module that says that it is the gateway's own filter, and ends in each callback."""
    return as_own_filter(written(UNREACHABLE))


def that_never_ends() -> bytes:
    """A module that says that it is the gateway's own filter, and never comes back from a
    callback.
    """
    return as_own_filter(written(b"\x03\x40\x0c\x00\x0b" + UNREACHABLE))


def as_own_filter(module: bytes) -> bytes:
    manifest = {"name": "mcp-filter", "version": "0.0.0", "wire_form": 3}
    return module + section(0, text("portcullis.module") + encoded(manifest))


def that_passes_everything() -> bytes:
    """A filter of somebody else's, which does nothing."""
    return written(None)


def encoded(manifest: dict) -> bytes:
    return json.dumps(manifest).encode()


def written(body: bytes | None) -> bytes:
    """A module whose callbacks all do this; without anything, they answer that all is well."""
    kinds = [
        b"\x60" + vector([bytes([I32])] * given) + vector([bytes([I32])] * returns)
        for given, returns in CALLBACKS.values()
    ]
    exports = [text(name) + b"\x00" + number(index) for index, name in enumerate(CALLBACKS)]
    codes = [code(body, name, returns) for name, (_, returns) in CALLBACKS.items()]
    return PREAMBLE + b"".join(
        [
            section(1, vector(kinds)),
            section(3, vector([number(index) for index in range(len(CALLBACKS))])),
            section(5, vector([b"\x00\x01"])),
            section(7, vector([text("memory") + b"\x02\x00", *exports])),
            section(10, vector(codes)),
        ]
    )


def code(body: bytes | None, name: str, returns: bool) -> bytes:
    """A function without local variables."""
    if body is None:
        # The callbacks before a request answer that they have succeeded.
        succeeds = name in ("proxy_on_vm_start", "proxy_on_configure")
        given = b"\x41\x01" if succeeds else ALLOCATED if "allocate" in name else ZERO
        body = given if returns else b""
    function = b"\x00" + body + b"\x0b"
    return number(len(function)) + function


ALLOCATED = b"\x41\x80\x08"
"""Puts the address 1024 on the stack, behind which there are 63 KiB."""


def section(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + number(len(content)) + content


def vector(items: list[bytes]) -> bytes:
    return number(len(items)) + b"".join(items)


def text(words: str) -> bytes:
    return number(len(words)) + words.encode()


def number(value: int) -> bytes:
    """LEB128, unsigned."""
    low, rest = value & 0x7F, value >> 7
    return bytes([low]) if rest == 0 else bytes([low | 0x80]) + number(rest)
