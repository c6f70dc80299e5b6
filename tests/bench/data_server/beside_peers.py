"""The data server beside Google's toolbox, dbhub, and what a call costs at least.

python tests/bench/data_server/beside_peers.py [--rounds 7] [--json results.json]

All servers run at the same time on the same PostgreSQL, and bursts of calls alternate between them
in an order that rotates from round to round, so that whatever else the machine does hits all alike.
It asserts no time; it fails on any answer without the rows that it must have.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent), str(TESTS / "e2e"), str(TESTS / "clients")]

import questions  # noqa: E402
import servers  # noqa: E402
from bursts import generate, in_rotating_order  # noqa: E402
from figures import list_sizes, rows, summary  # noqa: E402
from installation import Installation  # noqa: E402
from processes import Process  # noqa: E402
from questions import QUESTIONS, Question, Request  # noqa: E402
from servers import Server  # noqa: E402
from table import write_figures  # noqa: E402

CONNECTIONS = (1, 8, 64)
SESSIONS = (100, 1000)


class Bench:
    """The servers on one PostgreSQL, and bursts against them."""

    def __init__(self, installation: Installation, directory: Path, seconds: float) -> None:
        self.directory = directory
        self.seconds = seconds
        self.load = installation.binary("load")
        postgres = servers.start_postgres(installation, directory)
        self.servers = servers.all_servers(installation, directory, postgres)
        for server in self.servers:
            server.start(directory)
            for question in QUESTIONS:
                server.check(question)

    def burst(
        self,
        server: Server,
        asked: Sequence[Question | Request],
        connections: int,
        requests: int,
        session: bool = False,
    ) -> dict:
        """What a burst of calls cost; the questions are asked in turn."""
        head = self.directory / "head.txt"
        head.write_text(questions.head(session))
        options = ["--port", server.port, "--requests", requests]
        options += ["--head", head, "--connections", connections, "--warm-up", 1]
        assert server.process is not None
        options += ["--watch", server.process.pid, "--watch-thread", "none"]
        for number, question in enumerate(asked):
            body = self.directory / f"body{number}.json"
            body.write_text(json.dumps(question.call(server.tool)))
            options += ["--body", body, "--expect-body", server.marker(question)]
        burst = generate(self.load, f"{server.name}, {connections} connections", options)
        return burst | {"calls_s": burst["requests"] / burst["seconds"]}

    def measure(self, question: Question, connections: int, rounds: int) -> dict:
        """The figures of one question: each server's bursts, in rotating order."""
        asked = [
            server for server in self.servers if server.answers_sql or question is questions.ONE
        ]
        requests = {}
        for server in asked:
            first = self.burst(server, [question], connections, 2 * connections)
            requests[server.name] = max(connections, int(first["calls_s"] * self.seconds))
        measured: dict[str, list[dict]] = {server.name: [] for server in asked}
        for server in in_rotating_order(asked, rounds):
            burst = self.burst(server, [question], connections, requests[server.name])
            measured[server.name].append(burst)
        for server in asked:
            server.check(question)
        return summary(measured)

    def sessions(self, count: int) -> dict[str, dict]:
        """Mixtures of requests in so many sessions at once, each on a connection of its own: one
        that fetches no rows, and the same with a thousand rows among them.
        """
        ours = next(server for server in self.servers if server.name == servers.OURS)
        mixtures = {
            "without rows": questions.WITHOUT_ROWS,
            "with rows": (*questions.WITHOUT_ROWS, questions.ORDERS),
        }
        requests = int(max(4, self.seconds * 20) * count)
        measured = {}
        for title, mixture in mixtures.items():
            burst = self.burst(ours, mixture, count, requests, session=True)
            grown = burst["resident_open"] - burst["resident_before"]
            measured[title] = {
                "calls_s": burst["calls_s"],
                "p50_ms": burst["p50_us"] / 1e3,
                "p95_ms": burst["p95_us"] / 1e3,
                "p99_ms": burst["p99_us"] / 1e3,
                "kib_each": grown / count / 1024,
            }
        return measured


def run(
    installation: Installation,
    rounds: int,
    seconds: float,
    connections: Sequence[int] = CONNECTIONS,
    sessions: Sequence[int] = SESSIONS,
) -> dict:
    """The results; they are printed as they come."""
    results: dict[str, dict] = {"questions": {}, "sessions": {}}
    with tempfile.TemporaryDirectory() as folder:
        try:
            bench = Bench(installation, Path(folder), seconds)
            print(f"medians of {rounds} rounds of {seconds:g} s, in rotating order\n")
            results["tools/list"] = list_sizes(bench.servers)
            for name, size in results["tools/list"].items():
                print(f"{name:20}{size['bytes']:9} bytes of tools/list, ~{size['tokens']} tokens")
            print()
            for question in QUESTIONS:
                for count in connections:
                    title = f"{question.title}, {count} connections"
                    results["questions"][title] = bench.measure(question, count, rounds)
                    lines = rows(title, results["questions"][title])
                    print("\n".join(lines), end="\n\n", flush=True)
            # Last, so that a server that turns calls away costs no other figure.
            for count in sessions:
                results["sessions"][count] = bench.sessions(count)
                for title, seen in results["sessions"][count].items():
                    print(
                        f"{count} sessions at once, mixed requests {title}: no error, "
                        f"{seen['calls_s']:.0f} requests/s, p50 {seen['p50_ms']:.0f} ms, "
                        f"p95 {seen['p95_ms']:.0f} ms, {seen['kib_each']:.0f} KiB each"
                    )
        finally:
            for process in reversed(list(Process.running)):
                process.stop()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="how long a burst takes [default: 0.5]"
    )
    parser.add_argument("--json", type=Path, help="where the figures go too")
    arguments = parser.parse_args()
    installation = Installation.from_environment(os.environ, profile="release")
    results = run(installation, arguments.rounds, arguments.seconds)
    if arguments.json:
        write_figures(results, arguments.json)


if __name__ == "__main__":
    main()
