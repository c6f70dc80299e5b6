"""The benchmark itself, with one short round: that it works, never how fast anything is."""

import pytest

import questions
import servers
from beside_peers import run
from figures import ratio, rows
from installation import Installation
from questions import ONE, ORDERS, QUESTIONS, WrongAnswer


def test_it_measures_every_server_and_checks_its_rows(installation: Installation) -> None:
    results = run(installation, rounds=1, seconds=0.01, connections=(2,), sessions=(20,))
    assert list(results["questions"]) == [f"{asked.title}, 2 connections" for asked in QUESTIONS]
    one, orders = results["questions"].values()
    peers = {servers.DBHUB} | ({servers.TOOLBOX} if servers.has_toolbox() else set())
    with_sql = {servers.OURS, servers.FLOOR} | peers
    assert (set(one["servers"]), set(orders["servers"])) == (with_sql | {servers.ECHO}, with_sql)
    for figures in [*one["servers"].values(), *orders["servers"].values()]:
        assert figures["calls_s"]["median"] > 0 and figures["cpu_us"]["median"] > 0
    assert set(results["tools/list"]) == set(one["servers"]) - {servers.FLOOR}
    assert set(results["sessions"][20]) == {"without rows", "with rows"}
    assert all(seen["calls_s"] > 0 for seen in results["sessions"][20].values())


@pytest.mark.parametrize("changed", [0, 500, 999])
def test_it_takes_no_answer_in_which_a_row_differs(changed: int) -> None:
    rows = [[n, n % 97, f"product {n % 50}", n * 1.25, None, None, None] for n in range(1, 1001)]
    rows = [[*row, None if row[0] % 5 == 0 else f"note of order {row[0]}"] for row in rows]
    ORDERS.check("a server", rows)
    with pytest.raises(WrongAnswer, match="a server, 1 000 rows"):
        ORDERS.check("a server", rows[:changed] + rows[changed + 1 :])
    rows[changed][1] = -1
    with pytest.raises(WrongAnswer):
        ORDERS.check("a server", rows)


def test_it_reads_the_rows_of_every_form() -> None:
    ours = {"structuredContent": {"rows": [[1]]}}
    each = {"content": [{"type": "text", "text": '{"?column?":1}'}]}
    whole = {
        "content": [{"type": "text", "text": '{"data":{"statements":[{"rows":[{"a":"1"}]}]}}'}]
    }
    for rows_of, result in (
        (questions.structured, ours),
        (questions.text_for_each_row, each),
        (questions.text_for_all_rows, whole),
    ):
        ONE.check("a server", rows_of(result))
    assert questions.message(b'event: message\ndata: {"id":1}\n\n') == {"id": 1}


def test_it_compares_within_each_round() -> None:
    # The machine was twice as slow in the second round.
    rounds = {
        servers.OURS: [{"calls_s": 400.0}, {"calls_s": 200.0}],
        servers.DBHUB: [{"calls_s": 100.0}, {"calls_s": 50.0}],
    }
    assert ratio(rounds, servers.DBHUB, "calls_s") == {"median": 4.0, "low": 4.0, "high": 4.0}
    figures = {name: {"median": 1.0, "low": 1.0, "high": 1.0} for name in ("calls_s", "p50_us")}
    printed = rows("title", {"servers": {}, "ratios": {servers.DBHUB: figures}})
    assert printed[-1].startswith("portcullis : dbhub 1.4.0 = 1.00 : 1 in calls/s")
