"""What an operator types to look at the document, to change it and to take a change back."""

import contextlib
import hashlib
import json
import os
import pty
import signal
import subprocess

import pytest
import yaml

from managed_gateway import listed
from polling import until
from recording_upstream import answers_with
from wasm_modules import another_build


@pytest.fixture
def portcullis(managed, installation, directory):
    """Runs the command line against the control plane of the test."""

    def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess:
        address = f"127.0.0.1:{managed.control_plane.rest_port}"
        command = [installation.binary("portcullis"), *arguments, "--rest-address", address]
        return subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=directory,
            env={**os.environ, "PORTCULLIS_DATA": str(directory)},
        )

    return run


def words(text: str) -> str:
    """The text on one line, however wide its columns are."""
    return " ".join(text.split())


def test_it_looks_changes_compares_and_goes_back(managed, portcullis):
    before = managed.control_plane.get("/api/v1/config").json["revision"]
    document = managed.control_plane.document()
    document["defaults"]["access"] = "deny"
    changed = json.dumps(document)

    tried = portcullis("validate", "-", text=changed)
    assert tried.returncode == 0, tried.stderr
    assert '/access "allow" → "deny"' in words(tried.stdout)
    wrong = portcullis("validate", "-", text="{tools: [{name: a, colour: red}]}")
    assert wrong.returncode != 0
    assert "/tools/0/colour" in wrong.stdout
    refused = portcullis("apply", "-", text="{tools: [{name: a, colour: red}]}")
    assert (refused.returncode != 0, refused.stdout) == (True, "")
    assert "/tools/0/colour" in refused.stderr

    applied = portcullis("apply", "-", "--author", "ada", "--reason", "less is more", text=changed)
    assert applied.returncode == 0, applied.stderr
    assert '/access "allow" → "deny"' in words(applied.stdout)
    assert f"revision {before + 1} accepted envoy envoy acked" in words(applied.stdout)
    shown = portcullis("get", "defaults")
    assert "access: deny" in shown.stdout
    whole = portcullis("get", "config")
    again = portcullis("apply", "-", text=whole.stdout)
    assert f"nothing differs revision {before + 1} unchanged" in words(again.stdout), again.stderr
    as_json = portcullis("get", "servers", "weather", "--output", "json")
    assert json.loads(as_json.stdout)["name"] == "weather"

    compared = portcullis("diff", str(before), str(before + 1))
    assert compared.stdout.startswith("changed  defaults")
    loosening = portcullis("rollback", str(before))
    assert loosening.returncode != 0
    assert "`--allow-loosening`" in loosening.stderr
    tried = portcullis("rollback", str(before), "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert '/access "deny" → "allow" loosens' in words(tried.stdout)
    assert "`--allow-loosening`" in tried.stderr
    back = portcullis("rollback", str(before), "--allow-loosening", "--author", "ada")
    assert f"revision {before + 2} accepted" in words(back.stdout), back.stderr
    stale = portcullis("apply", "-", text=whole.stdout)
    assert (stale.returncode, f"revision {before + 2}" in stale.stderr) == (1, True), stale.stderr
    forced = portcullis("apply", "-", "--overwrite", "--dry-run", text=whole.stdout)
    assert forced.returncode == 0, forced.stderr
    history = portcullis("history", "--limit", "2")
    assert words(history.stdout.splitlines()[2]).endswith("ada less is more")
    audit = portcullis("audit", "--who", "ada", "--limit", "1")
    assert f"POST /api/v1/rollback {before + 2}" in words(audit.stdout)


def test_it_sees_to_servers_and_tools(managed, portcullis):
    url = f"http://127.0.0.1:{managed.upstreams['math'].port}/mcp"
    listed = portcullis("servers", "list")
    assert "math up 1 2026-07-28" in words(listed.stdout), listed.stderr
    removed = portcullis("servers", "remove", "math", "--author", "ada")
    assert "accepted" in removed.stdout, removed.stderr
    until("`add` is gone", lambda: not managed.passes("add"))
    unknown = portcullis("servers", "remove", "mth")
    assert unknown.returncode == 1
    added = portcullis("servers", "add", "math", url, "--author", "ada")
    assert "accepted" in added.stdout, added.stderr
    until("`add` can be called again", lambda: managed.passes("add"))

    closed = portcullis("tools", "policy", "add", "--close", "--reason", "for a while")
    assert "accepted" in closed.stdout, closed.stderr
    until("`add` is closed", lambda: not managed.passes("add"))
    shown = portcullis("tools", "policy", "add")
    assert "allow nobody tool:add" in words(shown.stdout)
    params = {"name": "add", "arguments": {"a": 1}}
    message = {"jsonrpc": "2.0", "method": "tools/call", "id": 1, "params": params}
    explained = portcullis("explain", "-", text=json.dumps(message))
    assert "decision refuse forbidden" in words(explained.stdout), explained.stderr
    assert "by allow rule `tool:add` /tools/0/allow" in words(explained.stdout)
    reopened = portcullis("tools", "policy", "add", "--remove")
    assert "accepted" in reopened.stdout, reopened.stderr
    until("`add` is open", lambda: managed.passes("add"))
    as_yaml = portcullis("nodes", "envoy", "--output", "yaml")
    assert yaml.safe_load(as_yaml.stdout)["connected"] is True


def test_it_adds_replaces_and_removes_one_resource(portcullis):
    for seconds, expected in [(5, "accepted"), (6, "accepted"), (6, "unchanged")]:
        rule = f"{{match: {{tool: add}}, timeout: {seconds}s}}"
        done = portcullis("put", "rules", "slow", "--set", rule)
        assert expected in done.stdout, done.stderr
    assert "timeout: 6s" in portcullis("get", "rules", "slow").stdout
    done = portcullis("put", "defaults", "--set-from", "-", text="{access: deny}")
    assert "accepted" in done.stdout, done.stderr
    assert "accepted" in portcullis("delete", "rules", "slow").stdout
    assert portcullis("get", "rules", "slow").returncode == 1
    assert portcullis("put", "rules", "slow").returncode == 2


def test_it_reviews_what_a_pinned_server_changes(managed, portcullis):
    url = f"http://127.0.0.1:{managed.upstreams['math'].port}/mcp"
    pinned = portcullis("put", "servers", "math", "--set", f"{{url: '{url}', pin: true}}")
    assert pinned.returncode == 0, pinned.stderr
    changed = {"add": {"type": "object", "properties": {"a": {"type": "string"}}}}
    managed.upstreams["math"].responder = answers_with(listed(changed))

    def shown() -> str:
        return words(portcullis("tools", "review", "math", "add").stdout)

    until("the new definition waits", lambda: "unreviewed" in shown())
    assert managed.passes("add")
    whole = shown().split("unreviewed ")[1].split()[0]
    review = ("tools", "review", "math", "add", "--approve", "--definition")
    # Its server could make another one that begins like it.
    beginning = portcullis(*review, whole[:40])
    assert "write all 64 digits" in beginning.stderr, beginning.stderr
    other = portcullis(*review, "0" * 64)
    assert other.returncode == 1 and "unreviewed" in shown(), other.stderr
    approved = portcullis(*review, whole, "--author", "ada")
    assert "tool add approved of `math`" in words(approved.stdout), approved.stderr
    until("the new definition is in force", lambda: not managed.passes("add"))
    assert "unreviewed" not in shown()


def test_it_names_what_was_meant(portcullis):
    for arguments, meant in [
        (["get", "severs"], "did you mean `servers`?"),
        (["put", "secret", "a", "--set", "{env: A}"], "did you mean `secrets`?"),
        (["delete", "listener", "a"], "did you mean `listeners`?"),
        (["get", "servers", "mth"], "did you mean `math`?"),
        (["nodes", "envy"], "did you mean `envoy`?"),
        (["tools", "policy", "ad"], "did you mean `add`?"),
        (["tools", "review", "mth", "add"], "did you mean `math`?"),
        (["tools", "review", "math", "ad"], "did you mean `add`?"),
        (["put", "servers", "--set", "{}"], "write `portcullis put servers <NAME>`"),
        (["put", "defaults", "x", "--set", "{}"], "leave `x` out"),
        (["delete", "defaults", "x"], "`portcullis put defaults --set '{}'`"),
        (["rollout", "show", "99"], "`portcullis rollout list`"),
        (["modules", "use", "abcdef"], "`portcullis modules list`"),
    ]:
        done = portcullis(*arguments)
        assert (done.returncode, meant in done.stderr) == (1, True), done.stderr
    done = portcullis("validate", "-", text="{tools: [{name: a, timout: 1s}]}")
    assert "/tools/0/timout (line 1)" in done.stdout
    assert "did you mean `timeout`?" in done.stdout
    message = {"jsonrpc": "2.0", "method": "tools/call", "id": 1, "params": {"name": "ad"}}
    done = portcullis("explain", "-", text=json.dumps(message))
    assert "did you mean `add`?" in done.stdout, done.stderr


def test_it_takes_modules_by_the_beginning_of_their_hashes(installation, directory, portcullis):
    start = installation.module_hash
    listed = portcullis("modules", "list")
    assert words(listed.stdout.splitlines()[1]).startswith(f"{start} mcp-filter"), listed.stderr
    assert "by the start by default" in words(listed.stdout)
    kept = portcullis("modules", "remove", start[:8])
    assert (kept.returncode, "was started with" in kept.stderr) == (1, True), kept.stderr
    build = another_build(installation.module.read_bytes(), "another build")
    file = directory / "build.wasm"
    file.write_bytes(build)
    for path, is_new in [(file, True), (installation.module, False)]:
        uploaded = portcullis("modules", "upload", str(path))
        assert uploaded.returncode == 0, uploaded.stderr
        assert ("no Envoy runs it yet" in uploaded.stderr) == is_new
    beginning = hashlib.sha256(build).hexdigest()[:8]
    used = portcullis("modules", "use", beginning)
    assert "accepted" in used.stdout, used.stderr
    shown = portcullis("modules", "list").stdout
    assert "by default" not in shown
    assert portcullis("modules", "upload", str(file)).stderr == ""
    assert "/module/sha256" in shown
    busy = portcullis("modules", "remove", beginning)
    assert (busy.returncode, "Envoys run the module" in busy.stderr) == (1, True), busy.stderr


def test_it_says_why_the_newest_revision_is_not_in_force(managed, portcullis, occupied_port):
    put = portcullis("put", "rules", "slow", "--set", "{timeout: 60s}")
    assert put.returncode == 0, put.stderr
    before = managed.control_plane.get("/api/v1/version").json["revision"]
    listener = f"{{address: '127.0.0.1:{occupied_port}', servers: ['*']}}"
    refused = portcullis("put", "listeners", "second", "--set", listener)
    assert refused.returncode == 1, refused.stdout
    lines = [words(line) for line in portcullis("status").stdout.splitlines()]
    assert lines[0] == f"revision {before} in force"
    expected = f"revision {before + 1} taken back Envoy `envoy`, listener `second`: "
    assert lines[1].startswith(expected), lines
    envoy = next(line for line in lines if line.startswith("envoy"))
    nodes = words(portcullis("nodes").stdout.splitlines()[1])
    assert (envoy.split()[2], nodes.split()[2]) == ("rejected", "rejected"), (envoy, nodes)
    back = portcullis("rollback")
    assert back.returncode == 0, back.stderr
    way = f"going back to revision {before - 1}, from {before}; {before + 1} was taken back already"
    assert back.stderr.splitlines()[0] == way, back.stderr


def test_it_shows_colours_and_progress_on_a_terminal_alone(managed, installation, directory):
    document = directory / "gateway.json"
    address = f"127.0.0.1:{managed.control_plane.rest_port}"
    for access, variables in [("deny", {}), ("allow", {"NO_COLOR": "1"})]:
        changed = managed.control_plane.document()
        changed["defaults"]["access"] = access
        document.write_text(json.dumps(changed))
        command = [installation.binary("portcullis"), "apply", document, "--rest-address", address]
        environment = {**os.environ, "TERM": "xterm", **variables}
        shown = on_a_terminal([str(part) for part in command], environment)
        assert "of 1 Envoys have acknowledged" in shown
        assert ("\x1b[32maccepted" in shown) == (variables == {}), shown


def on_a_terminal(command: list[str], environment: dict[str, str]) -> str:
    """What a command shows on a terminal of its own."""
    ours, its = pty.openpty()
    with subprocess.Popen(command, stdout=its, stderr=its, env=environment) as running:
        os.close(its)
        shown = b""
        with contextlib.suppress(OSError):  # Linux's way of saying that the terminal was closed
            while part := os.read(ours, 65536):
                shown += part
        os.close(ours)
    assert running.returncode == 0, shown
    return shown.decode()


def test_it_shows_the_traffic_on_a_terminal_until_ctrl_c(managed, installation):
    until("the Envoy reports", lambda: managed.control_plane.reporting() == 1)
    address = f"127.0.0.1:{managed.control_plane.rest_port}"
    command = [installation.binary("portcullis"), "top", "--rest-address", address]
    ours, its = pty.openpty()
    os.set_blocking(ours, False)
    shown = b""

    def calls() -> int | None:
        """The calls of `add` on the newest screen; nothing where they are not on it."""
        nonlocal shown
        with contextlib.suppress(BlockingIOError):
            shown += os.read(ours, 65536)
        screen = shown.rpartition(b"\x1b[H\x1b[2J")[2].decode(errors="replace")
        rows = [line.split() for line in screen.splitlines() if line.startswith("add ")]
        return int(rows[0][2]) if rows and len(rows[0]) > 2 else None

    running = subprocess.Popen(
        command,
        stdout=its,
        stderr=its,
        env={**os.environ, "TERM": "xterm"},
        # Where the tests run in the background of a shell, they ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    os.close(its)
    try:
        # The call with which the set began came before the first report, or after it.
        assert managed.passes("add")
        until("the call is shown", lambda: calls() in (1, 2))
        for _ in range(3):
            assert managed.passes("add")
        until("the next ones are shown", lambda: calls() in (4, 5))
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == -signal.SIGINT, shown
    finally:
        running.kill()
        running.wait()
        os.close(ours)


def test_it_follows_what_happens_until_nobody_reads(managed, installation, directory):
    address = f"127.0.0.1:{managed.control_plane.rest_port}"
    command = [installation.binary("portcullis"), "status", "--watch", "--rest-address", address]
    environment = {**os.environ, "PORTCULLIS_DATA": str(directory)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        first = running.stdout.readline()
        assert "in force" in first
        revision = int(first.split()[1])
        assert managed.control_plane.set_limit("add", 5).status == 200
        assert any(line.split()[:2] == ["revision", str(revision + 1)] for line in running.stdout)
        running.stdout.close()
        # The next thing that it has to tell finds that nobody reads.
        assert managed.control_plane.set_limit("add", 6).status == 200
        assert running.wait(timeout=60) == 0
