"""The fixtures of MCP's conformance suites as a running server, and runs of the suites.

Each run keeps to its exit code, which says that nothing failed; and to its totals, because a suite
that reaches no server counts some scenarios as passed.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

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
SOON = "--task-after-ms=500"
"""The flag by which a call becomes a task sooner than the fixtures' long work is over."""
TOTALS = re.compile(r"^Total: (\d+) passed, (\d+) failed", re.MULTILINE)


@dataclass(frozen=True)
class Suite:
    """One run of one suite, and how many of its checks pass; none fails."""

    name: str
    package: str
    scenarios: tuple[str, ...]
    passed: int


SUITES = [
    Suite("0.1", "conformance-0.1", ("--suite", "all"), 43),
    Suite("2025-11-25", "conformance-0.2", ("--requirements", "2025-11-25"), 80),
    Suite("2026-07-28", "conformance-0.2", ("--requirements", "2026-07-28"), 194),
]
"""Everything that is asked of a server, in both eras and by both suites; of 2026-07-28 with its
extension for tasks."""


class FixtureServer:
    """The fixtures behind the data server's layers; ready once constructed."""

    def __init__(self, installation: Installation, folder: Path) -> None:
        self.port = free_port()
        program = installation.binary("conformance-server")
        own = [f"--address=127.0.0.1:{self.port}", f"--data={folder}/data", SOON]
        self.process = Process("conformance-server", [program, *own, *NOWHERE], folder)
        until("the fixtures answer", self._answers)

    @property
    def url(self) -> str:
        """The MCP endpoint."""
        return f"http://127.0.0.1:{self.port}/mcp"

    def _answers(self) -> bool:
        self.process.check_alive()
        with Connection(self.port) as connection:
            return connection.request("GET", "/mcp", []).status == 405

    def stop(self) -> None:
        """Stops it."""
        self.process.stop()


def run(installation: Installation, url: str, folder: Path, suite: Suite) -> None:
    """Runs a suite, and raises AssertionError unless it ends as it should."""
    package = installation.home / "conformance/node/node_modules" / suite.package
    program = present(package / "dist/index.js", "run `make setup`")
    done = subprocess.run(
        [
            *(installation.program("node"), program, "server", "--url", url),
            *suite.scenarios,
            *("-o", folder),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    totals = TOTALS.search(done.stdout)
    assert totals, done.stdout
    assert tuple(map(int, totals.groups())) == (suite.passed, 0), done.stdout
