"""How soon a policy that is written by REST is in force, as a caller of one Envoy sees it.

python tests/bench/changes.py [--changes 300] [--json changes.json]

A caller sends one call after the other on a connection that stays open while a tool is closed and
opened again by `PUT /api/v1/tools/{name}/policy`. A change is in force with the first answer that
shows it. Two gateways take turns: one of seven tools, and one of a thousand, each with a schema of
its own, and a hundred rules. The time from the push is measured too, without REST and the store: it
begins when the control plane says in its log that it hands the change out. It asserts no time; it
fails on any answer that is neither the open nor the closed tool's.

python tests/bench/changes.py --constant-load [--changes 10000]

A gateway of seven tools is changed without a pause while several callers call without a pause: how
many changes and calls there were, and that each call was answered as it is before or after a
change.
"""

import argparse
import copy
import json
import os
import re
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e"), str(HERE.parent / "clients")]

from bursts import in_rotating_order  # noqa: E402
from calls import SCHEMA  # noqa: E402
from control_plane import ControlPlane, subscribed_envoy  # noqa: E402
from free_ports import free_port  # noqa: E402
from installation import Installation  # noqa: E402
from mcp_messages import Era, call, has_passed, is_refused  # noqa: E402
from polling import PATIENCE, until  # noqa: E402
from processes import Process  # noqa: E402
from raw_http import Connection  # noqa: E402
from recording_upstream import RecordingUpstream, answers_with  # noqa: E402
from table import write_figures  # noqa: E402

SERVER = "bench"
PROBE = "probe"
FIRST_CHANGES = 5
"""Changes before those that are measured, so that nothing is done for the first time."""


@dataclass(frozen=True)
class Size:
    """A gateway's tools, besides the one that is opened and closed, and its rules."""

    rules: int
    tools_of_a_rule: int

    @property
    def title(self) -> str:
        return f"{self.rules * self.tools_of_a_rule + 1} tools, {self.rules} rules"

    def tools(self) -> list[dict]:
        names = [
            f"tool_{rule}_{number}"
            for rule in range(self.rules)
            for number in range(self.tools_of_a_rule)
        ]
        return [{"name": name, "inputSchema": schema_of(name)} for name in [PROBE, *names]]

    def document(self, port: int, url: str) -> dict:
        limit = {"per": ["tool"], "requests": 1_000_000, "window": "1s"}
        return {
            "listeners": [{"name": "mcp", "address": f"127.0.0.1:{port}", "servers": ["*"]}],
            "servers": {SERVER: {"url": url}},
            "tools": [
                {
                    "name": f"rule_{number}",
                    "match": {"server": SERVER, "tool": f"tool_{number}_*"},
                    "limits": [limit],
                    "timeout": "30s",
                }
                for number in range(self.rules)
            ],
        }


SIZES = (Size(rules=3, tools_of_a_rule=2), Size(rules=100, tools_of_a_rule=10))


def schema_of(tool: str) -> dict:
    """A schema that no other tool has."""
    schema = copy.deepcopy(SCHEMA)
    schema["properties"][f"of_{tool}"] = {"type": "string"}
    return schema


class Caller:
    """Sends the probe's call again and again, and says since when its tool is open or closed."""

    def __init__(self, port: int) -> None:
        self.connection = Connection(port)
        self.message = call(Era.MODERN, PROBE, {"sql": "select 1"})
        self.seen = threading.Condition()
        self.is_open: bool | None = None
        self.since = 0.0
        self.calls = 0
        self.failure: str | None = None
        self.stopping = False
        self.calls_on = threading.Event()
        """Cleared, it sends nothing, so that only the gateway whose turn it is has something to do.
        """
        self.thread = threading.Thread(target=self._call, daemon=True)
        self.thread.start()

    def _call(self) -> None:
        while self.calls_on.wait() and not self.stopping:
            try:
                reply = self.message.post(self.connection)
            except (OSError, HTTPException) as error:
                # A call without an answer is one that failed.
                with self.seen:
                    self.failure = f"no answer: {error!r}"
                    self.seen.notify_all()
                return
            at = time.monotonic()
            is_open = has_passed(reply)
            with self.seen:
                self.calls += 1
                if not is_open and not is_refused(reply, 40300):
                    self.failure = f"{reply.status}: {reply.body[:300]!r}"
                if is_open != self.is_open:
                    self.is_open, self.since = is_open, at
                self.seen.notify_all()

    def flows(self) -> None:
        """Has it send calls, and waits until some were answered."""
        self.calls_on.set()
        with self.seen:
            wanted = self.calls + 3
            if not self.seen.wait_for(lambda: self.calls >= wanted or self.failure, PATIENCE):
                self.failure = f"no answer within {PATIENCE} s"

    def when(self, is_open: bool) -> float:
        """Waits until the tool is open, or closed; the time of the first answer that shows it."""
        with self.seen:
            came = self.seen.wait_for(lambda: self.is_open == is_open or self.failure, PATIENCE)
            if not came or self.failure:
                raise SystemExit(f"a call failed: {self.failure or 'no answer'}")
            return self.since

    def stop(self) -> None:
        self.stopping = True
        self.calls_on.set()
        self.thread.join(PATIENCE)
        self.connection.close()


class Gateway:
    """A control plane, one Envoy, a server with tools behind it, and the caller."""

    def __init__(self, installation: Installation, directory: Path, size: Size) -> None:
        directory.mkdir()
        self.upstream = RecordingUpstream(SERVER)
        self.upstream.responder = answers_with(size.tools())
        port = self.port = free_port()
        url = f"http://127.0.0.1:{self.upstream.port}/mcp"
        document = size.document(port, url)
        self.control_plane = ControlPlane(
            installation,
            directory,
            document,
            relist_seconds=600,
            more_environment={"RUST_LOG": "warn,control_plane::gateway=debug"},
        )
        self.log_read = 0
        self.envoy = subscribed_envoy(installation, directory, self.control_plane)
        message = call(Era.MODERN, PROBE, {"sql": "select 1"})
        until("the tool can be called", lambda: has_passed(message.post_once(port)))
        self.rest = Connection(self.control_plane.rest_port)
        self.caller = Caller(port)
        for number in range(FIRST_CHANGES):
            self.change(opens=number % 2 == 1)

    def write(self, opens: bool) -> int:
        """Opens or closes the tool; the revision, once Envoy has acknowledged it."""
        body = json.dumps({"allow": ["*"] if opens else []}).encode()
        headers = [("content-type", "application/json")]
        path = f"/api/v1/tools/{PROBE}/policy"
        reply = self.rest.request("PUT", path, headers, body)
        if reply.status != 200 or reply.json["outcome"] != "accepted":
            raise SystemExit(f"a change was not accepted: {reply.body[:300]!r}")
        return reply.json["revision"]

    def change(self, opens: bool) -> dict[str, float]:
        """Opens or closes the tool: the milliseconds until that was in force, from the request and
        from the push, and until the write was answered.
        """
        self.caller.flows()
        begun = time.monotonic()
        revision = self.write(opens)
        answered = time.monotonic()
        in_force = self.caller.when(opens)
        self.caller.calls_on.clear()
        self.upstream.forget()
        return {
            "in_force_ms": (in_force - begun) * 1e3,
            "pushed_ms": (in_force - self.pushed_at(revision)) * 1e3,
            "answered_ms": (answered - begun) * 1e3,
        }

    def pushed_at(self, revision: int) -> float:
        """When the control plane first handed a revision out, on the clock of `time.monotonic`."""
        with self.control_plane.process.log.open() as log:
            log.seek(self.log_read)
            lines = log.read()
            self.log_read = log.tell()
        line = re.search(rf"^(\S+) .* handed out revision={revision}$", lines, re.MULTILINE)
        if line is None:
            raise SystemExit(f"the control plane's log does not tell of revision {revision}")
        said = datetime.fromisoformat(line[1]).timestamp()
        return said - time.time() + time.monotonic()

    def stop(self) -> None:
        self.caller.stop()
        self.rest.close()
        self.envoy.stop()
        self.control_plane.stop()
        self.upstream.stop()


def figures(changes: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """The median and the 99th percentile of each time."""

    def of(name: str) -> dict[str, float]:
        times = sorted(change[name] for change in changes)
        return {"p50": median(times), "p99": times[min(len(times) - 1, len(times) * 99 // 100)]}

    return {name: of(name) for name in changes[0]}


def run(installation: Installation, changes: int, sizes: tuple[Size, ...] = SIZES) -> dict:
    """The figures by the gateway's title."""
    measured: dict[str, list[dict[str, float]]] = {size.title: [] for size in sizes}
    calls = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            gateways = {
                size.title: Gateway(installation, Path(folder) / str(number), size)
                for number, size in enumerate(sizes)
            }
            # A policy is opened where the one before was closed: in pairs.
            for title in in_rotating_order([*gateways], (changes + 1) // 2):
                for opens in (True, False):
                    measured[title].append(gateways[title].change(opens))
            calls = {title: gateway.caller.calls for title, gateway in gateways.items()}
            for gateway in gateways.values():
                gateway.stop()
        finally:
            for process in list(Process.running):
                process.stop()
    return {
        title: {"changes": len(times), "calls": calls[title], **figures(times)}
        for title, times in measured.items()
    }


def under_constant_load(installation: Installation, changes: int, callers: int = 3) -> dict:
    """Changes without a pause, and calls without a pause: how many there were of each. A call that
    is answered by neither state of the tool ends it.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            gateway = Gateway(installation, Path(folder) / "gateway", SIZES[0])
            others = [Caller(gateway.port) for _ in range(callers - 1)]
            everyone = [gateway.caller, *others]
            for caller in everyone:
                caller.flows()
            before = sum(caller.calls for caller in everyone)
            begun = time.monotonic()
            for number in range(changes):
                gateway.write(opens=number % 2 == 0)
                gateway.upstream.forget()
                check_none_failed(everyone, number + 1)
            seconds = time.monotonic() - begun
            calls = sum(caller.calls for caller in everyone) - before
            # Each of them still calls, and is answered.
            for caller in everyone:
                caller.flows()
            check_none_failed(everyone, changes)
            for caller in others:
                caller.stop()
            gateway.stop()
        finally:
            for process in list(Process.running):
                process.stop()
    return {"changes": changes, "calls": calls, "failed": 0, "seconds": seconds}


def check_none_failed(callers: list[Caller], changes: int) -> None:
    failures = [caller.failure for caller in callers if caller.failure]
    if failures:
        raise SystemExit(f"a call failed after {changes} changes: {failures}")


def rows(results: dict) -> list[str]:
    lines = [
        f"{'':24}{'changes':>8}{'in force p50 ms':>17}{'p99':>8}{'from the push':>15}{'p99':>8}"
        f"{'answered p50':>14}{'p99':>8}"
    ]
    for title, result in results.items():
        times = [result[name] for name in ("in_force_ms", "pushed_ms", "answered_ms")]
        widths = (17, 15, 14)
        lines.append(
            f"{title:24}{result['changes']:8}"
            + "".join(
                f"{of['p50']:{width}.1f}{of['p99']:8.1f}"
                for of, width in zip(times, widths, strict=True)
            )
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--changes", type=int, help="[default: 300, under constant load 10000]")
    parser.add_argument("--constant-load", action="store_true")
    parser.add_argument(
        "--json",
        type=Path,
        help="where the figures go too [default: changes.json beside the module's folder, under "
        "constant load constant-load.json]",
    )
    arguments = parser.parse_args()
    installation = Installation.from_environment(os.environ, profile="release")
    name = "changes.json"
    if arguments.constant_load:
        name = "constant-load.json"
        results = under_constant_load(installation, arguments.changes or 10_000)
        words = "{changes} changes, {calls} calls, {failed} failed, {seconds:.0f} s"
        print(words.format(**results))
    else:
        results = run(installation, arguments.changes or 300)
        print("\n".join(rows(results)))
    file = arguments.json or installation.filters.parent / name
    write_figures(results, file)


if __name__ == "__main__":
    main()
