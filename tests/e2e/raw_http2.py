"""HTTP/2 over a plain socket, so that a test decides over every frame and every pause."""

import select
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes

from mcp_messages import Message
from polling import PATIENCE
from raw_http import Headers, HttpConnection, Reply, as_bytes


@dataclass
class Answer:
    """What has come of an answer so far."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False
    reset: int | None = None

    @property
    def is_over(self) -> bool:
        return self.ended or self.reset is not None

    def whole(self) -> Reply:
        """Raises ConnectionResetError where the answer was broken off, or never began."""
        if not self.ended:
            raise ConnectionResetError(f"the stream was reset with code {self.reset}")
        headers = {name: value for name, value in self.headers.items() if name[0] != ":"}
        return Reply(int(self.headers[":status"]), headers, self.body)


class AnswerAsItComes:
    """An answer whose head has come; `readline` waits for the rest."""

    def __init__(self, connection: "Http2Connection", answer: Answer) -> None:
        self.connection = connection
        self.answer = answer
        self.read = 0

    def getheader(self, name: str) -> str | None:
        return self.answer.headers.get(name)

    def readline(self) -> bytes:
        """The next line with its end; nothing after the last."""
        while True:
            end = self.answer.body.find(b"\n", self.read) + 1
            if not end and self.answer.ended:
                end = len(self.answer.body)
            if end or self.answer.is_over:
                line, self.read = self.answer.body[self.read : end], max(self.read, end)
                return line
            self.connection.receive()


class Http2Connection(HttpConnection):
    """One connection of HTTP/2, without TLS and without asking first."""

    label = "http2"

    def __init__(self, port: int, timeout: float = PATIENCE, takes_bodies: bool = True) -> None:
        """A client that does not take bodies gives no answer's body any room."""
        super().__init__(port, timeout)
        # What is wrong in a request is for the gateway to say.
        configuration = H2Configuration(
            validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self.state = H2Connection(configuration)
        self.answers: dict[int, Answer] = {}
        self.stream = 0
        """The stream of the request that was begun last."""
        self.ended = False
        """Whether the peer has closed the connection."""
        self.state.initiate_connection()
        if not takes_bodies:
            self.state.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        self._flush()

    def request(self, method: str, path: str, headers: Headers, body: bytes | None = None) -> Reply:
        self.begin_request(method, path, headers, body)
        return self.reply()

    def begin_request(
        self, method: str, path: str, headers: Headers, body: bytes | None = None
    ) -> int:
        """Sends a whole request without waiting for its answer, and gives its stream."""
        if body is None:
            self._begin(method, path, headers, ends=True)
            self._flush()
        else:
            self._begin(method, path, [*headers, ("content-length", str(len(body)))])
            self._send(body, ends=True)
        return self.stream

    def post_at_once(self, messages: list[Message], path: str = "/mcp") -> list[Reply]:
        """All messages at the same time; their answers in order."""
        streams = [self.begin_request("POST", path, one.headers, one.body) for one in messages]
        return [self._whole(stream) for stream in streams]

    def post_with_trailers(
        self, path: str, headers: Headers, body: bytes, trailers: Headers
    ) -> Reply:
        self.begin_post(path, headers)
        self._send(body)
        self.state.send_headers(self.stream, encoded(trailers), end_stream=True)
        self._flush()
        return self.reply()

    def begin_post(self, path: str, headers: Headers, length: int | None = None) -> None:
        announced = [] if length is None else [("content-length", str(length))]
        self._begin("POST", path, [*headers, *announced])
        self._flush()

    def send_part(self, part: bytes) -> None:
        self._send(part)

    def end_post(self) -> None:
        self._send(b"", ends=True)

    def begin_reply(self, method: str = "POST") -> AnswerAsItComes:
        answer = self.answers[self.stream]
        while not answer.headers and not answer.is_over:
            self.receive()
        return AnswerAsItComes(self, answer)

    def reply(self, method: str = "POST") -> Reply:
        return self._whole(self.stream)

    def reset(self) -> None:
        self.state.reset_stream(self.stream, ErrorCodes.CANCEL)
        self._flush()

    def forget_how_many_streams_the_peer_takes(self) -> None:
        self.state.remote_settings.max_concurrent_streams = 2**31 - 1
        self.state.remote_settings.acknowledge()

    def has_been_closed(self) -> bool:
        """Takes what has come meanwhile: whether the peer closed the connection with it."""
        while not self.ended and select.select([self.socket], [], [], 0)[0]:
            self.receive()
        return self.ended

    def receive(self) -> None:
        """Waits for the next bytes of the peer."""
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self._end()
            return
        for event in self.state.receive_data(data):
            self._take(event)
        self._flush()

    def _begin(self, method: str, path: str, headers: Headers, ends: bool = False) -> None:
        pseudo = {":method": method, ":scheme": "http", ":path": path}
        pseudo[":authority"] = f"127.0.0.1:{self.port}"
        rest = []
        for name, value in headers:
            if name.lower() == "host":
                pseudo[":authority"] = value
            else:
                rest.append((name, value))
        self.stream = self.state.get_next_available_stream_id()
        self.answers[self.stream] = Answer()
        self.state.send_headers(self.stream, encoded([*pseudo.items(), *rest]), end_stream=ends)

    def _send(self, data: bytes, ends: bool = False) -> None:
        answer = self.answers[self.stream]
        while not answer.is_over:
            room = min(
                self.state.local_flow_control_window(self.stream),
                self.state.max_outbound_frame_size,
            )
            if data and not room:
                self.receive()
                continue
            piece, data = data[:room], data[room:]
            self.state.send_data(self.stream, piece, end_stream=ends and not data)
            if not data:
                break
        self._flush()

    def _whole(self, stream: int) -> Reply:
        answer = self.answers[stream]
        while not answer.is_over:
            self.receive()
        return answer.whole()

    def _take(self, event: Event) -> None:
        match event:
            case ResponseReceived():
                named = {name.decode(): value.decode() for name, value in event.headers}
                self.answers[event.stream_id].headers = named
            case DataReceived():
                self.answers[event.stream_id].body += event.data
                self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamEnded():
                self.answers[event.stream_id].ended = True
            case StreamReset():
                self.answers[event.stream_id].reset = event.error_code
            case ConnectionTerminated():
                self._end()

    def _end(self) -> None:
        self.ended = True
        for answer in self.answers.values():
            if not answer.ended:
                answer.reset = ErrorCodes.CONNECT_ERROR

    def _flush(self) -> None:
        data = self.state.data_to_send()
        if data and not self.ended:
            self.socket.sendall(data)


def encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), as_bytes(value)) for name, value in headers]
