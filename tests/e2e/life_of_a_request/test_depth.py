"""The deepest schema that compiles, against the deepest message: on the stack that V8 gives the
module.

`filters/policy-engine/tests/depth.rs` does the same natively.
"""

import json

import pytest

from gateway_parameters import in_both_eras
from gateway_under_test import CITY, GatewayUnderTest, answered_by, weather
from mcp_messages import Era, Message, call, has_passed, sentence_of
from recording_upstream import RecordingUpstream
from static_gateway import StaticGateway, example_filter_config, with_tools

# What `policy_engine::MAX_DEPTH` allows at most, message and `params` included.
MAX_DEPTH = 256
BACK = {"properties": {"a": {"$ref": "#"}}, "items": {"$ref": "#"}}
# The longest chain of alternatives on one value that compiles.
CHAIN = 31


def chain(wrap) -> dict:
    schema = BACK
    for _ in range(CHAIN):
        schema = wrap(schema)
    return schema


def nested_properties() -> dict:
    """As deep as a schema's own JSON may be: 100 levels."""
    schema: dict = {"$ref": "#"}
    for _ in range(48):
        schema = {"properties": {"a": schema}}
    return schema


SCHEMAS = {
    "circle": BACK,
    "nested": nested_properties(),
    "once_more": chain(lambda inner: {"required": ["a"], "allOf": [inner]}),
    "tried": chain(lambda inner: {"required": ["a"], "anyOf": [{"required": ["b"]}, inner]}),
    "by_kind": chain(lambda inner: {"anyOf": [{"type": "null"}, inner]}),
    "each_value": {
        "properties": {"a": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}},
        "items": {"oneOf": [{"type": "null"}, {"$ref": "#"}]},
    },
}
DEPTHS = (3, 20, 100, MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 4 * MAX_DEPTH)
# The deepest of these that passes where the schema nests alternatives on each value: there values
# and the alternatives on them count together. Any other message passes as deep as it may be.
DEEPEST_THAT_PASSES = {
    ("once_more", "objects"): 20,
    ("once_more", "arrays"): 20,
    ("tried", "objects"): 20,
}
SHAPES = {"objects": ('{"a":', "}"), "arrays": ("[", "]")}


@pytest.fixture(scope="module")
def running_gateway(installation, tmp_path_factory):
    upstream = RecordingUpstream("weather")
    config = example_filter_config()
    config |= {"max_depth": MAX_DEPTH, "rules": []}
    with_tools(config, "weather", {"get_weather": CITY, "unchecked": {}, **SCHEMAS})
    directory = tmp_path_factory.mktemp("depth")
    ports = {"weather": upstream.port, "math": upstream.port}
    gateway = StaticGateway(installation, directory, ports, config)
    yield GatewayUnderTest(gateway, {"weather": upstream})
    gateway.stop()
    upstream.stop()


@pytest.fixture
def deep_gateway(running_gateway, wire):
    return running_gateway.over(wire)


def nested_call(era: Era, tool: str, depth: int, opening: str, closing: str) -> Message:
    """A call whose message nests so deep: two levels are the message's own."""
    plain = call(era, tool, {"PLACE": 0})
    innermost = "1" if opening.startswith("{") else ""
    value = opening * (depth - 2) + innermost + closing * (depth - 2)
    placeholder = json.dumps({"PLACE": 0}).encode()
    assert placeholder in plain.body
    return plain.with_body(plain.body.replace(placeholder, value.encode(), 1))


@in_both_eras
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tool", [*SCHEMAS, "unchecked"])
def test_it_judges_the_deepest_message_by_the_deepest_schema(deep_gateway, tool, shape, era):
    deepest = DEEPEST_THAT_PASSES.get((tool, shape), MAX_DEPTH)
    for depth in DEPTHS:
        reply = deep_gateway.post(nested_call(era, tool, depth, *SHAPES[shape]))
        if depth > MAX_DEPTH:
            assert reply.status == 400, (depth, reply)
        elif depth <= deepest:
            assert answered_by(reply) == "weather" and has_passed(reply), (depth, reply)
        else:
            # In words: never cut off by a VM that has died.
            assert reply.json["result"]["isError"] is True, (depth, reply)
            assert "takes fewer nested alternatives" in sentence_of(reply)
        assert answered_by(deep_gateway.post(weather(era))) == "weather"
    reloads = deep_gateway.envoy.stats("vm_reload")
    assert reloads and not any(reloads.values()), reloads
