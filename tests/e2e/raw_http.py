"""HTTP/1.1 over a plain socket, so that a test decides over every byte and every pause; and what it
has in common with HTTP/2 (`raw_http2.py`).
"""

import json
import socket
import struct
from abc import ABC, abstractmethod
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import ClassVar, Self

from polling import PATIENCE

Headers = list[tuple[str, str | bytes]]


@dataclass(frozen=True)
class Reply:
    """An answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)


def as_bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


class HttpConnection(ABC):
    """One keep-alive connection to a loopback port, by either version of HTTP."""

    label: ClassVar[str]
    """The version, as names of tests and of their tools have it."""

    def __init__(self, port: int, timeout: float = PATIENCE) -> None:
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @abstractmethod
    def request(self, method: str, path: str, headers: Headers, body: bytes | None = None) -> Reply:
        """Sends a request in one piece and reads its answer."""

    @abstractmethod
    def begin_post(self, path: str, headers: Headers, length: int | None = None) -> None:
        """Sends the head of a POST; its body follows by `send_part`.

        Without a `length` nothing announces how much.
        """

    @abstractmethod
    def send_part(self, part: bytes) -> None:
        """Sends the next bytes of the body that was begun, unless it has been answered."""

    @abstractmethod
    def end_post(self) -> None:
        """Ends the body that was begun."""

    @abstractmethod
    def begin_reply(self, method: str = "POST"):
        """The next answer's head, by `getheader`; its body is still to be read, by `readline`."""

    @abstractmethod
    def reply(self, method: str = "POST") -> Reply:
        """The next answer."""

    @abstractmethod
    def reset(self) -> None:
        """Breaks off what was begun, as a client does that crashes."""

    def post(self, path: str, headers: Headers, body: bytes) -> Reply:
        return self.request("POST", path, headers, body)

    def post_in_pieces(self, path: str, headers: Headers, pieces: list[bytes]) -> Reply:
        """A body whose length nothing announces, one write for each piece."""
        self.begin_post(path, headers)
        for piece in pieces:
            self.send_part(piece)
        self.end_post()
        return self.reply()

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Connection(HttpConnection):
    """One connection of HTTP/1.1."""

    label = "http1"
    chunked = False
    """Whether the body that was begun is."""

    def head(self, method: str, path: str, headers: Headers) -> bytes:
        """The head of a request; `Host` is added unless given."""
        if not any(name.lower() == "host" for name, _ in headers):
            headers = [("host", f"127.0.0.1:{self.port}"), *headers]
        lines = [f"{method} {path} HTTP/1.1".encode()]
        lines += [name.encode() + b": " + as_bytes(value) for name, value in headers]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def begin_reply(self, method: str = "POST") -> HTTPResponse:
        response = HTTPResponse(self.socket, method=method)
        response.begin()
        return response

    def reply(self, method: str = "POST") -> Reply:
        response = self.begin_reply(method)
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, headers, response.read())

    def request(self, method: str, path: str, headers: Headers, body: bytes | None = None) -> Reply:
        length = [] if body is None else [("content-length", str(len(body)))]
        self.send(self.head(method, path, [*headers, *length]) + (body or b""))
        return self.reply(method)

    def begin_post(self, path: str, headers: Headers, length: int | None = None) -> None:
        self.chunked = length is None
        more = ("transfer-encoding", "chunked")
        if length is not None:
            more = ("content-length", str(length))
        self.send(self.head("POST", path, [*headers, more]))

    def send_part(self, part: bytes) -> None:
        self.send(b"%x\r\n%s\r\n" % (len(part), part) if self.chunked else part)

    def end_post(self) -> None:
        if self.chunked:
            self.send(b"0\r\n\r\n")

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def closed_by_peer(self) -> bool:
        """Waits for the peer: true if the connection ended without another byte."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True
