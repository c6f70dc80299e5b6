"""What a developer has set, and what runs beside, never reaches a test."""

import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from apart import environment_of_its_own
from free_ports import free_port
from installation import Installation
from polling import until
from processes import Process
from raw_http import Connection
from sentinels import Sentinels

APART = Path(__file__).with_name("apart.py")
# One of each kind that our programs, their drivers and the tools around them read.
SETTINGS = {
    "POSTGRES_HOST": "db.example.org",
    "POSTGRES_PASSWORD": "secret",
    "PGHOST": "db.example.org",
    "SPARK_REMOTE": "sc://spark.example.org:15002",
    "SPARK_HOME": "/opt/spark",
    "PORTCULLIS_STORE_URL": "postgres://db.example.org/store",
    "PORTCULLIS_DATA": "/var/lib/portcullis",
    "CONTROL_PLANE_STORE": "/var/lib/portcullis/control-plane.db",
    "MCP_SERVER_ADDRESS": "127.0.0.1:8000",
    "GATEWAY_ADDRESS": "127.0.0.1:10000",
    "HTTP_PROXY": "http://proxy.example.org",
    "https_proxy": "http://proxy.example.org",
    "PYTHONPATH": "/opt/python",
    "RUST_LOG": "trace",
    "JAVA_TOOL_OPTIONS": "-Xmx1m",
    "NODE_OPTIONS": "--inspect",
    "AWS_SECRET_ACCESS_KEY": "secret",
}


def apart(*command: object, **variables: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, APART, *command]
    return subprocess.run(
        [str(word) for word in words],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_it_keeps_a_developers_setting_from_the_tests(name: str, tmp_path: Path) -> None:
    own = environment_of_its_own({**SETTINGS, "PATH": "/bin"}, tmp_path)
    assert own.get(name) != SETTINGS[name]
    assert own["PATH"] == "/bin"


def test_it_gives_the_command_folders_that_are_gone_afterwards() -> None:
    done = apart(
        "sh",
        "-c",
        'echo "$HOME"; echo "$TMPDIR"; touch "$HOME/x" "$TMPDIR/y"; echo "$PORTCULLIS_DATA"',
    )
    folders = [Path(line) for line in done.stdout.splitlines()]
    assert len({folder.parent for folder in folders}) == 1 and len(folders) == 3
    assert not folders[0].parent.exists() and folders[0] != Path.home()


def test_it_ends_with_the_status_of_the_command() -> None:
    assert apart("sh", "-c", "exit 7").returncode == 7
    assert apart("true").returncode == 0


def test_it_fails_when_a_test_reaches_a_port_that_it_did_not_start() -> None:
    port = free_port()
    with Sentinels(ports=(port,), patience=60.0) as sentinels:
        with Connection(port) as caller:
            caller.send(b"GET /mcp HTTP/1.1\r\n\r\n")
            caller.closed_by_peer()
    assert [
        line
        for line in sentinels.seen()
        if f"port {port}" in line and "`GET /mcp HTTP/1.1`" in line
    ]
    with Sentinels(ports=(port,)) as sentinels:
        pass
    assert sentinels.seen() == []


CALL = "import socket; socket.create_connection(('127.0.0.1', {port})).recv(1)  # it_calls"


def test_it_names_the_test_whose_program_reaches_such_a_port() -> None:
    port = free_port()
    call = [sys.executable, "-c", CALL.format(port=port)]
    with Sentinels(ports=(port,)) as sentinels:
        subprocess.run(["sh", "-c", f"{shlex.join(call)}; exit 0"], check=True)
    (line,) = sentinels.seen()
    # As nextest would be above it, with the name of the test among its words.
    assert line.count("it_calls") == 2 and "` under `sh -c" in line
    assert "in apart/test_apart.py::test_it_names_the_test_whose" in line
    with Sentinels(ports=(port,)) as sentinels:
        gone = {name: word for name, word in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        subprocess.run(call, check=True, env=gone)
    (line,) = sentinels.seen()
    assert "it_calls" in line and "test_apart.py" not in line


def test_it_lets_no_connection_out_to_what_runs_beside() -> None:
    connect = (
        "import socket; socket.create_connection(('127.0.0.1', {})).sendall(b'DELETE FROM shops')"
    )
    with socket.create_server(("127.0.0.1", free_port())) as beside:
        beside.settimeout(0)
        done = apart(sys.executable, "-c", connect.format(beside.getsockname()[1]))
        if "share this machine's network" in done.stderr:
            # Here only the variables stand between a test and what runs beside: the next test.
            assert done.returncode == 0
            return
        assert done.returncode != 0 and "Connection refused" in done.stderr
        with pytest.raises(BlockingIOError):
            beside.accept()


class Database:
    """A listener in the place of a developer's database; it counts who comes."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", free_port()))
        self.listener.settimeout(0)

    @property
    def settings(self) -> dict[str, str]:
        return {"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": str(self.listener.getsockname()[1])}

    def visited(self) -> bool:
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


ASK = """
import os, sys
from pathlib import Path
sys.path[:0] = {path}
from installation import Installation
from test_apart import look_at_the_database
look_at_the_database(Installation.from_environment(os.environ), Path(os.environ["TMPDIR"]), {{}})
print("the data server answered")
"""


def look_at_the_database(
    installation: Installation, folder: Path, settings: dict[str, str]
) -> None:
    """Starts the data server with what the environment says, and has it look at its database."""
    port = free_port()
    command = [installation.binary("mcp-server"), "--address", f"127.0.0.1:{port}"]
    # It is to find no Spark: left to itself it would look for one at the usual ports.
    for flag, scheme in {
        "--spark-remote": "sc",
        "--spark-master-rest": "http",
        "--spark-master-ui": "http",
    }.items():
        command += [flag, f"{scheme}://127.0.0.1:1"]
    server = Process("mcp-server", command, folder, settings)
    try:

        def health() -> int:
            server.check_alive()
            with Connection(port) as connection:
                return connection.request("GET", "/health", []).status

        until("the data server answers", health)
    finally:
        server.stop()


def test_it_keeps_the_data_server_from_a_developers_database(
    installation: Installation, tmp_path: Path
) -> None:
    database = Database()
    # Without the runner the data server does go there, so that what follows can fail.
    look_at_the_database(installation, tmp_path, database.settings)
    assert database.visited()
    while database.visited():
        pass
    done = apart(sys.executable, "-c", ASK.format(path=sys.path), **database.settings)
    # It looked where it looks without settings, which the sentinels may have seen.
    assert "the data server answered" in done.stdout, done.stderr
    assert not database.visited()


def test_it_starts_programs_where_no_env_file_of_a_developer_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone/.env").write_text("POSTGRES_HOST=db.example.org\n")
    monkeypatch.chdir(tmp_path / "clone")
    (tmp_path / "test").mkdir()
    process = Process("list", ["sh", "-c", "pwd; ls -a; echo listed"], tmp_path / "test")
    said = until(
        "the folder is listed", lambda: process.log_end() if "listed" in process.log_end() else None
    )
    process.stop()
    assert str(tmp_path / "test") in said and ".env" not in said


def test_it_holds_the_ports_that_it_gives_away() -> None:
    port = free_port()
    with socket.socket() as another_run, pytest.raises(OSError):
        another_run.bind(("127.0.0.1", port))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", port)):
        socket.create_connection(("127.0.0.1", port)).close()
