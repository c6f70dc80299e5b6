"""The data server's tools for Spark beside Spark's own JDBC writer and PySpark's client.

python tests/bench/data_server/beside_spark.py [--rounds 5] [--rows 1000000] [--json results.json]

`bulk_load_from_spark` and Spark's JDBC writer load the same rows from the same Spark into tables of
the same PostgreSQL; `execute_spark_sql` gives the rows that PySpark's `toArrow` and `collect` give.
They take turns, in an order that rotates from round to round. It asserts no time; it fails where a
row is lost or differs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent), str(TESTS / "e2e"), str(TESTS / "clients")]

import questions  # noqa: E402
import servers  # noqa: E402
from bursts import in_rotating_order  # noqa: E402
from free_ports import free_port  # noqa: E402
from installation import Installation, present  # noqa: E402
from own_spark import SparkConnect  # noqa: E402
from polling import until  # noqa: E402
from processes import Process  # noqa: E402
from servers import OURS, Server  # noqa: E402
from table import spread, write_figures  # noqa: E402

JDBC, TO_ARROW, COLLECT = "Spark's JDBC writer", "PySpark toArrow", "PySpark collect"
BRING_CLIENT = "run `python3 setup/setup.py bench`"

NARROW = """
SELECT id, CAST(id % 97 AS int) AS customer, concat('product ', id % 50) AS product,
       id * 1.25D AS price, timestamp_seconds(1767225600 + id) AS created
FROM range({rows})
"""
WIDE = """
SELECT id, CAST(id AS decimal(18,4)) / 8 AS amount,
       if(id % 3 = 0, NULL, CAST(id * 1.5 AS decimal(12,2))) AS discount,
       CAST(id AS decimal(38,10)) AS exact, array('a', concat('tag ', id % 9)) AS tags,
       if(id % 5 = 0, NULL, array(CAST(id AS int), CAST(id % 7 AS int))) AS counts,
       to_json(named_struct('n', id, 'name', concat('thing ', id % 100))) AS document,
       if(id % 2 = 0, NULL, concat('note of row ', id)) AS note, id % 2 = 0 AS paid,
       date_add(DATE'2026-01-01', CAST(id % 365 AS int)) AS day,
       if(id % 11 = 0, NULL, id * 0.5D) AS score, timestamp_seconds(1767225600 + id) AS created
FROM range({rows})
"""


@dataclass(frozen=True)
class Load:
    """Rows of Spark, and the two tables that they are loaded into."""

    title: str
    sql: str
    table: str

    def table_of(self, loader: str) -> str:
        return f"{self.table}_of_jdbc" if loader == JDBC else self.table


LOADS = (Load("5 columns", NARROW, "narrow"), Load("12 columns", WIDE, "wide"))


class SparkPeer:
    """A process with PySpark's client."""

    def __init__(self, installation: Installation, spark: SparkConnect, directory: Path) -> None:
        python = present(installation.home / "clients/pyspark/bin/python", BRING_CLIENT)
        packages = (installation.home / "spark").resolve().parent
        self.log = directory / "pyspark.log"
        with self.log.open("wb") as log:
            self.child = subprocess.Popen(
                [python, HERE / "spark_client.py", f"sc://127.0.0.1:{spark.port}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=directory,
                env={**os.environ, "PYTHONPATH": str(packages)},
            )
        self.answer()

    def answer(self) -> dict:
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        assert line, f"PySpark's client has ended:\n{self.log.read_text()[-4000:]}"
        return json.loads(line)

    def do(self, **order: str) -> dict:
        assert self.child.stdin is not None
        print(json.dumps(order), file=self.child.stdin, flush=True)
        return self.answer()

    def stop(self) -> None:
        self.child.kill()
        self.child.wait()


class Bench:
    """Spark, PostgreSQL, our server, and PySpark's client."""

    def __init__(self, installation: Installation, directory: Path) -> None:
        jar = present(installation.home / "postgresql-jdbc.jar", BRING_CLIENT)
        # Both cores of a small machine for Spark's writer, which writes each part by itself.
        self.spark = SparkConnect(
            installation,
            directory,
            f"spark.jars={jar.resolve()}",
            master="local[2]",
        )
        self.postgres = servers.start_postgres(installation, directory)
        self.ours = our_server(installation, directory, self.postgres, self.spark)
        self.ours.start(directory)
        until("Spark answers", self.has_spark, 240, pause=0.2)
        self.peer = SparkPeer(installation, self.spark, directory)

    def has_spark(self) -> bool:
        self.spark.process.check_alive()
        return "error" not in self.call("execute_spark_sql", {"sql": "SELECT 1"})

    def call(self, tool: str, arguments: dict) -> dict:
        """The structured content of an answer."""
        return questions.message(self.post(tool, arguments))["result"]["structuredContent"]

    def post(self, tool: str, arguments: dict) -> bytes:
        params = {"name": tool, "arguments": arguments}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        return self.ours.post(message, patience=600)

    def load(self, loader: str, load: Load, rows: int) -> float:
        """How many seconds one of the two takes to load so many rows into an empty table."""
        table, sql = load.table_of(loader), load.sql.format(rows=rows)
        url = f"jdbc:postgresql://127.0.0.1:{self.postgres}/postgres?user=loader"
        url += "&password=benchmark&reWriteBatchedInserts=true&stringtype=unspecified"
        self.peer.do(do="empty", sql=sql, url=url, table=table)
        if loader == JDBC:
            return self.peer.do(do="load", sql=sql, url=url, table=table)["seconds"]
        arguments = {"sql": sql, "table": table, "mode": "append", "confirm": True}
        begun = time.perf_counter()
        loaded = self.call("bulk_load_from_spark", arguments)
        seconds = time.perf_counter() - begun
        if loaded.get("rows") != rows:
            raise questions.WrongAnswer(f"{load.title}: {loaded}")
        return seconds

    def check_loaded(self, load: Load, rows: int) -> None:
        """Raises `WrongAnswer` unless both tables have the same rows, and so many."""
        ours, theirs = load.table_of(OURS), load.table_of(JDBC)
        counts = f"SELECT (SELECT count(*) FROM {ours}), (SELECT count(*) FROM {theirs})"
        lines = "count(*) FROM (SELECT t::text FROM {} t EXCEPT ALL SELECT t::text FROM {} t) d"
        differ = f"SELECT {lines.format(ours, theirs)}"
        seen = [self.call("execute_query", {"sql": sql})["rows"] for sql in (counts, differ)]
        if seen != [[[rows, rows]], [[0]]]:
            raise questions.WrongAnswer(f"{load.title}: {seen}")

    def read(self, reader: str, rows: int) -> float:
        """How many seconds it takes until one of the readers has so many rows."""
        sql = NARROW.format(rows=rows)
        if reader != OURS:
            done = self.peer.do(do=reader.removeprefix("PySpark "), sql=sql)
            seconds, result = done["seconds"], done["result"]
        else:
            begun = time.perf_counter()
            whole = {"use_block_transport": False, "confirm": True}
            body = self.post("execute_spark_sql", {"sql": sql, **whole})
            seconds = time.perf_counter() - begun
            found = questions.message(body)["result"]["structuredContent"]["rows"]
            result = {"rows": len(found), "sum": sum(row[0] for row in found)}
        if result != {"rows": rows, "sum": rows * (rows - 1) // 2}:
            raise questions.WrongAnswer(f"{reader}: {result}")
        return seconds

    def stop(self) -> None:
        self.peer.stop()


def our_server(
    installation: Installation, directory: Path, postgres: int, spark: SparkConnect
) -> Server:
    port = free_port()
    environment = {
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(postgres),
        "POSTGRES_USER": "reader",
        "POSTGRES_PASSWORD": "benchmark",
        "POSTGRES_WRITE_USER": "loader",
        "POSTGRES_WRITE_PASSWORD": "benchmark",
        "POSTGRES_DB": "postgres",
        "POSTGRES_STATEMENT_TIMEOUT_MS": "600000",
        "SPARK_REMOTE": f"sc://127.0.0.1:{spark.port}",
        "SPARK_MASTER_REST": "http://127.0.0.1:1",
        "SPARK_MASTER_UI": "http://127.0.0.1:1",
        # Spark has no check here: it would refuse what the JDBC writer does.
        "SPARK_ALLOW_WRITES": "true",
        # What one answer may hold, for the comparison.
        "SPARK_MAX_ROWS": "1000000",
        "SPARK_MAX_BYTES": "1000000000",
        "MCP_TOOLS": "all",
        "MCP_SERVER_ADDRESS": f"127.0.0.1:{port}",
        "PORTCULLIS_DATA": str(directory / "data"),
    }
    return Server(OURS, [installation.binary("mcp-server")], port, environment=environment)


def compare(title: str, seconds: dict[str, list[float]]) -> dict:
    """Medians of each way with their spread, and how many times as long the others take, within
    each round; they are printed too.
    """
    ways = {way: spread(taken) for way, taken in seconds.items()}
    ratios = {
        way: spread([other / ours for other, ours in zip(taken, seconds[OURS], strict=True)])
        for way, taken in seconds.items()
        if way != OURS
    }
    print(title)
    for way, took in ways.items():
        print(f"{way:22}{took['median']:8.2f} s  ({took['low']:.2f} … {took['high']:.2f})")
    for way, ratio in ratios.items():
        between = f"({ratio['low']:.2f} … {ratio['high']:.2f})"
        print(f"portcullis is {ratio['median']:.2f} times as fast as {way} {between}")
    print(flush=True)
    return {"seconds": ways, "times_as_fast": ratios}


def run(installation: Installation, rounds: int, load_rows: int, read_rows: int) -> dict:
    """The results; they are printed as they come."""
    results: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = None
        try:
            bench = Bench(installation, Path(folder))
            for load in LOADS:
                title = f"{load_rows} rows of {load.title} into PostgreSQL"
                results[title] = compare(title, measured(bench, load, rounds, load_rows))
            title = f"{read_rows} rows of 5 columns read"
            ways = (OURS, TO_ARROW, COLLECT)
            results[title] = compare(title, in_turns(ways, rounds, bench.read, read_rows))
        finally:
            if bench is not None:
                bench.stop()
            for process in reversed(list(Process.running)):
                process.stop()
    return results


def measured(bench: Bench, load: Load, rounds: int, rows: int) -> dict[str, list[float]]:
    taken = in_turns(
        (OURS, JDBC), rounds, lambda loader, rows: bench.load(loader, load, rows), rows
    )
    bench.check_loaded(load, rows)
    return taken


def in_turns(ways: Sequence[str], rounds: int, take, rows: int) -> dict[str, list[float]]:
    """How long each way takes, round by round, after one that warms all up."""
    for way in ways:
        take(way, max(1, rows // 20))
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for way in in_rotating_order(ways, rounds):
        taken[way].append(take(way, rows))
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of each load")
    parser.add_argument("--read", type=int, default=200_000, help="rows of each answer")
    parser.add_argument("--json", type=Path, help="where the figures go too")
    arguments = parser.parse_args()
    installation = Installation.from_environment(os.environ, profile="release")
    results = run(installation, arguments.rounds, arguments.rows, arguments.read)
    if arguments.json:
        write_figures(results, arguments.json)


if __name__ == "__main__":
    main()
