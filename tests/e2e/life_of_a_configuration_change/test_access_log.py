"""The access log says of each call what the gateway decided, where the document asks for it."""

import json

from mcp_messages import Era, call, request
from polling import until


def lines_of(managed) -> list[dict]:
    """What Envoy has written of requests; it writes every few seconds."""
    log = managed.envoy.process.log.read_text(errors="replace")
    return [json.loads(line) for line in log.splitlines() if line.startswith('{"')]


def of_calls(lines: list[dict]) -> list[dict]:
    return [line for line in lines if line.get("path") == "/mcp"]


def test_it_shows_who_called_what_and_which_rule_decided(managed):
    document = managed.control_plane.document()
    fields = {"status": "%RESPONSE_CODE%", "path": "%PATH(NQ:ORIG_OR_PATH)%"}
    document["listeners"][0]["access_log"] = {"format": fields}
    document["roles"] = {"analyst": {"claims": {"groups": ["analysts"]}}}
    document["tools"] = [
        {"name": "closed", "match": {"tool": "note_kept"}, "allow": ["analyst"]},
        {"name": "open", "match": {"tool": "note_shown"}, "allow": ["*"]},
        {
            "name": "few",
            "match": {"tool": "add"},
            "limits": [{"per": ["tool"], "requests": 1, "window": "1h"}],
        },
    ]
    assert managed.change(document).json["outcome"] == "accepted"
    refused = call(Era.MODERN, "note_kept", {})
    until("the rule holds", lambda: managed.send(refused).status == 403)
    assert managed.passes("get_weather")
    assert managed.send(call(Era.MODERN, "note_shown", {})).status == 200
    until("the limit is used up", lambda: not managed.passes("add"))

    def decided(tool: str, decision: str) -> list[dict]:
        return [
            line
            for line in lines_of(managed)
            if (line.get("tool"), line.get("decision")) == (tool, decision)
        ]

    for tool, decision, rule, server, status in [
        ("get_weather", "allowed", None, "weather", 200),
        ("note_shown", "allowed", "open", "weather", 200),
        ("note_kept", "forbidden", "closed", "weather", 403),
        ("add", "allowed", None, "math", 200),
        # A client of the old revisions is told in a tool's result.
        ("add", "limited", "few", "math", 200),
    ]:
        until(f"{tool} {decision} is logged", lambda: decided(tool, decision))
        line = decided(tool, decision)[-1]
        configuration = line.pop("configuration")
        assert len(configuration) == 12 and int(configuration, 16) >= 0
        assert line == {
            "tool": tool,
            "kind": "tool",
            "item": tool,
            "decision": decision,
            "rule": rule,
            "server": server,
            "principal": "anonymous",
            "status": status,
            "path": "/mcp",
        }
    gauges = managed.envoy.stats("portcullis_configuration").values()
    assert int(configuration, 16) in gauges


def test_it_shows_prompts_and_resources_that_rules_are_about(managed):
    until("the Envoy reports", lambda: managed.control_plane.reporting() == 1)
    document = managed.control_plane.document()
    document["listeners"][0]["access_log"] = {"details": ["kind", "item", "decision", "rule"]}
    document["tools"] = [
        {"name": "reviews", "match": {"server": "weather", "prompt": "review_*"}, "allow": []},
        {"name": "secrets", "match": {"uri": "file:///secret/{name}"}, "allow": []},
    ]
    changed = managed.change(document).json
    assert changed["outcome"] == "accepted"
    path = "/servers/weather/mcp"
    review = request(Era.MODERN, "prompts/get", {"name": "review_code"})
    secret = request(Era.LEGACY, "resources/read", {"uri": "file:///secret/a"})
    until("the rules hold", lambda: review.post_once(managed.port, path).status == 403)
    refused = secret.post_once(managed.port, path)
    assert (refused.status, refused.json["error"]["code"]) == (200, 40300)

    def logged(kind: str, item: str, rule: str) -> list[dict]:
        wanted = {"kind": kind, "item": item, "decision": "forbidden", "rule": rule}
        return [line for line in lines_of(managed) if wanted.items() <= line.items()]

    until("the prompt is logged", lambda: logged("prompt", "review_code", "reviews"))
    until("the resource is logged", lambda: logged("resource", "file:///secret/a", "secrets"))
    counted = managed.envoy.stats("portcullis_refusals.server.weather.kind")
    assert {name.split(".kind.")[1] for name in counted} == {
        "prompt.reason.forbidden",
        "resource.reason.forbidden",
    }

    def of_kinds() -> list[tuple]:
        traffic = managed.control_plane.get("/api/v1/traffic").json
        items = [item for item in traffic["tools"] if "tool" not in item]
        return [
            (
                item["server"],
                item["kind"],
                item["calls"]["total"],
                {reason: count["total"] for reason, count in item["refused_for"].items()},
            )
            for item in items
        ]

    refused_once = [("weather", kind, 1, {"forbidden": 1}) for kind in ("prompt", "resource")]
    until("each kind is reported", lambda: of_kinds() == refused_once)


def test_it_says_nothing_of_decisions_where_the_document_does_not_ask(managed):
    assert managed.passes("get_weather")
    lines = until("a line is written", lambda: of_calls(lines_of(managed)))
    assert all("decision" not in line and "tool" not in line for line in lines)
