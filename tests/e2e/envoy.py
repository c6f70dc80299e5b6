"""A real Envoy."""

import json
import subprocess
from pathlib import Path

from polling import until
from processes import Process
from raw_http import Connection


def address(port: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


class Envoy:
    """Envoy with a configuration of the test's making, as a structure or as YAML text; ready once
    constructed.
    """

    def __init__(
        self,
        home: Path,
        config: dict | str,
        admin_port: int,
        directory: Path,
        concurrency: int = 1,
        cores: set[int] | None = None,
    ) -> None:
        self.admin_port = admin_port
        self.config_file = directory / "envoy.yaml"
        self.config_file.write_text(config if isinstance(config, str) else json.dumps(config))
        command = envoy_command(home, self.config_file, concurrency)
        self.process = Process("envoy", command, directory, cores=cores)
        self.wait_until_ready()

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_until_ready(self) -> None:
        until("Envoy is ready", self._is_ready)

    def _is_ready(self) -> bool:
        self.process.check_alive()
        return self.admin("/ready").startswith("LIVE")

    def admin(self, path: str, method: str = "GET") -> str:
        with Connection(self.admin_port) as connection:
            return connection.request(method, path, []).body.decode()

    def stats(self, contains: str = "") -> dict[str, int]:
        """Counters and gauges whose name contains the text."""
        listed = json.loads(self.admin(f"/stats?format=json&filter={contains}"))["stats"]
        return {stat["name"]: stat["value"] for stat in listed if "name" in stat}

    def restart(self) -> None:
        self.process.stop()
        self.process.start()
        self.wait_until_ready()

    def stop(self) -> None:
        self.process.stop()


def envoy_command(home: Path, config_file: Path, concurrency: int) -> list[str | Path]:
    return [
        *(home / "bin/envoy", "-c", config_file),
        *("--concurrency", str(concurrency)),
        *("--use-dynamic-base-id", "--drain-time-s", "1", "-l", "warning"),
    ]


def validate(home: Path, config_file: Path) -> subprocess.CompletedProcess[str]:
    """`envoy --mode validate`: status 0 if Envoy would accept the file."""
    command = [home / "bin/envoy", "--mode", "validate", "-c", config_file, "-l", "warning"]
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=60
    )
