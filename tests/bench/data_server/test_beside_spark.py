"""The benchmark beside Spark, with one short round: that it works, never how fast anything is."""

import pytest

from beside_spark import COLLECT, JDBC, LOADS, TO_ARROW, compare, run
from installation import Installation
from servers import OURS


def test_it_loads_and_reads_the_same_rows_by_every_way(
    installation: Installation,
) -> None:
    results = run(installation, rounds=1, load_rows=2000, read_rows=3000)
    *loads, read = results.values()
    assert len(loads) == len(LOADS)
    for load in loads:
        assert set(load["seconds"]) == {OURS, JDBC} and set(load["times_as_fast"]) == {JDBC}
    assert set(read["seconds"]) == {OURS, TO_ARROW, COLLECT}


def test_it_compares_the_times_of_each_round() -> None:
    # The machine was twice as slow in the second round.
    compared = compare("title", {OURS: [1.0, 2.0], JDBC: [3.0, 6.0]})
    times = {"median": 3.0, "low": 3.0, "high": 3.0}
    assert compared["times_as_fast"][JDBC] == pytest.approx(times)
