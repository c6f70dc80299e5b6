"""An MCP server that records every byte that reached it, complete requests and fragments alike."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from mcp_answers import result_of


@dataclass(frozen=True)
class Received:
    """One complete request."""

    method: str
    path: str
    headers: list[tuple[str, bytes]]
    body: bytes

    def header(self, name: str) -> bytes | None:
        values = [value for key, value in self.headers if key == name]
        assert len(values) < 2, f"`{name}` arrived {len(values)} times"
        return values[0] if values else None

    @property
    def json(self) -> dict:
        return json.loads(self.body)

    @property
    def readable(self) -> dict:
        """The message, or nothing where the body is none: a server answers even what should never
        have reached it.
        """
        try:
            return self.json
        except ValueError:
            return {}


class Exchange:
    """What a responder writes its answer to."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer

    def answer(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        head = (
            f"HTTP/1.1 {status} Answer\r\ncontent-type: {content_type}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        self.peer.sendall(head.encode() + body)

    def begin_events(self) -> None:
        head = (
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        self.peer.sendall(head)

    def event(self, message: dict) -> None:
        text = f"data: {json.dumps(message)}\n\n".encode()
        self.peer.sendall(b"%x\r\n%s\r\n" % (len(text), text))

    def end_events(self) -> None:
        self.peer.sendall(b"0\r\n\r\n")


def answers_with(tools: list[dict]) -> "Responder":
    """A server with a catalogue: lists these tools, and answers a call with the tool's name and
    arguments.
    """

    def respond(received: Received, exchange: Exchange) -> None:
        message = received.readable
        if "id" not in message:
            exchange.answer(202 if received.method == "POST" else 405, b"")
            return
        result = result_of(message, tools)
        if message.get("method") == "tools/call":
            text = json.dumps([message["params"]["name"], message["params"].get("arguments")])
            result = {"content": [{"type": "text", "text": text}], "resultType": "complete"}
        reply = {"jsonrpc": "2.0", "id": message["id"], "result": result}
        if result is None:
            reply["error"] = {"code": -32601, "message": "method not found"}
            del reply["result"]
        exchange.answer(404 if result is None else 200, json.dumps(reply).encode())

    return respond


Responder = Callable[[Received, Exchange], None]


class RecordingUpstream:
    """Listens on a loopback port, a free one if none is given, until stopped; a thread for each
    connection.
    """

    def __init__(self, name: str, port: int = 0) -> None:
        self.name = name
        self.responder: Responder = self.say_who_i_am
        self.lock = threading.Lock()
        self.requests: list[Received] = []
        self.unfinished: dict[int, bytes] = {}
        self.broken_off: list[bytes] = []
        """What had arrived of requests whose connections then ended."""
        self.peers: list[socket.socket] = []
        self.reads = threading.Event()
        """Cleared, it reads no more than it has begun to, as a server that hangs."""
        self.reads.set()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def say_who_i_am(self, received: Received, exchange: Exchange) -> None:
        """Answers a request with a tool result that names this server and the method, a
        notification with 202.
        """
        message = received.readable
        if "id" not in message:
            exchange.answer(202, b"")
            return
        text = f"{self.name} answers {message.get('method')}"
        result = {"content": [{"type": "text", "text": text}], "resultType": "complete"}
        exchange.answer(
            200, json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
        )

    def forget(self) -> None:
        """From here on only what arrives later counts."""
        with self.lock:
            self.requests.clear()
            self.broken_off.clear()
            self.unfinished = {key: b"" for key in self.unfinished}

    def calls(self) -> list[Received]:
        """The tool calls among the complete requests; control planes and clients also list and
        connect.
        """
        with self.lock:
            return [one for one in self.requests if one.readable.get("method") == "tools/call"]

    def fragments(self) -> list[bytes]:
        """What arrived of requests that are not complete."""
        with self.lock:
            return [data for data in self.unfinished.values() if data]

    def stop(self) -> None:
        """As a server that crashes: nobody listens any more, and open connections end.

        Does nothing the second time.
        """
        self.reads.set()
        with self.lock:
            ended, self.peers = [self.listener, *self.peers], []
        for one in ended:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.peers.append(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        held = b""
        try:
            while True:
                parsed = parse_request(held)
                if parsed:
                    received, held = parsed
                    with self.lock:
                        self.requests.append(received)
                        self.unfinished[id(peer)] = held
                    self.responder(received, Exchange(peer))
                    continue
                self.reads.wait()
                data = peer.recv(65536)
                if not data:
                    return
                held += data
                with self.lock:
                    self.unfinished[id(peer)] = held
        except OSError:
            return
        finally:
            peer.close()
            if held:
                with self.lock:
                    self.broken_off.append(held)


def parse_request(held: bytes) -> tuple[Received, bytes] | None:
    """The first complete request of `held` and what follows it, or nothing yet."""
    head, separator, rest = held.partition(b"\r\n\r\n")
    if not separator:
        return None
    first, *lines = head.split(b"\r\n")
    method, path, _ = first.decode("latin-1").split(" ")
    headers = []
    for line in lines:
        name, _, value = line.partition(b":")
        headers.append((name.decode("latin-1").lower(), value.strip()))
    fields = dict(headers)
    if fields.get("transfer-encoding", b"").lower() == b"chunked":
        dechunked = parse_chunks(rest)
        if dechunked is None:
            return None
        body, rest = dechunked
    else:
        length = int(fields.get("content-length", b"0"))
        if len(rest) < length:
            return None
        body, rest = rest[:length], rest[length:]
    return Received(method, path, headers, body), rest


def parse_chunks(data: bytes) -> tuple[bytes, bytes] | None:
    body = b""
    while True:
        line, separator, data = data.partition(b"\r\n")
        if not separator:
            return None
        size = int(line.split(b";")[0], 16)
        if len(data) < size + 2:
            return None
        body, data = body + data[:size], data[size + 2 :]
        if size == 0:
            return body, data
