"""HTTP/2 over a plain socket, for a client that does not behave."""

import contextlib
import socket
import struct
import threading

DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INITIAL_WINDOW_SIZE = 4


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return (
        struct.pack(">I", len(payload))[1:]
        + bytes([kind, flags])
        + struct.pack(">I", stream)
        + payload
    )


def literal(text: bytes) -> bytes:
    assert len(text) < 127, "longer lengths take several bytes"
    return bytes([len(text)]) + text


class GreedyConnection:
    """A client that asks for much and takes no byte of any answer's body."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.next_stream = 1
        self.ended = False
        """Whether the peer has closed the connection."""
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        no_window = struct.pack(">HI", INITIAL_WINDOW_SIZE, 0)
        greeting = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, no_window)
        self.socket.sendall(greeting + frame(SETTINGS, ACK, 0))
        threading.Thread(target=self._wait_for_end, daemon=True).start()

    def post(self, count: int, body: bytes) -> None:
        """Sends this many POSTs, each on a stream of its own."""
        fields = {
            b":method": b"POST",
            b":scheme": b"http",
            b":path": b"/mcp",
            b":authority": b"127.0.0.1:%d" % self.port,
            b"content-type": b"application/json",
            b"content-length": b"%d" % len(body),
        }
        head = b"".join(b"\0" + literal(name) + literal(value) for name, value in fields.items())
        for _ in range(count):
            stream = self.next_stream
            self.next_stream += 2
            sent = frame(HEADERS, END_HEADERS, stream, head) + frame(DATA, END_STREAM, stream, body)
            self.socket.sendall(sent)

    def close(self) -> None:
        self.socket.close()

    def _wait_for_end(self) -> None:
        with contextlib.suppress(OSError):
            while self.socket.recv(65536):
                pass
        self.ended = True
