"""MCP's conformance suites against the data server's own layers with the suites' fixtures.

Each run keeps to its exit code, which says that nothing failed but what its file of expected
failures names, and that all of that did; and to its totals, because a suite that reaches no server
counts some scenarios as passed.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from free_ports import free_port
from installation import Installation, present
from polling import until
from processes import Process
from raw_http import Connection

HERE = Path(__file__).parent
PATIENCE = 180.0
"""Seconds for one run of a suite, which takes ten on a machine that does nothing else."""
NOWHERE = [
    "--postgres-port=1",
    "--spark-remote=sc://127.0.0.1:1",
    "--spark-master-rest=http://127.0.0.1:1",
    "--spark-master-ui=http://127.0.0.1:1",
]
"""The flags by which nothing on this machine is reached: the fixtures need no service."""
SOON = "--task-after-ms=250"
"""The flag by which a call becomes a task sooner than the fixtures' long work is over."""
TOTALS = re.compile(r"^Total: (\d+) passed, (\d+) failed", re.MULTILINE)


@dataclass(frozen=True)
class Suite:
    """One run of one suite, and how many of its checks pass and fail."""

    name: str
    package: str
    scenarios: tuple[str, ...]
    passed: int
    failed: int

    @property
    def expected_failures(self) -> Path:
        return HERE / f"expected-failures-{self.name}.yml"


SUITES = [
    Suite("0.1", "conformance-0.1", ("--suite", "all"), 27, 8),
    Suite("2025-11-25", "conformance-0.2", ("--requirements", "2025-11-25"), 64, 8),
    Suite("2026-07-28", "conformance-0.2", ("--requirements", "2026-07-28"), 194, 0),
]


@pytest.fixture(scope="module")
def url(installation: Installation, tmp_path_factory: pytest.TempPathFactory):
    """Starts the fixtures behind the data server's layers."""
    port = free_port()
    program = installation.binary("conformance-server")
    folder = tmp_path_factory.mktemp("conformance")
    own = [f"--address=127.0.0.1:{port}", f"--data={folder}/data", SOON]
    server = Process("conformance-server", [program, *own, *NOWHERE], folder)

    def answers() -> bool:
        server.check_alive()
        with Connection(port) as connection:
            return connection.request("GET", "/mcp", []).status == 405

    try:
        until("the fixtures answer", answers, 30)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.stop()


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_it_passes_all_but_what_is_expected_to_fail(installation, url, tmp_path, suite):
    package = installation.home / "conformance/node/node_modules" / suite.package
    program = present(package / "dist/index.js", "run `make setup`")
    run = subprocess.run(
        [
            *(installation.program("node"), program, "server", "--url", url),
            *suite.scenarios,
            *("--expected-failures", suite.expected_failures, "-o", tmp_path),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    totals = TOTALS.search(run.stdout)
    assert totals, run.stdout
    assert tuple(map(int, totals.groups())) == (suite.passed, suite.failed), run.stdout
