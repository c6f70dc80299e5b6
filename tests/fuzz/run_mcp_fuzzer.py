"""Puts the data server before `mcp-fuzzer`: tools, methods, resources and prompts with malformed
and hostile input. It fails on whatever is accepted though malformed, and on a server that dies.

    python tests/fuzz/run_mcp_fuzzer.py [seed]

The server has a PostgreSQL that ends with the run, and no Spark: what a fuzzer makes up must not
become a job that runs. What it finds is mended, and kept as a row of a test.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
FOLDERS = ("e2e", "clients", "bench", "bench/data_server")
sys.path[:0] = [str(HERE), *(str(TESTS / folder) for folder in FOLDERS)]

from findings import grave  # noqa: E402
from free_ports import free_port  # noqa: E402
from installation import Installation, present  # noqa: E402
from mcp_messages import Era, request  # noqa: E402
from polling import until  # noqa: E402
from processes import Process  # noqa: E402
from servers import start_postgres  # noqa: E402

MODES = {
    "tools": ["--phase", "both", "--runs", "10"],
    "protocol": ["--protocol-phase", "aggressive", "--runs-per-type", "10"],
    "resources": ["--protocol-phase", "aggressive", "--runs-per-type", "10"],
    "prompts": ["--protocol-phase", "aggressive", "--runs-per-type", "10"],
}
PATIENCE = 900
"""Seconds for one mode; a quiet machine takes one minute."""


def environment(postgres: int, port: int, folder: Path) -> dict[str, str]:
    """A server that offers everything on that PostgreSQL, and knows of no Spark."""
    nobody = "127.0.0.1:1"
    return {
        "MCP_TOOLS": "all",
        "MCP_SERVER_ADDRESS": f"127.0.0.1:{port}",
        "MCP_PIPELINE_FILES": str(folder),
        "PORTCULLIS_DATA": str(folder / "data"),
        "PORTCULLIS_STORE_URL": f"postgres://postgres:benchmark@127.0.0.1:{postgres}/postgres",
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(postgres),
        "POSTGRES_USER": "reader",
        "POSTGRES_PASSWORD": "benchmark",
        "POSTGRES_DB": "postgres",
        "POSTGRES_WRITE_USER": "postgres",
        "POSTGRES_WRITE_PASSWORD": "benchmark",
        "POSTGRES_ALLOW_SUPERUSER": "postgres",
        "SPARK_REMOTE": f"sc://{nobody}",
        "SPARK_MASTER": f"spark://{nobody}",
        "SPARK_MASTER_REST": f"http://{nobody}",
        "SPARK_MASTER_UI": f"http://{nobody}",
    }


def schemas(port: int) -> dict[str, dict]:
    """The schema of each tool's arguments, by the tool's name."""
    listed = request(Era.MODERN, "tools/list").post_once(port).json["result"]["tools"]
    return {tool["name"]: tool["inputSchema"] for tool in listed}


def found_by(python: Path, mode: str, port: int, seed: str, folder: Path) -> list[dict]:
    """The findings of one mode. Raises when the fuzzer itself fails."""
    output = folder / mode
    command = [
        python,
        "-m",
        "mcp_fuzzer",
        "--mode",
        mode,
        *MODES[mode],
        "--seed",
        seed,
        "--no-corpus",
        "--no-network",
    ]
    command += ["--protocol", "streamablehttp", "--endpoint", f"http://127.0.0.1:{port}/mcp"]
    command += ["--timeout", "5", "--tool-timeout", "5", "--log-level", "ERROR"]
    command += ["--fs-root", folder / "files", "--output-dir", output]
    environment = {**os.environ, "HOME": str(folder)}
    with (folder / f"{mode}.log").open("w") as log:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdout=log, stderr=log, timeout=PATIENCE
        )
    report = output / "findings.json"
    if done.returncode or not report.exists():
        raise RuntimeError(f"mcp-fuzzer failed: {(folder / f'{mode}.log').read_text()[-2000:]}")
    return json.loads(report.read_text())["findings"]


def main() -> int:
    seed = sys.argv[1] if len(sys.argv) > 1 else str(secrets.randbits(31))
    installation = Installation.from_environment(os.environ)
    python = present(installation.home / "clients/mcp-fuzzer/bin/python", "run `make fuzz`")
    faults = []
    with tempfile.TemporaryDirectory(prefix="portcullis-fuzzer-") as name:
        folder = Path(name)
        (folder / "files").mkdir()
        port = free_port()
        postgres = start_postgres(installation, folder)
        settings = environment(postgres, port, folder / "files")
        server = Process("mcp-server", [installation.binary("mcp-server")], folder, settings)
        try:
            until("the data server listens", lambda: "listening" in server.log_end())
            tools = schemas(port)
            for mode in MODES:
                found = found_by(python, mode, port, seed, folder)
                server.check_alive()
                faults += grave(found, tools)
                print(
                    f"mcp-fuzzer, seed {seed}, {mode}: {len(found)} findings, "
                    f"{len(faults)} faults so far",
                    flush=True,
                )
        finally:
            for process in list(Process.running):
                process.stop()
    for fault in faults:
        print(json.dumps(fault))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
