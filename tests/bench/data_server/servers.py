"""The servers that are put beside each other, each as its makers have it without settings."""

import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import questions
from free_ports import free_port
from installation import Installation, present
from polling import until
from processes import Process
from questions import Question, Request, Rows
from raw_http import Connection

OURS = "portcullis"
TOOLBOX = "toolbox 1.12.0"
DBHUB = "dbhub 1.4.0"
FLOOR = "floor: axum, SQL"
ECHO = "floor: rmcp, echo"

BUILD_FLOOR = "run `cargo build -p floor-data`"
BRING_PEERS = "run `python3 setup/setup.py bench`"
DBHUB_CONFIG = """
[[sources]]
id = "bench"
dsn = "{url}?sslmode=disable"

[[tools]]
name = "execute_sql"
source = "bench"
readonly = true
max_rows = 1000
"""


@dataclass
class Server:
    """A server that runs, and how to read its answers."""

    name: str
    command: list
    port: int
    tool: str = "execute_query"
    rows: Callable[[dict], Rows] = questions.structured
    environment: dict[str, str] = field(default_factory=dict)
    process: Process | None = None

    def start(self, directory: Path) -> None:
        name = self.name.split()[0].strip(":") + str(self.port)
        self.process = Process(name, self.command, directory, self.environment)
        until(f"{self.name} listens", self.accepts, 60)

    def accepts(self) -> bool:
        assert self.process is not None
        self.process.check_alive()
        with Connection(self.port):
            return True

    @property
    def answers_sql(self) -> bool:
        return self.name != ECHO

    def post(self, call: dict, patience: float = 60) -> bytes:
        """The body of the answer to one message, which comes within so many seconds."""
        headers = [pair for pair in questions.HEADERS if pair[0] != "host"]
        with Connection(self.port, patience) as connection:
            reply = connection.post("/mcp", headers, json.dumps(call).encode())
        if reply.status != 200:
            raise questions.WrongAnswer(f"{self.name}: status {reply.status}: {reply.body[:300]}")
        return reply.body

    def check(self, question: Question) -> None:
        """Asks once, and raises `WrongAnswer` unless every row is there."""
        result = questions.message(self.post(question.call(self.tool)))["result"]
        if self.answers_sql:
            question.check(self.name, self.rows(result))
        elif result["content"][0]["text"] != question.sql:
            raise questions.WrongAnswer(f"{self.name} gives back {result}")

    def marker(self, question: Question | Request) -> str:
        """Text that only a right answer holds."""
        if isinstance(question, Request):
            return question.marker
        if not self.answers_sql:
            return question.sql
        if question is not questions.ONE:
            return question.marker
        return "?column?" if self.name in (TOOLBOX, DBHUB) else "[[1]]"


def has_toolbox() -> bool:
    """Whether there is a toolbox for this processor."""
    return platform.machine() == "x86_64"


def all_servers(installation: Installation, directory: Path, postgres: int) -> list[Server]:
    """Every server, not yet started, on the database that listens on the port `postgres`."""
    peers = present(installation.home / "peers/node/node_modules", BRING_PEERS)
    floor = present(installation.binaries / "floor-data", BUILD_FLOOR)
    ports = [free_port() for _ in range(5)]
    url = f"postgres://reader:benchmark@127.0.0.1:{postgres}/postgres"
    config = directory / "dbhub.toml"
    config.write_text(DBHUB_CONFIG.format(url=url))
    login = {
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(postgres),
        "POSTGRES_USER": "reader",
        "POSTGRES_PASSWORD": "benchmark",
    }
    ours = login | {
        "POSTGRES_DB": "postgres",
        "MCP_SERVER_ADDRESS": f"127.0.0.1:{ports[0]}",
        "PORTCULLIS_DATA": str(directory / "data"),
    }
    node = [installation.program("node"), peers / "@bytebase/dbhub/dist/index.js"]
    dbhub = [*node, "--transport", "http", "--host", "127.0.0.1", "--port", ports[2]]
    servers = [
        Server(OURS, [installation.binary("mcp-server")], ports[0], environment=ours),
        Server(
            DBHUB,
            [*dbhub, "--config", config],
            ports[2],
            "execute_sql",
            questions.text_for_all_rows,
        ),
        Server(FLOOR, [floor, "sql", "--port", ports[3], "--postgres-port", postgres], ports[3]),
        Server(ECHO, [floor, "echo", "--port", ports[4]], ports[4]),
    ]
    if has_toolbox():
        program = present(peers / "@toolbox-sdk/server-linux-x64/bin/toolbox", BRING_PEERS)
        command = [program, "--prebuilt", "postgres", "--port", ports[1]]
        command += ["--disable-version-check", "--log-level", "ERROR"]
        environment = login | {"POSTGRES_DATABASE": "postgres", "HOME": str(directory)}
        read = questions.text_for_each_row
        toolbox = Server(TOOLBOX, command, ports[1], "execute_sql", read, environment)
        servers.insert(1, toolbox)
    return servers


def start_postgres(installation: Installation, directory: Path) -> int:
    """The port of the benchmark's PostgreSQL; it ends with the process that keeps it."""
    floor = present(installation.binaries / "floor-data", BUILD_FLOOR)
    process = Process("postgres", [floor, "postgres"], directory, dict(os.environ))
    line = until("the benchmark's PostgreSQL", lambda: port_line(process), 120)
    return json.loads(line)["port"]


def port_line(process: Process) -> str:
    process.check_alive()
    lines = process.log_end().splitlines()
    return next((line for line in lines if line.startswith("{")), "")
