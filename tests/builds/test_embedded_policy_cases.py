"""Every policy case on the engine's builds for embedders: what the engine decides natively, it
decides as a component and in a browser's package.

Invariant 5 of docs/architecture.md.
"""

import pytest

from embedded import Build
from policy_cases import CaseFile, all_files, written

FIELDS = ("tool", "method", "form", "principal")


def call(case: dict) -> dict:
    """The question that a case asks."""
    asked = {"endpoint": case.get("endpoint", "/mcp")}
    asked |= {field: case[field] for field in FIELDS if field in case}
    if "method" in case:
        asked |= item(case.get("params", {}))
    if "arguments_raw" in case:
        asked["arguments"] = case["arguments_raw"]
    elif "arguments" in case:
        asked["arguments"] = written(case["arguments"])
    return asked


def item(params: dict) -> dict:
    """The prompt or resource that a message names."""
    named = {"name": "prompt", "uri": "uri"}
    found = {**params, **params.get("ref", {})}
    return {field: found[key] for key, field in named.items() if key in found}


def fault(found: dict, expect: dict) -> str | None:
    """How a decision differs from what a case expects, if it does."""
    if found.get("decision") != expect["decision"]:
        return f"expected {expect}"
    if expect["decision"] == "allow":
        shadowed = len(found.get("shadowed", []))
        is_right = (found["cluster"], shadowed) == (
            expect["cluster"],
            int(expect.get("shadowed", 0)),
        )
        return None if is_right else f"expected {expect}"
    if found["reason"] != expect["reason"] or not found["sentence"]:
        return f"expected `{expect['reason']}`"
    if "pointer" in expect and found["violations"][0]["pointer"] != expect["pointer"]:
        return f"expected the first fault at `{expect['pointer']}`"
    if expect["reason"] == "limited" and found["retry_after_seconds"] < 1:
        return "expected a time to wait"
    return None


@pytest.mark.parametrize("file", all_files(), ids=lambda file: file.path.stem)
def test_it_decides_as_the_engine_does(build: Build, file: CaseFile):
    cases = [case for case in file.all_cases for _ in range(int(case.get("repeat", 1)))]
    decisions = build.decide(file.filter_config, [call(case) for case in cases])
    assert len(decisions) == len(cases)
    faults = [
        f"{case['name']}: {wrong}, got {found}"
        for case, found in zip(cases, decisions, strict=True)
        if (wrong := fault(found, case["expect"]))
    ]
    assert faults == [], "\n".join(faults)
