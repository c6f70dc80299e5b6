"""The gateway that most tests share: its tools, its rules, and what a refusal must leave behind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from envoy import Envoy
from mcp_messages import Era, Message, call
from raw_http import Connection, Headers, HttpConnection, Reply
from recording_upstream import Received, RecordingUpstream
from static_gateway import StaticGateway, example_filter_config, with_tools

if TYPE_CHECKING:
    from rendered_gateway import RenderedGateway

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 1}},
    "required": ["city"],
    "additionalProperties": False,
}
NUMBERS = {
    "type": "object",
    "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
    "required": ["a", "b"],
    "additionalProperties": False,
}
REGION = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
ANYTHING = {"type": "object"}
MAX_BODY = 1048576
MAX_DEPTH = 128


def tools_of_one_wire(wire: str) -> list[str]:
    """The tools whose limits one version of HTTP uses up."""
    eras = [era.name.lower() for era in Era]
    limited = [f"twice_{wire}_{era}" for era in eras] + [f"hourly_{wire}_counted"]
    return limited + [f"hourly_{wire}_{era}_{name}" for era in eras for name in "ab"]


LIMITED = [tool for wire in ("http1", "http2") for tool in tools_of_one_wire(wire)]
TOOLS = {
    "weather": {
        **{
            "get_weather": CITY,
            "secret": ANYTHING,
            "note": ANYTHING,
            "watched": CITY,
            "forecast": REGION,
        },
        "unread": ANYTHING,
        **{name: ANYTHING for name in LIMITED},
    },
    "math": {"add": NUMBERS},
}


def rules() -> list[dict]:
    """Most tools are open, each `twice_…` has 2 calls a second, each `hourly_…` one an hour,
    `secret` is for a role that nobody has, what is wrong with the arguments of `watched` is only
    counted, and nobody looks at those of `unread`.
    """
    twice = {"id": "each", "per": ["tool"], "requests": 2, "window_ms": 1000, "burst": 2}
    hourly = {"id": "each", "per": ["tool"], "requests": 1, "window_ms": 3_600_000}
    return [
        {
            "name": "two-a-second",
            "match": {"server": "weather", "tool": "twice_*"},
            "limits": [twice],
        },
        {
            "name": "one-an-hour",
            "match": {"server": "weather", "tool": "hourly_*"},
            "limits": [hourly],
        },
        {"name": "for-analysts", "match": {"tool": "secret"}, "allow": ["analyst"]},
        {"name": "watch", "match": {"tool": "watched"}, "validate": "shadow"},
        {"name": "leave-unread", "match": {"tool": "unread"}, "validate": "off"},
    ]


def tools_and_rules() -> dict:
    """The static example's policy with these tools and rules."""
    config = example_filter_config()
    for server, tools in TOOLS.items():
        with_tools(config, server, tools)
    config["roles"] = {"analyst": {"claims": {"groups": ["analysts"]}}}
    config["rules"] = rules()
    return config


def weather(era: Era, id: object = 1) -> Message:
    """A call that is always let through."""
    return call(era, "get_weather", {"city": "Oslo"}, id)


def answered_by(reply: Reply) -> str:
    """The name of the upstream that answered a call."""
    assert reply.status == 200, (reply.status, reply.body)
    return reply.json["result"]["content"][0]["text"].split()[0]


@dataclass(frozen=True)
class GatewayUnderTest:
    """A running gateway, the servers behind it, and the version of HTTP that it is spoken to by."""

    gateway: StaticGateway | RenderedGateway
    upstreams: dict[str, RecordingUpstream]
    wire: type[HttpConnection] = Connection

    @property
    def port(self) -> int:
        return self.gateway.port

    @property
    def forward(self) -> str:
        """The server that gets what is no tool call."""
        return self.gateway.forward

    @property
    def envoy(self) -> Envoy:
        return self.gateway.envoy

    def over(self, wire: type[HttpConnection]) -> GatewayUnderTest:
        return replace(self, wire=wire)

    def connect(self) -> HttpConnection:
        return self.wire(self.port)

    def post(self, message: Message, path: str = "/mcp") -> Reply:
        """Sends a message on a connection of its own."""
        return message.post_once(self.port, path, self.wire)

    def request(
        self, method: str, path: str, headers: Headers = (), body: bytes | None = None
    ) -> Reply:
        """Sends any request on a connection of its own."""
        with self.connect() as connection:
            return connection.request(method, path, list(headers), body)

    def forget(self) -> None:
        for upstream in self.upstreams.values():
            upstream.forget()
            upstream.responder = upstream.say_who_i_am

    def received(self) -> list[Received]:
        """Every complete request that reached any upstream."""
        return [request for upstream in self.upstreams.values() for request in upstream.requests]

    def send_refused(self, message: Message, path: str = "/mcp") -> Reply:
        """Sends what must be refused; asserts that no upstream saw any of it, and that the next
        call works, on a new connection and, unless the gateway said that it closes it, on the same
        one.
        """
        with self.connect() as connection:
            reply = message.post(connection, path)
            self.check_nothing_passed()
            if reply.headers.get("connection") != "close":
                assert answered_by(weather(Era.LEGACY, "same").post(connection)) == "weather"
        assert answered_by(self.post(weather(Era.MODERN, "new"))) == "weather"
        passed = [request.json["id"] for request in self.received()]
        assert set(passed) <= {"same", "new"}, f"reached an upstream: {self.received()}"
        self.check_no_part_passed()
        return reply

    def check_nothing_passed(self) -> None:
        for upstream in self.upstreams.values():
            assert upstream.requests == [], f"reached `{upstream.name}`: {upstream.requests}"
        self.check_no_part_passed()

    def check_no_part_passed(self) -> None:
        """A part may be on its way for a moment: tests ask again once a later call has passed."""
        for upstream in self.upstreams.values():
            parts = [*upstream.fragments(), *upstream.broken_off]
            assert parts == [], f"reached `{upstream.name}` in part: {parts}"
