"""The gateway that most tests share: its tools, its rules, and what a refusal must leave behind."""

from dataclasses import dataclass

from mcp_messages import Era, Message, call
from raw_http import Connection, Reply
from recording_upstream import Received, RecordingUpstream
from static_gateway import StaticGateway, example_filter_config, with_tools

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


def tools_and_rules() -> dict:
    """Two servers; most tools are open, each `twice_…` has 2 calls a second, `secret` is for a role that nobody has,
    and what is wrong with the arguments of `watched` is only counted."""
    config = example_filter_config()
    limited = {f"twice_{name}": ANYTHING for name in ("modern", "legacy", "counted")}
    limited |= {f"hourly_{era.name.lower()}_{name}": ANYTHING for era in Era for name in "ab"}
    weather_tools = {"get_weather": CITY, "secret": ANYTHING, "note": ANYTHING, "watched": CITY, "forecast": REGION}
    with_tools(config, "weather", {**weather_tools, **limited})
    with_tools(config, "math", {"add": NUMBERS})
    config["roles"] = {"analyst": {"claims": {"groups": ["analysts"]}}}
    config["rules"] = [
        {
            "name": "two-a-second",
            "match": {"server": "weather", "tool": "twice_*"},
            "limits": [{"id": "each", "per": ["tool"], "requests": 2, "window_ms": 1000, "burst": 2}],
        },
        {
            "name": "one-an-hour",
            "match": {"server": "weather", "tool": "hourly_*"},
            "limits": [{"id": "each", "per": ["tool"], "requests": 1, "window_ms": 3_600_000}],
        },
        {"name": "for-analysts", "match": {"tool": "secret"}, "allow": ["analyst"]},
        {"name": "watch", "match": {"tool": "watched"}, "validate": "shadow"},
    ]
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
    """A running gateway and the servers behind it."""

    gateway: StaticGateway
    upstreams: dict[str, RecordingUpstream]

    @property
    def port(self) -> int:
        return self.gateway.port

    def forget(self) -> None:
        for upstream in self.upstreams.values():
            upstream.forget()
            upstream.responder = upstream.say_who_i_am

    def received(self) -> list[Received]:
        """Every complete request that reached any upstream."""
        return [request for upstream in self.upstreams.values() for request in upstream.requests]

    def send_refused(self, message: Message, path: str = "/mcp") -> Reply:
        """Sends what must be refused; asserts that no upstream saw any of it and that the next call works, on a new
        connection and, unless the gateway said that it closes it, on the same one."""
        with Connection(self.port) as connection:
            reply = message.post(connection, path)
            self.check_nothing_passed()
            if reply.headers.get("connection") != "close":
                assert answered_by(weather(Era.LEGACY, "same").post(connection)) == "weather"
        assert answered_by(weather(Era.MODERN, "new").post_once(self.port)) == "weather"
        passed = [request.json["id"] for request in self.received()]
        assert set(passed) <= {"same", "new"}, f"reached an upstream: {self.received()}"
        return reply

    def check_nothing_passed(self) -> None:
        for upstream in self.upstreams.values():
            assert upstream.requests == [], f"reached `{upstream.name}`: {upstream.requests}"
            assert upstream.fragments() == [], f"reached `{upstream.name}` in part: {upstream.fragments()}"
