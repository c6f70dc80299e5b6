"""Secrets reach Envoy by reference, are renewed while traffic flows, and show nowhere."""

import copy
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

import managed_gateway
from certificates import Authority
from free_ports import free_port
from managed_gateway import CALLS, ManagedGateway, listed
from mcp_messages import Era, call, has_passed
from plain_service import PlainService, cluster
from polling import until
from raw_http import Connection
from recording_upstream import RecordingUpstream, answers_with
from tls_connection import TlsConnection
from traffic import Traffic

VALUE = "swordfish-2c9e"
SHOWING = (
    "/api/v1/config",
    "/api/v1/config/snapshot",
    "/api/v1/secrets",
    "/api/v1/servers",
    "/api/v1/nodes",
    "/api/v1/audit",
    "/api/v1/versions",
    "/api/v1/versions/1/diff/2",
    "/api/v1/rollouts",
    "/metrics",
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def document(shared) -> Iterator[dict]:
    """A document to be changed, which is taken back after the test."""
    before = shared.control_plane.document()
    yield copy.deepcopy(before)
    assert shared.change(before).status == 200


def accepted(shared: ManagedGateway, document: dict) -> None:
    reply = shared.change(document)
    assert reply.status == 200, reply.body
    assert reply.json["outcome"] == "accepted", reply.json


def certificate(files: tuple[Path, Path]) -> dict:
    chain, key = files
    return {"certificate": {"file": str(chain)}, "key": {"file": str(key)}}


def tls_listener(document: dict, **tls: object) -> int:
    """Adds a listener that speaks TLS; its port."""
    port = free_port()
    address = {"name": "secure", "address": f"127.0.0.1:{port}", "servers": ["*"]}
    document["listeners"].append(address | {"tls": tls})
    return port


def secret_states(shared: ManagedGateway) -> dict[str, str]:
    (node,) = shared.control_plane.nodes()
    secrets = [one for one in node["resources"] if one["type"] == "secret"]
    return {one["name"].split("@")[0]: one["state"] for one in secrets}


def test_it_shows_clients_a_renewed_certificate_while_traffic_flows(shared, document, authority):
    files = authority.issue("localhost")
    document["secrets"] = {
        "own": certificate(files),
        "partners": {"authorities": {"file": str(authority.file)}},
    }
    port = tls_listener(document, secret="own", client_ca_secret="partners")
    accepted(shared, document)
    context = authority.client_context("client")
    connect = partial(TlsConnection, context=context, host="localhost")

    def serial() -> int:
        with connect(port) as connection:
            return connection.serial()

    def serial_if_any() -> int | None:
        try:
            return serial()
        except OSError:
            return None

    until("somebody listens by TLS", lambda: serial_if_any() is not None)
    first = serial()
    until("both are acknowledged", lambda: set(secret_states(shared).values()) == {"acked"})
    assert set(secret_states(shared)) == {"own", "partners"}
    generation = shared.control_plane.get("/api/v1/version").json["generation"]
    added = shared.envoy.stats("listener_manager.listener_modified")
    with Traffic(port, CALLS, connect=connect) as traffic:
        traffic.flows()
        authority.issue("localhost")
        until("the renewed one is shown", lambda: serial() != first)
        traffic.flows()
    traffic.check_only({name: {200} for name in CALLS})
    assert shared.control_plane.get("/api/v1/version").json["generation"] == generation
    assert shared.envoy.stats("listener_manager.listener_modified") == added
    # On TLS 1.3 a client hears of it when it reads for the first time.
    stranger = authority.client_context()
    with pytest.raises((OSError, EOFError)), TlsConnection(port, stranger, "localhost") as one:
        CALLS["add"].post(one)


def test_it_keeps_a_certificate_while_what_is_there_cannot_be_used(shared, document, tmp_path):
    authority = Authority(tmp_path)
    chain, key = authority.issue("localhost")
    document["secrets"] = {"own": certificate((chain, key))}
    port = tls_listener(document, secret="own")
    accepted(shared, document)
    context = authority.client_context()

    def has_passed_by_tls() -> bool:
        try:
            with TlsConnection(port, context, "localhost") as connection:
                return has_passed(CALLS["get_weather"].post(connection))
        except OSError:
            return False

    until("it is spoken to", has_passed_by_tls)
    key.write_text("no key")
    log = shared.directory
    until("it is refused", lambda: "a changed secret is not taken" in logged(log))
    assert has_passed_by_tls()
    assert secret_states(shared)["own"] == "acked"


def logged(directory: Path) -> str:
    return "".join(path.read_text() for path in directory.glob("*.log"))


@contextmanager
def secure(context: ssl.SSLContext) -> Iterator[PlainService]:
    """A server of MCP that speaks TLS."""
    service = PlainService("secure", tls=context)
    service.responder = answers_with(listed({"get_secure": {"type": "object"}}))
    yield service
    service.stop()


def state_of(shared: ManagedGateway, server: str) -> dict:
    return shared.control_plane.get(f"/api/v1/servers/{server}").json


SECURE = call(Era.MODERN, "get_secure", {})


def test_it_speaks_tls_to_a_server_by_the_authority_of_a_secret(
    shared, document, authority, tmp_path
):
    foreign = Authority(tmp_path)
    document["secrets"] = {
        "right": {"authorities": {"file": str(authority.file)}},
        "wrong": {"authorities": {"file": str(foreign.file)}},
        "own": certificate(authority.issue("gateway")),
    }
    context = authority.server_context("tools.internal")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.file)
    with secure(context) as service, secure(context) as plain:
        tls = {"ca_secret": "right", "secret": "own", "server_name": "tools.internal"}
        url = f"https://127.0.0.1:{service.port}/mcp"
        document["servers"]["secure"] = {"url": url, "upstream": {"tls": tls}}
        doubted = {"tls": tls | {"ca_secret": "wrong"}}
        document["servers"]["doubted"] = {"url": url, "upstream": doubted}
        document["clusters"] = [cluster("doubted-too", [plain], upstream=doubted)]
        match = {"match": {"prefix": "/doubted"}, "to": {"cluster": "doubted-too"}}
        document["routes"] = [{"name": "doubted", **match}]
        accepted(shared, document)
        until("its tool can be called", lambda: has_passed(shared.send(SECURE)))
        until("the other is not believed", lambda: "TLS" in str(state_of(shared, "doubted")))
        with Connection(shared.port) as connection:
            assert connection.request("GET", "/doubted", []).status == 503


def given(upstream: RecordingUpstream, header: str) -> set[bytes | None]:
    """All that a server was shown in a header."""
    with upstream.lock:
        return {received.header(header) for received in upstream.requests}


@pytest.mark.parametrize("header", [None, "x-api-key"])
def test_it_shows_a_server_its_credential_and_nobody_else(shared, document, tmp_path, header):
    token = tmp_path / "token"
    token.write_text(f"{VALUE}\n")
    document["secrets"] = {"token": {"file": str(token)}}
    named = {"header": header} if header else {}
    document["servers"]["weather"]["credentials"] = {"secret": "token", **named}
    accepted(shared, document)
    weather, math = (shared.upstreams[name] for name in ("weather", "math"))
    sent_in = header or "authorization"
    prefix = b"" if header else b"Bearer "

    def is_shown(value: str) -> bool:
        weather.forget()
        assert shared.passes("get_weather")
        return given(weather, sent_in) == {prefix + value.encode()}

    until("it is shown, to the catalogue's client too", lambda: is_shown(VALUE))
    with Connection(shared.port) as connection:
        message = CALLS["get_weather"]
        own = [*message.headers, (sent_in, "Bearer mine")]
        assert connection.request("POST", "/mcp", own, message.body).status == 200
    assert given(weather, sent_in) == {prefix + VALUE.encode()}
    math.forget()
    assert shared.passes("add")
    assert given(math, sent_in) == {None}

    modified = shared.envoy.stats("listener_manager.listener_modified")
    with Traffic(shared.port, CALLS) as traffic:
        traffic.flows()
        token.write_text(f"{VALUE}-renewed\n")
        until("the renewed one is shown", lambda: is_shown(f"{VALUE}-renewed"))
        traffic.flows()
    traffic.check_only({name: {200} for name in CALLS})
    assert shared.envoy.stats("listener_manager.listener_modified") == modified

    for path in SHOWING:
        reply = shared.control_plane.get(path)
        assert reply.status == 200, (path, reply.body)
        assert VALUE not in reply.body.decode(), path
    assert VALUE not in shared.envoy.admin("/config_dump?include_eds")
    files = [path for path in shared.directory.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in files)
    assert [path for path in files if VALUE.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    "bootstrap",
    ["bootstrap-ads-state-of-the-world", "bootstrap-separate", "bootstrap-separate-incremental"],
)
def test_it_gives_secrets_in_each_way_of_asking(installation, directory, bootstrap):
    authority = Authority(directory)
    folder = managed_gateway.BOOTSTRAP.parent
    made = managed_gateway.start(installation, directory, folder / f"{bootstrap}.yaml")
    try:
        document = made.control_plane.document()
        document["secrets"] = {"own": certificate(authority.issue("localhost"))}
        port = tls_listener(document, secret="own")
        accepted(made, document)

        def serial() -> int | None:
            try:
                with TlsConnection(port, authority.client_context(), "localhost") as connection:
                    return connection.serial()
            except OSError:
                return None

        until("it is spoken to", lambda: serial() is not None)
        first = serial()
        authority.issue("localhost")
        until("it is renewed", lambda: serial() not in (None, first))
    finally:
        made.stop()


def test_it_believes_the_authorities_of_its_system_where_nothing_else_is_said(
    installation, directory, authority, tmp_path
):
    foreign = Authority(tmp_path)
    bundle = directory / "bundle.pem"
    bundle.write_bytes(authority.file.read_bytes())
    made = managed_gateway.start(
        installation, directory, more_environment={"SSL_CERT_FILE": str(bundle)}
    )
    context = authority.server_context("localhost")
    foreigns = foreign.server_context("localhost")
    try:
        with secure(context) as service, secure(foreigns) as doubted, secure(foreigns) as plain:
            plain.responder = plain.answer_plainly
            document = made.control_plane.document()
            document["servers"]["secure"] = {"url": f"https://localhost:{service.port}/mcp"}
            named = {"tls": {"system_ca": True, "server_name": "localhost"}}
            url = f"https://127.0.0.1:{doubted.port}/mcp"
            document["servers"]["doubted"] = {"url": url, "upstream": named}
            document["clusters"] = [cluster("doubted-too", [plain], upstream=named)]
            match = {"match": {"prefix": "/doubted"}, "to": {"cluster": "doubted-too"}}
            document["routes"] = [{"name": "doubted", **match}]
            accepted(made, document)
            until("its tool can be called", lambda: has_passed(made.send(SECURE)))
            until("the other is not believed", lambda: "TLS" in str(state_of(made, "doubted")))
            acknowledged = {"system-authorities": "acked"}
            until("it is acknowledged", lambda: secret_states(made) == acknowledged)

            def status() -> int:
                with Connection(made.port) as connection:
                    return connection.request("GET", "/doubted", []).status

            assert status() == 503
            generation = made.control_plane.get("/api/v1/version").json["generation"]
            bundle.write_bytes(authority.file.read_bytes() + foreign.file.read_bytes())
            until("what the system believes since is believed", lambda: status() == 200)
            assert made.control_plane.get("/api/v1/version").json["generation"] == generation
    finally:
        made.stop()


def test_it_takes_changes_while_a_secret_cannot_be_read(installation, directory):
    """A control plane and an Envoy that are both started anew without the file of a secret."""
    made = managed_gateway.start(installation, directory)
    try:
        token = directory / "token"
        token.write_text(VALUE)
        document = made.control_plane.document()
        document["secrets"] = {"token": {"file": str(token)}}
        document["servers"]["weather"]["credentials"] = {"secret": "token"}
        accepted(made, document)
        until("it is called", lambda: made.passes("get_weather"))
        token.unlink()
        made.control_plane.crash()
        made.control_plane.start_again()
        made.envoy.restart()
        document["tools"] = [{"name": "any", "match": {"tool": "add"}, "timeout": "9s"}]
        reply = made.change(document)
        assert reply.status == 200, reply.body
        (told,) = reply.json["unusable_secrets"]
        assert (told["name"], told["state"]) == ("token", "missing")
        until("the others are served", lambda: made.passes("add"))
        assert not made.passes("get_weather")
        token.write_text(VALUE)
        until("it is called again", lambda: made.passes("get_weather"))
    finally:
        made.stop()
