"""What a document says of a listener holds for its clients."""

import copy
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from certificates import Authority
from control_plane import ControlPlane
from free_ports import free_port
from managed_gateway import CALLS, ManagedGateway
from polling import until
from raw_http import Connection
from tls_connection import TlsConnection


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@contextmanager
def more_listener(shared: ManagedGateway, **listener: object) -> Iterator[int]:
    """Its port, while the gateway has one listener more."""
    before = shared.control_plane.document()
    document = copy.deepcopy(before)
    port = free_port()
    address = {"name": "more", "address": f"127.0.0.1:{port}", "servers": ["*"]}
    document["listeners"].append(address | listener)
    reply = shared.change(document)
    assert reply.status == 200, reply.body
    assert reply.json["outcome"] == "accepted", reply.json
    try:
        until("somebody listens", lambda: Connection(port).close() is None)
        yield port
    finally:
        assert shared.change(before).status == 200


def post(connection: Connection) -> int:
    call = CALLS["get_weather"]
    return connection.request("POST", "/mcp", [*call.headers], call.body).status


def tls(authority: Authority, **more: object) -> dict:
    certificate, key = authority.issue("localhost")
    files = {"certificate_file": str(certificate), "key_file": str(key)}
    return {"certificates": [files], **more}


def test_it_speaks_tls_to_clients(shared, authority):
    with more_listener(shared, tls=tls(authority, min_version="tls1.3")) as port:
        context = authority.client_context()
        with TlsConnection(port, context, "localhost") as connection:
            assert post(connection) == 200
            assert connection.socket.version() == "TLSv1.3"
        older = authority.client_context()
        older.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            TlsConnection(port, older, "localhost")
        with Connection(port) as connection, pytest.raises((OSError, EOFError)):
            post(connection)


def test_it_lets_only_clients_in_that_prove_who_they_are(shared, authority, tmp_path):
    ca = str(authority.file)
    with more_listener(shared, tls=tls(authority, client_ca_file=ca)) as port:
        with TlsConnection(port, authority.client_context("client"), "localhost") as connection:
            assert post(connection) == 200
        foreign = Authority(tmp_path)
        stranger = authority.client_context()
        stranger.load_cert_chain(*foreign.issue("client"))
        for context in (authority.client_context(), stranger):
            # On TLS 1.3 a client hears of it when it reads for the first time.
            with (
                pytest.raises((OSError, EOFError)),
                TlsConnection(port, context, "localhost") as connection,
            ):
                post(connection)


def secrets(control_plane: ControlPlane, paths: list[str]) -> list[str]:
    """All that the API shows at these paths."""
    return [control_plane.get(path).body.decode() for path in paths]


def test_it_shows_no_private_key_anywhere(shared, authority, tmp_path):
    given = tls(authority)
    (files,) = given["certificates"]
    with open(files["key_file"]) as file:
        key = "".join(line.strip() for line in file if "PRIVATE KEY" not in line)
    with more_listener(shared, tls=given) as port:
        with TlsConnection(port, authority.client_context(), "localhost") as connection:
            assert post(connection) == 200
        shown = secrets(shared.control_plane, ["/api/v1/config", "/api/v1/config/snapshot"])
        assert all(files["key_file"] in one for one in shown)
        shown += [shared.envoy.admin("/config_dump?include_eds")]
        for one in shown:
            assert key[:40] not in one.replace("\\n", "")


def test_it_keeps_what_is_in_force_when_a_certificate_is_not_there(shared):
    before = shared.control_plane.document()
    document = copy.deepcopy(before)
    files = {"certificate_file": "/nowhere/a.pem", "key_file": "/nowhere/a.key"}
    document["listeners"][0]["tls"] = {"certificates": [files]}
    answer = shared.change(document).json
    assert answer["outcome"] != "accepted", answer
    assert "/nowhere/a.key" in json.dumps(shared.control_plane.nodes())
    assert shared.passes("get_weather")
    assert shared.change(before).status == 200


def test_it_lets_no_more_connections_in_than_the_listener_may_have(shared):
    with more_listener(shared, max_connections=2) as port:
        active = "connection_limit.more.active_connections"
        until("nobody is connected", lambda: shared.envoy.stats(active)[active] == 0)
        first, second = Connection(port), Connection(port)
        assert [post(first), post(second)] == [200, 200]
        with pytest.raises((OSError, EOFError)), Connection(port) as third:
            post(third)
        first.close()

        def is_let_in() -> bool:
            with Connection(port) as next_one:
                return post(next_one) == 200

        until("the place of one that left is free", is_let_in)
        second.close()


def test_it_answers_for_a_client_that_takes_too_long(shared):
    times = {"request_headers": "200ms", "connection_idle": "300ms"}
    with more_listener(shared, client_times=times) as port:
        with Connection(port) as slow:
            slow.send(b"POST /mcp HTTP/1.1\r\nhost: localhost\r\n")
            assert slow.reply().status == 408
        with Connection(port) as idle:
            assert post(idle) == 200
            assert idle.closed_by_peer()


def test_it_answers_for_a_body_that_takes_too_long(shared):
    with more_listener(shared, client_times={"request": "300ms"}) as port:
        with Connection(port) as slow:
            slow.send(b"POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{")
            assert slow.reply().status == 408


def test_it_ends_a_request_on_which_nothing_comes_or_goes(shared):
    with more_listener(shared, client_times={"stream_idle": "300ms"}) as port:
        with Connection(port) as idle:
            idle.send(b"POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{")
            assert idle.reply().status == 504
        timed_out = "http.more.downstream_rq_idle_timeout"
        assert shared.envoy.stats(timed_out)[timed_out] == 1


def test_it_keeps_no_connection_for_longer_than_it_may(shared):
    with (
        more_listener(shared, client_times={"connection": "300ms"}) as port,
        Connection(port) as one,
    ):
        assert post(one) == 200
        assert one.closed_by_peer()


def test_it_says_itself_whether_it_takes_requests(shared):
    for upstream in shared.upstreams.values():
        upstream.forget()
    with more_listener(shared, health_check_path="/livez") as port:
        host = [("host", "whatever.example")]

        def status(path: str) -> int:
            with Connection(port) as connection:
                return connection.request("GET", path, host).status

        assert status("/livez") == 200
        assert status("/livez/more") == 403
        shared.envoy.admin("/healthcheck/fail", "POST")
        assert status("/livez") == 503
        shared.envoy.admin("/healthcheck/ok", "POST")
        assert status("/livez") == 200
    asked = [one.path for upstream in shared.upstreams.values() for one in upstream.requests]
    assert "/livez" not in asked


def test_it_takes_no_connection_without_its_tls(shared, authority):
    """A client that speaks in the clear gets no answer, and the listener goes on."""
    with more_listener(shared, tls=tls(authority)) as port:
        with socket.create_connection(("127.0.0.1", port)) as plain:
            plain.sendall(b"GET /mcp HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert plain.recv(100) == b""
        with TlsConnection(port, authority.client_context(), "localhost") as connection:
            assert post(connection) == 200
