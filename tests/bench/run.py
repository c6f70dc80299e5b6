"""What the filter costs, beside a plain router, Envoy's own MCP filter and the floor, through one
Envoy worker.

python tests/bench/run.py [--rounds 9] [--json results.json]

Bursts of the variants alternate within one run of one Envoy, in an order that rotates from round to
round, so that whatever else the machine does hits all alike. With two cores or more Envoy has one
to itself, the generator and the upstream another. It asserts no time; it fails on any answer that
is not the expected one, and where a variant does not do what it is measured for.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e"), str(HERE.parent / "clients")]

import calls  # noqa: E402
import listeners  # noqa: E402
import proof  # noqa: E402
from bursts import generate, in_rotating_order  # noqa: E402
from calls import Case  # noqa: E402
from envoy import Envoy  # noqa: E402
from free_ports import free_port  # noqa: E402
from installation import Installation, present  # noqa: E402
from polling import until  # noqa: E402
from processes import Process  # noqa: E402
from rendered import render  # noqa: E402
from table import rows, summary, write_figures  # noqa: E402

BUILD_FLOOR = "run `cargo run -p wasm-build -- --out-dir target/filters/floor floor-noop floor-io`"


def cores() -> tuple[set[int] | None, set[int] | None]:
    """Envoy's core and the others', where there are two."""
    available = sorted(os.sched_getaffinity(0))
    return ({available[0]}, {available[1]}) if len(available) > 1 else (None, None)


class Bench:
    """One Envoy, one upstream, and bursts against them."""

    def __init__(self, installation: Installation, directory: Path, seconds: float) -> None:
        self.directory = directory
        self.seconds = seconds
        self.load = installation.binary("load")
        envoy_core, self.other_core = cores()
        answer = self.write("answer.json", json.dumps(calls.ANSWER).encode())
        upstream = Process(
            "upstream",
            [self.load, "upstream", "--answer", answer],
            directory,
            cores=self.other_core,
        )
        port = json.loads(until("the upstream's port", upstream.log_end))["port"]
        self.ports = {variant: free_port() for variant in listeners.VARIANTS}
        floor = present(installation.filters / "floor", BUILD_FLOOR)
        admin = free_port()
        config = listeners.config(render(installation, directory), floor, self.ports, admin, port)
        self.envoy = Envoy(installation.home, config, admin, directory, cores=envoy_core)
        self.checked = False

    def write(self, name: str, content: bytes) -> Path:
        path = self.directory / name
        path.write_bytes(content)
        return path

    def burst(self, variant: str, case: Case, requests: int) -> dict:
        options = ["--port", self.ports[variant], "--requests", requests]
        options += ["--head", self.write("head.txt", case.head())]
        options += ["--body", self.directory / "body.json"]
        options += ["--watch", self.envoy.pid, "--watch-thread", "wrk:worker_0"]
        options += ["--rate", case.rate] if case.rate else []
        pin = (lambda: os.sched_setaffinity(0, self.other_core)) if self.other_core else None
        return generate(self.load, f"{variant}, {case.title}", options, before=pin)

    def measure(self, case: Case, rounds: int) -> dict:
        """The figures of one case: each variant's bursts, in rotating order."""
        proof.check(case, self.ports, limit_is_fresh=not self.checked)
        self.checked = True
        self.write("body.json", case.body())
        counted = self.counted()
        requests, sent = {}, 0
        for variant in listeners.VARIANTS:
            first = self.burst(variant, case, 16)
            requests[variant] = max(16, int(first["requests"] / first["seconds"] * self.seconds))
            sent += first["sent"] if variant == listeners.OURS else 0
        measured: dict[str, list[dict]] = {variant: [] for variant in listeners.VARIANTS}
        for variant in in_rotating_order(listeners.VARIANTS, rounds):
            measured[variant].append(self.burst(variant, case, requests[variant]))
        sent += sum(burst["sent"] for burst in measured[listeners.OURS])
        if self.counted() - counted != sent:
            raise proof.PolicyIsOff(
                f"{case.title}: our filter counted {self.counted() - counted} of {sent} calls"
            )
        return summary(measured)

    def counted(self) -> int:
        """Calls of the measured tool that our filter has let pass, by its own statistics."""
        stats = self.envoy.stats("portcullis")
        return sum(
            value
            for name, value in stats.items()
            if "portcullis_calls" in name and calls.TOOL in name
        )


def run(installation: Installation, rounds: int, seconds: float, cases: list[Case]) -> dict:
    """The results by the case's title; they are printed as they come."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            bench = Bench(installation, Path(folder), seconds)
            print(
                f"one Envoy worker; medians of {rounds} rounds of {seconds:g} s, "
                "in rotating order\n"
            )
            for case in cases:
                results[case.title] = bench.measure(case, rounds)
                print("\n".join(rows(case, results[case.title])), end="\n\n", flush=True)
        finally:
            for process in list(Process.running):
                process.stop()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--seconds", type=float, default=0.4, help="how long a burst takes [default: 0.4]"
    )
    parser.add_argument(
        "--json",
        type=Path,
        help="where the figures go too [default: bench.json beside the module's folder]",
    )
    arguments = parser.parse_args()
    installation = Installation.from_environment(os.environ, profile="release")
    results = run(installation, arguments.rounds, arguments.seconds, calls.cases())
    file = arguments.json or installation.filters.parent / "bench.json"
    write_figures(results, file)


if __name__ == "__main__":
    main()
