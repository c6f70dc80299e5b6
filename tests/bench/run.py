"""What the filter costs, beside a plain router and Envoy's own MCP filter, through one Envoy worker.

    python tests/bench/run.py [--rounds 8] [--json results.json]

Bursts of the variants alternate within one run of one Envoy, so that whatever else the machine does hits all alike.
With two cores or more Envoy has one to itself, the generator and the upstream another. It asserts no time; it fails
on any answer that is not the expected one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import calls  # noqa: E402
import listeners  # noqa: E402
from envoy import Envoy  # noqa: E402
from free_ports import free_port  # noqa: E402
from installation import Installation  # noqa: E402
from polling import until  # noqa: E402
from processes import Process  # noqa: E402
from table import Case, rows, summary  # noqa: E402

SIZES = (200, 4096)
RATES = (None, 2000)
SECONDS = 0.5


def cores() -> tuple[set[int] | None, set[int] | None]:
    """Envoy's core and the others', where there are two."""
    available = sorted(os.sched_getaffinity(0))
    return ({available[0]}, {available[1]}) if len(available) > 1 else (None, None)


class Bench:
    """One Envoy, one upstream, and bursts against them."""

    def __init__(self, installation: Installation, directory: Path) -> None:
        self.directory = directory
        self.load = installation.binary("load")
        envoy_core, self.other_core = cores()
        answer = self.write("answer.json", json.dumps(calls.ANSWER).encode())
        self.head = self.write("head.txt", calls.HEAD.encode())
        upstream = Process("upstream", [self.load, "upstream", "--answer", answer], directory, cores=self.other_core)
        port = json.loads(until("the upstream's port", upstream.log_end))["port"]
        self.ports = {variant: free_port() for variant in listeners.VARIANTS}
        admin = free_port()
        config = listeners.config(installation, self.ports, admin, port)
        self.envoy = Envoy(installation.home, config, admin, directory, cores=envoy_core)

    def write(self, name: str, content: bytes) -> Path:
        path = self.directory / name
        path.write_bytes(content)
        return path

    def burst(self, variant: str, case: Case, requests: int) -> dict:
        body = self.write(f"{case.bytes}.json", calls.body(case.bytes))
        command = [self.load, "generate", "--port", self.ports[variant], "--head", self.head, "--body", body]
        command += ["--requests", requests, "--watch", self.envoy.pid]
        command += ["--rate", case.rate] if case.rate else []
        pin = (lambda: os.sched_setaffinity(0, self.other_core)) if self.other_core else None
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, preexec_fn=pin)
        if done.returncode:
            raise SystemExit(f"{variant}, {case.title}: {done.stderr}")
        return json.loads(done.stdout)

    def measure(self, case: Case, rounds: int) -> dict:
        first = {variant: self.burst(variant, case, 2000) for variant in listeners.VARIANTS}
        requests = {variant: int(one["requests"] / one["seconds"] * SECONDS) for variant, one in first.items()}
        measured: dict[str, list[dict]] = {variant: [] for variant in listeners.VARIANTS}
        for _ in range(rounds):
            for variant in listeners.VARIANTS:
                measured[variant].append(self.burst(variant, case, requests[variant]))
        return summary(measured)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument(
        "--json", type=Path, help="where the figures go too [default: bench.json beside the module's folder]"
    )
    arguments = parser.parse_args()
    installation = Installation.from_environment(os.environ, profile="release")
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            bench = Bench(installation, Path(folder))
            print(f"one Envoy worker; lowest tenth of {arguments.rounds} interleaved rounds of {SECONDS:g} s\n")
            for rate in RATES:
                for size in SIZES:
                    case = Case(size, rate)
                    results[case.title] = bench.measure(case, arguments.rounds)
                    print("\n".join(rows(case, results[case.title])), end="\n\n", flush=True)
        finally:
            for process in list(Process.running):
                process.stop()
    file = arguments.json or installation.filters.parent / "bench.json"
    file.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    print(f"the figures are in {file}")


if __name__ == "__main__":
    main()
