"""A PostgreSQL of a test's own."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from free_ports import free_port
from polling import until
from processes import Process


class OwnPostgres:
    """A server with one empty database; it serves once constructed."""

    def __init__(self, directory: Path) -> None:
        self.programs = Path(
            subprocess.run(
                ["pg_config", "--bindir"], check=True, capture_output=True, text=True
            ).stdout.strip()
        )
        # PostgreSQL does not run as root, and has to be able to enter its folder.
        self.folder = Path(tempfile.mkdtemp(prefix="portcullis-test-postgres-"))
        self.account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        if self.account:
            os.chown(self.folder, self.account.pw_uid, self.account.pw_gid)
        cluster = self.folder / "cluster"
        made = [self.programs / "initdb", "--pgdata", cluster, "--username", "postgres"]
        quick = ["--auth", "trust", "--no-sync", "--locale", "C", "--encoding", "UTF8"]
        subprocess.run(
            self._as_account([*made, *quick]), check=True, capture_output=True, cwd=self.folder
        )
        self.port = free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
        }
        serve = [self.programs / "postgres", "-D", cluster, "-p", str(self.port)]
        for name, value in settings.items():
            serve += ["-c", f"{name}={value}"]
        self.process = Process("postgres", self._as_account(serve), directory)
        until("PostgreSQL serves", self._serves)

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def run(self, sql: str) -> str:
        """Runs statements in the schema of the control planes; answers what they print."""
        done = subprocess.run(
            [self.programs / "psql", "--no-psqlrc", "-qtA", "-v", "ON_ERROR_STOP=1", self.url],
            input=f"SET search_path = portcullis_control_plane;\n{sql}\n",
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def stop(self) -> None:
        self.process.stop()
        shutil.rmtree(self.folder)

    def _as_account(self, command: list[str | Path]) -> list[str | Path]:
        if self.account is None:
            return command
        group = f"--regid={self.account.pw_gid}"
        return ["setpriv", f"--reuid={self.account.pw_uid}", group, "--clear-groups", *command]

    def _serves(self) -> bool:
        self.process.check_alive()
        try:
            return self.run("SELECT 1") == "1"
        except subprocess.CalledProcessError:
            return False
