"""A policy changed by REST is in force soon after the answer, and no call fails for it."""

import copy
import json

import pytest

from gateway_parameters import in_both_eras
from gateway_under_test import ANYTHING
from managed_gateway import CALLS, TOOLS, listed
from mcp_messages import Era, call, has_passed, is_refused, request
from polling import until
from recording_upstream import answers_with
from traffic import Traffic


def test_it_changes_a_policy_under_load_without_a_failed_call(managed):
    with Traffic(managed.port, CALLS) as traffic:
        traffic.flows()
        for _ in range(5):
            assert managed.control_plane.set_limit("get_weather", 1).status == 200
            until("the limit bites", lambda: managed.status("get_weather") == 429)
            traffic.flows()
            lifted = managed.control_plane.request("DELETE", "/api/v1/tools/get_weather/policy")
            assert lifted.status == 200
            until("the limit is lifted", lambda: managed.status("get_weather") == 200)
            traffic.flows()
    traffic.check_only({"get_weather": {200, 429}, "add": {200}})
    assert {200, 429} <= set(traffic.outcomes["get_weather"].statuses)


def test_it_changes_rules_about_items_under_load_without_a_failed_message(managed):
    weather = managed.upstreams["weather"]
    answers = weather.responder

    def respond(received, exchange):
        is_item = received.readable.get("method") in {"prompts/get", "resources/read"}
        (weather.say_who_i_am if is_item else answers)(received, exchange)

    weather.responder = respond
    items = {
        "prompt": request(Era.MODERN, "prompts/get", {"name": "review_code"}),
        "resource": request(Era.MODERN, "resources/read", {"uri": "file:///notes/a"}),
    }
    rules = [
        {"name": "reviews", "match": {"prompt": "review_*"}, "allow": []},
        {"name": "notes", "match": {"uri": "file:///notes/{name}"}, "allow": []},
    ]
    document = managed.control_plane.document()
    path = "/servers/weather/mcp"

    def statuses() -> set[int]:
        return {message.post_once(managed.port, path).status for message in items.values()}

    messages = {**items, "tool": CALLS["get_weather"]}
    with Traffic(managed.port, messages, path=path) as traffic:
        traffic.flows()
        for _ in range(3):
            for tools, status in [(rules, 403), ([], 200)]:
                changed = managed.change({**document, "tools": tools})
                assert changed.json["outcome"] == "accepted"
                until(f"all items are answered by {status}", lambda: statuses() == {status})
                traffic.flows()
    traffic.check_only({"prompt": {200, 403}, "resource": {200, 403}, "tool": {200}})
    for name in items:
        assert set(traffic.outcomes[name].statuses) == {200, 403}


@in_both_eras
def test_it_lets_two_of_six_quick_calls_pass_a_limit_of_two(shared, era):
    tool = f"note_{era.name.lower()}"
    shared.limit(tool, 2)
    note = call(era, tool, {"text": "a"})
    replies = [shared.send(note) for _ in range(6)]
    assert [has_passed(reply) for reply in replies] == [True] * 2 + [False] * 4
    for reply in replies[2:]:
        assert is_refused(reply, 42900), reply
        assert 1 <= int(reply.headers["retry-after"]) <= 3600


def test_it_shows_the_policy_in_force_with_the_rule_behind_each_field(shared):
    assert shared.control_plane.set_limit("note_shown", 7).status == 200
    shown = shared.control_plane.get("/api/v1/tools/note_shown/policy").json
    assert "tool:note_shown" in json.dumps(shown["policy"])
    assert shown["rule"]["limits"][0]["requests"] == 7


def test_it_shows_what_the_envoys_are_given(shared, installation):
    snapshot = shared.control_plane.get("/api/v1/config/snapshot")
    assert snapshot.status == 200
    shown = snapshot.body.decode()
    for part in ("x-portcullis-cluster", "get_weather", installation.module_hash, str(shared.port)):
        assert part in shown, f"no `{part}` in {shown[:2000]}"


def test_it_answers_a_write_with_what_each_envoy_said(shared):
    answer = shared.control_plane.set_limit("note_other", 60).json
    assert answer["outcome"] == "accepted", answer
    assert [envoy["id"] for envoy in answer["envoys"]] == ["envoy"], answer


def test_it_keeps_a_limit_through_changes_of_other_rules(shared):
    """A bucket belongs to its rule and limit, not to a revision: a change elsewhere must not fill
    it.
    """
    shared.limit("note_kept", 1)
    note = call(Era.MODERN, "note_kept")
    assert [shared.send(note).status for _ in range(2)] == [200, 429]
    shared.limit("note_other", 50)
    assert shared.send(note).status == 429


BROKEN = {
    "an unknown dimension": {"limits": [{"per": ["moon"], "requests": 2, "window": "1m"}]},
    "an unknown field": {"limit": 2},
    "a limit of nothing": {"limits": [{"per": ["tool"], "requests": 0, "window": "1m"}]},
    "no window": {"limits": [{"per": ["tool"], "requests": 2}]},
    "a role that nobody defined": {"allow": ["nobody"]},
    "a keyword that the engine does not know": {
        "constraints": {"properties": {"city": {"pattern": "^O"}}}
    },
    "a cluster that does not exist": {"route": {"cluster": "nowhere"}},
}


@pytest.mark.parametrize("policy", BROKEN.values(), ids=BROKEN.keys())
def test_it_refuses_a_broken_policy_and_changes_nothing(shared, policy):
    control_plane = shared.control_plane
    before = (control_plane.document(), control_plane.get("/api/v1/version").json)
    refused = control_plane.request("PUT", "/api/v1/tools/get_weather/policy", policy)
    assert 400 <= refused.status < 500, refused.body
    errors = refused.json["errors"]
    assert errors
    for error in errors:
        assert error["path"].startswith("/") and error["reason"], errors
    assert (control_plane.document(), control_plane.get("/api/v1/version").json) == before
    assert shared.passes("get_weather")


def test_it_refuses_a_policy_of_a_tool_in_no_catalogue(shared):
    refused = shared.control_plane.set_limit("no_such_tool", 2)
    assert 400 <= refused.status < 500, refused.body


def test_it_refuses_a_broken_document_and_changes_nothing(shared):
    before = shared.control_plane.document()
    broken = copy.deepcopy(before)
    broken["tools"] = [
        {
            "name": "a",
            "limits": [{"id": "x", "per": ["sun"], "requests": 1, "window": "1m"}],
            "colour": 1,
        }
    ]
    broken["listeners"][0]["servers"] = ["nobody"]
    refused = shared.change(broken)
    assert 400 <= refused.status < 500
    assert len(refused.json["errors"]) >= 2, "every error, not the first alone"
    assert shared.control_plane.document() == before
    assert shared.passes("get_weather")


def test_it_lets_no_client_choose_its_cluster(shared):
    for tool, server in (("get_weather", "weather"), ("add", "math")):
        for upstream in shared.upstreams.values():
            upstream.forget()
        smuggled = CALLS[tool].with_headers(
            ("x-portcullis-cluster", "math" if server == "weather" else "weather")
        )
        assert shared.send(smuggled).status == 200
        assert [name for name, upstream in shared.upstreams.items() if upstream.calls()] == [server]


def test_it_lets_a_tool_be_called_that_a_server_adds(shared):
    forecast = call(Era.MODERN, "forecast")
    assert shared.send(forecast).json["error"]["code"] == -32602
    shared.upstreams["weather"].responder = answers_with(
        listed({**TOOLS["weather"], "forecast": ANYTHING})
    )
    until("the new tool is known", lambda: "result" in shared.send(forecast).json)
