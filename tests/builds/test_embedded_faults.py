"""What is wrong with a configuration or a call comes across the border whole, each fault with its
place; and so does an explanation.
"""

import json

from embedded import Build

CONFIGURATION = {
    "version": 1,
    "listener": "mcp",
    "allowed_hosts": ["*"],
    "allowed_origins": [],
    "max_body_bytes": 1048576,
    "max_depth": 32,
    "endpoints": [{"path": "/mcp", "servers": ["data"], "forward": "data"}],
    "servers": {"data": {"cluster": "data", "path": "/mcp", "tools": {"query": {}}}},
    "defaults": {"access": "allow", "validate": "enforce"},
    "rules": [{"name": "shut", "match": {"tool": "qu*"}, "allow": []}],
}


def asked(build: Build, *questions: dict, **changes: object) -> dict:
    configuration = json.dumps(CONFIGURATION | changes)
    return build.ask({"configuration": configuration, "questions": list(questions)})


def paths(answer: dict) -> list[str]:
    assert all(fault["reason"] for fault in answer["faults"])
    return [fault["path"] for fault in answer["faults"]]


def test_it_tells_everything_that_is_wrong_with_a_configuration(build: Build):
    assert paths(asked(build, version=0, max_depth=0)) == ["/version", "/max_depth"]


def test_it_tells_what_is_wrong_with_a_call(build: Build):
    calls = [
        {"endpoint": "/elsewhere", "tool": "query"},
        {"endpoint": "/mcp", "tool": "query", "method": "ping", "arguments": "{}"},
        {"endpoint": "/mcp", "tool": "query", "principle": "ada"},
    ]
    answers = asked(build, *({"call": call, "now": 1} for call in calls))["answers"]
    assert [paths(answer) for answer in answers] == [["/endpoint"], ["/arguments", "/method"], [""]]


def test_it_explains_a_tool_or_says_that_there_is_none(build: Build):
    known, unknown = asked(build, {"explain": ["/mcp", "query"]}, {"explain": ["/mcp", "quarry"]})[
        "answers"
    ]
    assert known["allow"] == {"value": [], "rule": "shut"}
    assert paths(unknown) == ["/tool"]


def test_it_answers_the_next_policy_after_one_that_was_refused(build: Build):
    assert paths(build.ask({"configuration": "{", "questions": []})) == [""]
    answer = asked(build, {"call": {"endpoint": "/mcp", "tool": "query"}, "now": 1})
    assert answer["answers"][0]["reason"] == "forbidden"
