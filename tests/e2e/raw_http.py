"""HTTP/1.1 over a plain socket, so that a test decides over every byte and every pause."""

import json
import socket
from dataclasses import dataclass
from http.client import HTTPResponse

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


class Connection:
    """One keep-alive connection to a loopback port."""

    def __init__(self, port: int, timeout: float = 20.0) -> None:
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

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
        """The next answer's head; its body is still to be read."""
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

    def post(self, path: str, headers: Headers, body: bytes) -> Reply:
        return self.request("POST", path, headers, body)

    def post_in_pieces(self, path: str, headers: Headers, pieces: list[bytes]) -> Reply:
        """A chunked body, one chunk and one write for each piece."""
        self.send(self.head("POST", path, [*headers, ("transfer-encoding", "chunked")]))
        for piece in pieces:
            self.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.send(b"0\r\n\r\n")
        return self.reply()

    def closed_by_peer(self) -> bool:
        """Waits for the peer: true if the connection ended without another byte."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
