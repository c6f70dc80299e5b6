"""Several control planes on one PostgreSQL, of which any is killed, upgraded or stopped at any
moment: no call fails, nothing that was accepted is lost, and Envoys are sent nothing that they
have.

Invariants 3 and 8 of docs/architecture.md.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from control_plane import BOOTSTRAP, ControlPlane, subscribed_envoy
from envoy import Envoy, address
from free_ports import free_port
from installation import Installation
from managed_gateway import CALLS, TOOLS, listed
from mcp_messages import has_passed
from own_postgres import OwnPostgres
from polling import until
from recording_upstream import RecordingUpstream, answers_with
from traffic import Traffic

ENVOYS = ("one", "two")
TRANSFERS = "update_success|config_reload"
"""The counters that rise with each response of a discovery service that Envoy has taken."""
ONLY_GOOD = {name: {200} for name in CALLS}

LATER_STEP = """
CREATE TABLE later (number BIGINT);
ALTER TABLE revision ADD COLUMN later TEXT NOT NULL DEFAULT 'nothing';
INSERT INTO migrations (version, description, success, checksum, execution_time)
VALUES (9999, 'later', true, '', 0);
"""
"""What a later version adds to the store when it is started on it."""


@dataclass
class Fleet:
    """Two Envoys that serve one port between them, and the control planes that they know of."""

    installation: Installation
    directory: Path
    postgres: OwnPostgres
    ports: list[int]
    port: int
    document: dict
    upstreams: list[RecordingUpstream] = field(default_factory=list)
    running: dict[int, ControlPlane] = field(default_factory=dict)
    envoys: list[Envoy] = field(default_factory=list)

    def start(self, xds_port: int, version: Installation | None = None) -> ControlPlane:
        """A control plane that leads, or stands by. All have one folder of modules: Envoys are told
        the path.
        """
        programs = version or self.installation
        replica = ControlPlane(
            programs, self.directory, self.document, xds_port, store=self.postgres.url
        )
        self.running[xds_port] = replica
        return replica

    def kill(self, replica: ControlPlane) -> None:
        del self.running[replica.xds_port]
        replica.crash()

    def end(self, replica: ControlPlane) -> None:
        del self.running[replica.xds_port]
        replica.stop()

    def leader(self) -> ControlPlane:
        """The one that leads, once both Envoys run something that it means them to have."""

        def found() -> ControlPlane | None:
            for replica in list(self.running.values()):
                if replica.get("/readyz").status != 200:
                    continue
                if set(ENVOYS) == {
                    node["id"]
                    for node in replica.nodes()
                    if node["connected"] and node["generation"].get("in_force")
                }:
                    return replica
            return None

        return until("both Envoys are at the one that leads", found)

    def is_settled(self) -> bool:
        leader = self.leader()
        desired = leader.get("/api/v1/version").json["generation"]
        return all(node["generation"]["in_force"] == desired for node in leader.nodes())

    def transfers(self) -> list[dict[str, int]]:
        return [envoy.stats(TRANSFERS) for envoy in self.envoys]

    def passes(self, tool: str) -> bool:
        return has_passed(CALLS[tool].post_once(self.port))

    def stop(self) -> None:
        for part in [*self.envoys, *self.running.values(), *self.upstreams, self.postgres]:
            part.stop()


@contextmanager
def fleet(installation: Installation, directory: Path) -> Iterator[Fleet]:
    """A fleet with two control planes, of which one leads."""
    port = free_port()
    made = Fleet(
        installation, directory, OwnPostgres(directory), [free_port() for _ in "ab"], port, {}
    )
    try:
        servers = {}
        for name in TOOLS:
            upstream = RecordingUpstream(name)
            upstream.responder = answers_with(listed(TOOLS[name]))
            made.upstreams.append(upstream)
            servers[name] = {"url": f"http://127.0.0.1:{upstream.port}/mcp"}
        made.document.update(
            listeners=[{"name": "mcp", "address": f"127.0.0.1:{port}", "servers": ["*"]}],
            servers=servers,
            # No Envoy here is silent on purpose, so that only a busy machine would be judged.
            rollout={"ack_deadline": "50s"},
        )
        first = made.start(made.ports[0])
        until("the first one leads", lambda: first.get("/readyz").status == 200)
        made.start(made.ports[1])
        bootstrap = yaml.safe_load(BOOTSTRAP.read_text())
        (cluster,) = bootstrap["static_resources"]["clusters"]
        second = {"lb_endpoints": [{"endpoint": {"address": address(made.ports[1])}}]}
        cluster["load_assignment"]["endpoints"].append(second)
        bootstrap_file = directory / "bootstrap.yaml"
        bootstrap_file.write_text(yaml.safe_dump(bootstrap))
        for name in ENVOYS:
            envoy = subscribed_envoy(
                installation, directory, first, name, bootstrap_file=bootstrap_file
            )
            made.envoys.append(envoy)
        for tool in CALLS:
            until(f"`{tool}` can be called", lambda tool=tool: made.passes(tool))
        until("every Envoy has taken everything", made.is_settled)
        yield made
    finally:
        made.stop()


class Writer:
    """An operator who changes the limit of a tool again and again, by whoever leads."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.accepted: dict[int, int] = {}
        """The limits of the revisions that were accepted."""
        self.limit = 1_000_000
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._write, daemon=True)

    def _write(self) -> None:
        while not self.stopping.is_set():
            for replica in list(self.fleet.running.values()):
                self.limit += 1
                try:
                    answer = replica.set_limit("get_weather", self.limit)
                except (OSError, EOFError):
                    continue
                if answer.status == 200:
                    self.accepted[answer.json["revision"]] = self.limit

    def writes(self, changes: int = 5) -> None:
        """Waits until so many changes more are accepted."""
        wanted = len(self.accepted) + changes
        until("changes are accepted", lambda: len(self.accepted) >= wanted)

    def check_nothing_is_lost(self) -> None:
        """Each change that was accepted is there as it was answered."""
        rows = "SELECT number || ' ' || regexp_replace(document, '\\s', '', 'g') FROM revision"
        stored = self.fleet.postgres.run(rows)
        documents = dict(line.split(" ", 1) for line in stored.splitlines())
        for revision, limit in self.accepted.items():
            assert f'"requests":{limit}' in documents[str(revision)], (revision, limit)

    def __enter__(self) -> "Writer":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.thread.join(timeout=60)


@pytest.fixture
def replicas(installation, directory):
    with fleet(installation, directory) as made:
        yield made


def test_it_moves_all_envoys_from_a_killed_leader_and_sends_them_nothing_that_they_have(replicas):
    former = replicas.leader()
    taken = replicas.transfers()
    assert all(len(counters) > 3 for counters in taken), taken
    with Traffic(replicas.port, CALLS) as traffic:
        traffic.flows()
        replicas.kill(former)
        leader = replicas.leader()
        assert leader is not former
        traffic.flows()
        assert replicas.transfers() == taken
        assert leader.set_limit("get_weather", 1_000_000).json["outcome"] == "accepted"
        traffic.flows()
    traffic.check_only(ONLY_GOOD)
    for before, now in zip(taken, replicas.transfers(), strict=True):
        risen = {name for name, count in now.items() if count != before[name]}
        assert risen and all("extension_config" in name for name in risen), risen


def test_it_loses_no_change_that_was_accepted_when_leaders_are_killed_while_they_write(replicas):
    with Traffic(replicas.port, CALLS) as traffic, Writer(replicas) as writer:
        for _ in range(2):
            writer.writes()
            killed = replicas.leader()
            replicas.kill(killed)
            replicas.start(killed.xds_port)
            replicas.leader()
            writer.writes()
        traffic.flows()
    traffic.check_only(ONLY_GOOD)
    writer.check_nothing_is_lost()


def test_it_is_upgraded_one_by_one_and_back_under_load(installation, directory):
    """Up to today's version, and back once a later one has added to the store.

    The later version is today's program otherwise; so is the earlier one where
    `PORTCULLIS_EARLIER_BIN_DIR` names no other.
    """
    earlier = installation.earlier(os.environ)
    with fleet(earlier, directory) as replicas:
        with Traffic(replicas.port, CALLS) as traffic, Writer(replicas) as writer:
            writer.writes()
            for version in (installation, earlier):
                for _ in range(2):
                    ended = replicas.leader()
                    replicas.end(ended)
                    replicas.start(ended.xds_port, version)
                    replicas.leader()
                    writer.writes()
                if version is installation:
                    replicas.postgres.run(LATER_STEP)
                    writer.writes()
            traffic.flows()
        traffic.check_only(ONLY_GOOD)
        writer.check_nothing_is_lost()
        later = "SELECT count(*) FROM revision WHERE later = 'nothing'"
        assert int(replicas.postgres.run(later)) > len(writer.accepted)
