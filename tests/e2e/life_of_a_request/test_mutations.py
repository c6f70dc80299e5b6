"""Bodies with random damage: whatever still reaches an upstream is one readable message that the
policy allows.
"""

import json
import random

import pytest

from gateway_parameters import in_both_eras
from gateway_under_test import answered_by, weather
from mcp_messages import Era, Message, call

ROUNDS = 400
PIECES = [
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\\u006",
    b'"name":"secret",',
    b'"secret"',
    b"\x00",
    b"\xff",
    b" ",
    b"1e9",
]


def damaged(body: bytes, random: random.Random) -> bytes:
    """One to three changes: a byte flipped, removed or inserted, a slice repeated or moved."""
    changed = bytearray(body)
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(changed))
        match random.randrange(5):
            case 0:
                changed[at] ^= 1 << random.randrange(8)
            case 1:
                del changed[at]
            case 2:
                changed[at:at] = random.choice(PIECES)
            case 3:
                end = min(len(changed), at + random.randint(1, 40))
                changed[at:at] = changed[at:end]
            case 4:
                end = min(len(changed), at + random.randint(1, 40))
                piece = changed[at:end]
                del changed[at:end]
                where = random.randrange(len(changed) + 1)
                changed[where:where] = piece
    return bytes(changed)


def read_strictly(body: bytes) -> dict:
    """Parses JSON as a careful server would: a repeated key anywhere is an error."""

    def unique(pairs: list) -> dict:
        assert len({key for key, _ in pairs}) == len(pairs), f"a key occurs twice in {body!r}"
        return dict(pairs)

    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=unique)
    except ValueError as error:
        raise AssertionError(f"no JSON: {body!r}") from error


@in_both_eras
@pytest.mark.parametrize("seed", range(2))
def test_it_passes_only_what_the_policy_allows(gateway, era, seed):
    chance = random.Random(f"{era.name} {seed}")
    originals: list[Message] = [
        weather(era),
        call(era, "secret", {"city": "Oslo"}),
        call(era, "get_weather", {"city": 7}),
        call(era, "note", {"name": "secret", "arguments": [{"a": None}, 1.5e3, "\\u0073"]}),
    ]
    connection = gateway.connect()
    for round in range(ROUNDS):
        message = originals[round % len(originals)]
        reply = message.with_body(damaged(message.body, chance)).post(connection)
        assert reply.status < 500, (reply.status, reply.body)
        if reply.headers.get("connection") == "close":
            connection.close()
            connection = gateway.connect()
    connection.close()
    for received in gateway.received():
        message = read_strictly(received.body)
        assert message["jsonrpc"] == "2.0"
        if message.get("method") == "tools/call":
            tool, arguments = message["params"]["name"], message["params"].get("arguments", {})
            assert tool in ("get_weather", "note", "add"), received.body
            if tool == "get_weather":
                assert (
                    set(arguments) == {"city"}
                    and isinstance(arguments["city"], str)
                    and arguments["city"]
                )
    assert answered_by(gateway.post(weather(era))) == "weather"


def test_it_sees_damage_mild_enough_to_pass_sometimes(gateway):
    """A test that only ever sees refusals would prove little."""
    chance = random.Random("mild")
    for _ in range(ROUNDS):
        message = call(Era.LEGACY, "note", {"text": "x" * 200})
        gateway.post(message.with_body(damaged(message.body, chance)))
    assert len(gateway.received()) > ROUNDS // 10
