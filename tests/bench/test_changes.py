"""The benchmark of changes, with a few: that it works, never how fast anything is."""

import socket

from changes import SIZES, Caller, Size, figures, rows, run, under_constant_load
from installation import Installation


def test_it_measures_changes_of_gateways_of_both_sizes(installation: Installation) -> None:
    sizes = (Size(rules=2, tools_of_a_rule=1), Size(rules=3, tools_of_a_rule=5))
    results = run(installation, changes=4, sizes=sizes)
    assert list(results) == ["3 tools, 2 rules", "16 tools, 3 rules"]
    for result in results.values():
        assert result["changes"] == 4 and result["calls"] > 4
        assert result["in_force_ms"]["p50"] > result["pushed_ms"]["p50"] > 0
        assert result["answered_ms"]["p99"] > 0
    assert len(rows(results)) == 3


def test_it_fails_no_call_while_it_changes_without_a_pause(installation: Installation) -> None:
    result = under_constant_load(installation, changes=100)
    assert result["changes"] == 100 and result["calls"] > 100 and result["failed"] == 0


def test_it_takes_a_call_without_an_answer_for_one_that_failed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        caller = Caller(server.getsockname()[1])
        connection, _ = server.accept()
        caller.calls_on.set()
        connection.recv(1)
        connection.close()
        caller.flows()
    assert (caller.failure or "").startswith("no answer: "), caller.failure


def test_it_gives_each_tool_a_schema_of_its_own() -> None:
    few, many = SIZES
    assert (few.title, many.title) == ("7 tools, 3 rules", "1001 tools, 100 rules")
    schemas = {str(tool["inputSchema"]) for tool in many.tools()}
    assert len(schemas) == 1001


def test_it_takes_medians_and_the_99th_of_a_hundred() -> None:
    times = [{"in_force_ms": float(number)} for number in range(1, 101)]
    assert figures(times) == {"in_force_ms": {"p50": 50.5, "p99": 100.0}}
