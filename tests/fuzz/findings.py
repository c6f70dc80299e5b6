"""Judges what `mcp-fuzzer` finds: it counts every answer to an aggressive run as a finding, also
where the input happened to be well-formed.

An input is malformed here when it does not fit the schema of its tool, or, of another method, what
the specification demands of its params.
"""

from jsonschema import Draft202012Validator

STRING = {"type": "string"}
IMPLEMENTATION = {"type": "object", "properties": {"name": STRING, "version": STRING}}
DEMANDED = {
    "initialize": {
        "type": "object",
        "properties": {
            # A server answers a revision that it does not know with one that it does.
            "protocolVersion": STRING,
            "capabilities": {"type": "object"},
            "clientInfo": {**IMPLEMENTATION, "required": ["name", "version"]},
        },
        "required": ["protocolVersion", "capabilities", "clientInfo"],
    },
    "ping": {"type": ["object", "null"]},
    "tools/list": {"type": ["object", "null"]},
    "prompts/list": {"type": ["object", "null"]},
    "resources/list": {"type": ["object", "null"]},
    "resources/templates/list": {"type": ["object", "null"]},
    "resources/read": {"type": "object", "properties": {"uri": STRING}, "required": ["uri"]},
    "prompts/get": {
        "type": "object",
        "properties": {
            "name": STRING,
            "arguments": {"type": "object", "additionalProperties": STRING},
        },
        "required": ["name"],
    },
    "completion/complete": {
        "type": "object",
        "properties": {
            "ref": {"type": "object", "required": ["type"]},
            "argument": {"type": "object", "required": ["name", "value"]},
        },
        "required": ["ref", "argument"],
    },
}
"""The params that each method demands."""
HARMLESS = {"injection_reflection"}
"""An error quotes what it refuses, in JSON for programs: that is how a caller finds it."""


def grave(findings: list[dict], tools: dict[str, dict]) -> list[dict]:
    """The findings that tell of a fault; `tools` has the schema of each tool's arguments."""
    return [one for one in findings if is_grave(one, tools)]


def is_grave(finding: dict, tools: dict[str, dict]) -> bool:
    if finding["category"] in HARMLESS:
        return False
    if finding["category"] != "accepted_malformed":
        return True
    given = finding["evidence"].get("input")
    if finding["kind"] == "tool":
        return not fits(given, tools.get(finding["target"], False))
    if not isinstance(given, dict) or not isinstance(given.get("method"), str):
        return True
    if "id" not in given:
        # Nobody answers a notification, whatever is in it.
        return False
    method, params = given["method"], given.get("params")
    if method == "tools/call":
        call = params if isinstance(params, dict) else {}
        return not fits(call.get("arguments", {}), tools.get(str(call.get("name")), False))
    return not fits(params, DEMANDED.get(method, False))


def fits(value: object, schema: dict | bool) -> bool:
    """Whether the value is as the schema demands; nothing is as `False` demands."""
    return Draft202012Validator(schema).is_valid(value)
