"""The lines of a report are summed by crate, and those of tests and generated code are left out."""

from pathlib import Path

from lines_by_crate import GENERATED, STARTING, Lines, lines_by_crate, table, too_few


def file(path: Path, count: int, covered: int) -> dict:
    lines = {"count": count, "covered": covered, "percent": 0}
    return {"filename": str(path), "summary": {"lines": lines}}


def test_it_sums_the_lines_of_each_crate_of_the_product(tmp_path: Path):
    for folder, manifest in (
        (".", "[workspace]\n"),
        ("a", '[package]\nname = "first"\n'),
        ("a/inner", '[package]\nname = "second"\n'),
        ("tests/load", '[package]\nname = "load"\n'),
        ("mcp-server/spark", '[package]\nname = "spark"\n'),
    ):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "Cargo.toml").write_text(manifest)
    files = [
        file(tmp_path / "a/src/lib.rs", 10, 9),
        file(tmp_path / "a/src/more/deep.rs", 10, 7),
        file(tmp_path / "a/inner/src/lib.rs", 5, 5),
        file(tmp_path / "tests/load/src/main.rs", 100, 0),
        file(tmp_path / GENERATED / "spark.rs", 100, 0),
        file(Path("/elsewhere/lib.rs"), 100, 0),
    ]
    crates = lines_by_crate(files, tmp_path)
    assert crates == {"first": Lines(20, 16), "second": Lines(5, 5)}
    assert table(crates).splitlines()[2:] == [
        "| first | 20 | 80.0 % |",
        "| second | 5 | 100.0 % |",
        "| all | 25 | 84.0 % |",
    ]


def test_it_fails_for_each_crate_below_the_bound_and_for_all_of_them():
    assert too_few({"first": Lines(100, 80), "second": Lines(10, 9)}) == []
    (one,) = too_few({"first": Lines(100, 90), "second": Lines(10, 7)})
    assert one == "the tests run 70.0 % of the lines of second, fewer than 80 %"
    assert len(too_few({"first": Lines(100, 79), "second": Lines(10, 8)})) == 2
    assert too_few({STARTING[0]: Lines(10, 1), "second": Lines(100, 99)}) == []
    # A report of nothing is none that all is well.
    assert too_few({}) != []
