"""The benchmark itself, with one short round: that it works, never how fast anything is."""

import json

import pytest

import calls
import listeners
from calls import Case
from installation import Installation
from mcp_messages import Era
from rendered import render
from run import run
from table import rows, summary, write_figures


def test_it_measures_every_variant_in_every_case(installation: Installation) -> None:
    results = run(installation, rounds=1, seconds=0.01, cases=calls.cases())
    assert list(results) == [case.title for case in calls.cases()]
    for result in results.values():
        assert set(result["variants"]) == set(listeners.VARIANTS)
        for figures in result["variants"].values():
            assert figures["cpu_us"]["median"] >= figures["worker_us"]["median"] > 0


@pytest.mark.parametrize("case", calls.cases(), ids=lambda case: case.title)
def test_it_sends_calls_of_the_size_that_it_says(case: Case) -> None:
    assert case.bytes <= len(case.body()) < case.bytes + 60


@pytest.mark.parametrize(
    ("case", "count"),
    [
        (Case(200), 5),
        (Case(200, many_headers=True), 19),
        (Case(200, Era.MODERN), 7),
        (Case(200, Era.MODERN, many_headers=True), 21),
    ],
)
def test_it_counts_the_headers_that_it_sends(case: Case, count: int) -> None:
    assert len(case.headers(calls.TOOL)) + len(["content-length"]) == count
    assert f", {count} headers, " in case.title


def test_it_leaves_envoys_defaults_to_the_bare_router(installation: Installation, tmp_path) -> None:
    rendered = render(installation, tmp_path)
    made = {
        name: listeners.Variant(rendered, name, 1).made(tmp_path)
        for name in (listeners.BARE, listeners.ROUTER)
    }
    managers = {
        name: listener["filter_chains"][0]["filters"][0]["typed_config"]
        for name, listener in made.items()
    }
    assert set(made[listeners.BARE]) == {"name", "address", "filter_chains"}
    bare = {"@type", "stat_prefix", "http_filters", "route_config"}
    assert set(managers[listeners.BARE]) == bare
    assert set(managers[listeners.ROUTER]) > bare


def test_it_writes_figures_as_json_and_says_where(tmp_path, capsys) -> None:
    file = tmp_path / "figures.json"
    write_figures({"größer": [1.5, None]}, file)
    assert json.loads(file.read_text()) == {"größer": [1.5, None]}
    assert "größer" in file.read_text()
    assert capsys.readouterr().out == f"the figures are in {file}\n"


def burst(cpu: float) -> dict:
    return {"cpu_us": cpu, "worker_us": cpu - 1, "p50_us": 1.0, "p99_us": 2.0}


def test_it_takes_what_a_variant_adds_within_each_round() -> None:
    # The machine was twice as slow in the second round, and much slower in the third.
    router = [10.0, 20.0, 400.0]
    added = {
        listeners.BARE: -2.0,
        listeners.NATIVE: 8.0,
        listeners.NOOP: 1.0,
        listeners.IO: 4.0,
        listeners.OURS: 6.0,
    }
    rounds = {listeners.ROUTER: [burst(cpu) for cpu in router]}
    rounds |= {variant: [burst(cpu + more) for cpu in router] for variant, more in added.items()}
    result = summary(rounds)
    assert result["variants"][listeners.OURS]["added_us"] == {
        "median": 6.0,
        "low": 6.0,
        "high": 6.0,
    }
    assert result["ratios"] == {listeners.NATIVE: 0.75, listeners.IO: 1.5}
    printed = "\n".join(rows(Case(200), result))
    assert all(variant in printed for variant in listeners.VARIANTS)
    assert "adds = 0.75 : 1" in printed and "+6.0 … +6.0" in printed
