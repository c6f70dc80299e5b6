"""What a document says of the endpoints behind a cluster or a server holds, and changes live."""

import contextlib
import copy
import socket
import threading
from collections import Counter

import pytest

from certificates import Authority
from free_ports import free_port
from managed_gateway import CALLS, TOOLS, listed
from plain_service import PlainService, cluster
from polling import until
from raw_http import Connection, Reply
from recording_upstream import RecordingUpstream, answers_with
from traffic import Traffic


@pytest.fixture(scope="module")
def services():
    made = [PlainService(name) for name in ("one", "two", "three")]
    yield made
    for service in made:
        service.stop()


@pytest.fixture
def clustered(shared, services):
    """Gives the gateway one cluster, to which `/behind` leads, and takes it back after the test."""
    before = shared.control_plane.document()
    for service in services:
        service.status = 200
        service.responder = service.answer_plainly
        service.forget()

    def give(entry: dict, **route: object) -> None:
        document = copy.deepcopy(before)
        match = {"prefix": "/behind"}
        to = {"cluster": entry["name"]}
        document["routes"] = [{"name": "behind", "match": match, "to": to, **route}]
        document["clusters"] = [entry]
        reply = shared.change(document)
        assert reply.status == 200, reply.body
        assert reply.json["outcome"] == "accepted", reply.json

    yield give
    assert shared.change(before).status == 200


def ask(port: int, *headers: tuple[str, str]) -> Reply:
    with Connection(port) as connection:
        return connection.request("GET", "/behind", list(headers))


def answering(port: int, count: int = 60) -> Counter:
    """How often each service answers, of so many requests that all must be answered."""
    replies = [ask(port) for _ in range(count)]
    assert {reply.status for reply in replies} == {200}, replies
    return Counter(reply.json["service"] for reply in replies)


def weighted(service: RecordingUpstream, **more: object) -> dict:
    return {"address": f"127.0.0.1:{service.port}", **more}


def test_it_changes_endpoints_their_weights_and_their_health_without_a_failure(
    shared, clustered, services
):
    one, two, three = services

    def give(*endpoints: object) -> None:
        entry = {"name": "moving", "endpoints": list(endpoints)}
        clustered(entry | {"upstream": {"balancing": "round_robin"}})

    give(weighted(one))
    until("the cluster is there", lambda: ask(shared.port).status == 200)
    generation = shared.control_plane.get("/api/v1/version").json
    with Traffic(shared.port, CALLS) as traffic:
        traffic.flows()
        give(weighted(one), weighted(two, weight=3))
        until("both answer", lambda: len(answering(shared.port, 8)) == 2)
        counted = answering(shared.port, 80)
        assert 50 <= counted["two"] <= 70, counted
        give(weighted(one, health="draining"), weighted(two), weighted(three))
        until("the first gets nothing", lambda: "one" not in answering(shared.port, 8))
        assert set(answering(shared.port)) == {"two", "three"}
        give(weighted(two, health="unhealthy"), weighted(three))
        until("the third gets all", lambda: set(answering(shared.port, 8)) == {"three"})
        traffic.flows()
    traffic.check_only({name: {200} for name in CALLS})
    # Endpoints are no part of a generation: they reach Envoys at once.
    after = shared.control_plane.get("/api/v1/version").json
    assert after["generation"] == generation["generation"], (generation, after)


def test_it_sends_the_endpoints_again_when_only_their_cluster_changes(shared, clustered, services):
    """Envoy warms a changed cluster until it has its endpoints once more."""
    entry = cluster("warmed", services)
    clustered(entry)
    until("the cluster is there", lambda: ask(shared.port).status == 200)
    for balancing in ("random", "round_robin", "least_request"):
        clustered(entry | {"upstream": {"balancing": balancing, "connect_timeout": "1s"}})
        assert set(answering(shared.port)) == {"one", "two", "three"}
    assert shared.envoy.stats("warming_clusters")["cluster_manager.warming_clusters"] == 0


@pytest.mark.parametrize("balancing", ["ring_hash", "maglev"])
def test_it_keeps_requests_of_one_hash_at_one_endpoint(shared, clustered, services, balancing):
    clustered(cluster("hashed", services, upstream={"balancing": balancing}), hash_header="x-user")
    until("the cluster is there", lambda: ask(shared.port).status == 200)

    def places(user: str) -> set[str]:
        return {ask(shared.port, ("x-user", user)).json["service"] for _ in range(5)}

    found = [places(f"user-{number}") for number in range(30)]
    assert {len(one) for one in found} == {1}, found
    assert set().union(*found) == {"one", "two", "three"}


def test_it_leaves_out_an_endpoint_that_says_it_is_not_well(shared, clustered, services):
    check = {
        "path": "/healthz",
        "interval": "100ms",
        "timeout": "10s",
        "healthy_after": 1,
        "unhealthy_after": 1,
    }
    clustered(cluster("checked", services, upstream={"health_check": check}))
    until("all answer", lambda: len(answering(shared.port, 30)) == 3)
    services[0].status = 503
    until("it is left out", lambda: all(ask(shared.port).status == 200 for _ in range(30)))
    assert set(answering(shared.port)) == {"two", "three"}
    services[0].status = 200
    until("it is back", lambda: len(answering(shared.port, 30)) == 3)
    assert "/healthz" in {received.path for received in services[0].requests}


def test_it_takes_an_endpoint_out_whose_answers_are_errors(shared, clustered, services):
    outliers = {
        "consecutive_5xx": 2,
        "interval": "100ms",
        "ejection_time": "1h",
        "max_ejected_percent": 50,
    }
    upstream = {"outliers": outliers, "balancing": "round_robin"}
    clustered(cluster("watched", services, upstream=upstream))
    until("all answer", lambda: len(answering(shared.port, 30)) == 3)
    services[1].status = 500
    until("it is out", lambda: all(ask(shared.port).status == 200 for _ in range(20)))
    assert set(answering(shared.port)) == {"one", "three"}


def test_it_opens_no_more_requests_than_the_cluster_may_have(shared, clustered, services):
    upstream = {"max_requests": 1, "max_pending_requests": 1}
    narrow = cluster("narrow", services[:1], max_connections=1, upstream=upstream)
    clustered(narrow, timeout="1m")
    until("the cluster is there", lambda: ask(shared.port).status == 200)
    held, over = threading.Event(), threading.Event()

    def hold(received, exchange):
        held.set()
        over.wait(60)
        services[0].answer_plainly(received, exchange)

    services[0].responder = hold
    replies: list[Reply] = []
    callers = [
        threading.Thread(target=lambda: replies.append(ask(shared.port)), daemon=True)
        for _ in range(2)
    ]
    callers[0].start()
    assert held.wait(60)
    callers[1].start()
    waiting = "cluster.narrow.upstream_rq_pending_active"
    until("one waits", lambda: shared.envoy.stats(waiting)[waiting] == 1)
    refused = ask(shared.port)
    over.set()
    for caller in callers:
        caller.join(60)
    assert [refused.status, *(reply.status for reply in replies)] == [503, 200, 200]
    overflowed = shared.envoy.stats("cluster.narrow.upstream_rq_pending_overflow")
    assert set(overflowed.values()) == {1}


def test_it_resolves_the_names_of_endpoints(shared, clustered, services):
    """Names are Envoy's to resolve: `localhost` is an address of this machine."""
    port = services[0].port
    clustered({"name": "named", "endpoints": [f"localhost:{port}"]})
    until("the name is resolved", lambda: ask(shared.port).status == 200)
    assert ask(shared.port).json["service"] == "one"


def test_it_asks_for_no_more_than_a_connection_where_no_path_is_named(shared, clustered, services):
    """An endpoint that takes connections is well, whatever it answers; another one is left out."""
    check = {"interval": "100ms", "timeout": "10s", "healthy_after": 1, "unhealthy_after": 1}
    nobody = f"127.0.0.1:{free_port()}"
    entry = cluster("connected", services[:1], upstream={"health_check": check})
    services[0].status = 404
    clustered(entry | {"endpoints": [*entry["endpoints"], nobody]})
    until("requests are answered", lambda: ask(shared.port).status == 404)
    until("nobody is left out", lambda: all(ask(shared.port).status == 404 for _ in range(20)))
    assert {received.path for received in services[0].requests} == {"/behind"}


def test_it_takes_the_answers_for_well_that_the_check_names(shared, clustered, services):
    check = {
        "path": "/healthz",
        "statuses": [200, 429],
        "interval": "100ms",
        "timeout": "10s",
        "healthy_after": 1,
        "unhealthy_after": 1,
    }
    services[0].status = 429
    services[1].status = 503
    clustered(cluster("named", services[:2], upstream={"health_check": check}))
    until("the first is well", lambda: ask(shared.port).status == 429)
    until("it is alone", lambda: {ask(shared.port).status for _ in range(20)} == {429})


def test_it_gives_up_a_connection_that_is_not_made_in_time(shared, clustered):
    """The queue of a socket that nobody accepts from is full, so that no handshake ends."""
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        for _ in range(4):
            knocking = waiting.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(address)
        clustered(
            {
                "name": "silent",
                "endpoints": [f"127.0.0.1:{address[1]}"],
                "upstream": {"connect_timeout": "200ms"},
            },
            timeout="1h",
        )
        until("the gateway gives up", lambda: ask(shared.port).status == 503)
        timed_out = "cluster.silent.upstream_cx_connect_timeout"
        assert shared.envoy.stats(timed_out)[timed_out] >= 1


def test_it_closes_connections_to_endpoints_that_nobody_uses(shared, clustered, services):
    clustered(cluster("idle", services[:1], upstream={"idle_timeout": "100ms"}))
    until("the cluster is there", lambda: ask(shared.port).status == 200)
    idle = "cluster.idle.upstream_cx_idle_timeout"
    until("the connection is closed", lambda: shared.envoy.stats(idle)[idle] >= 1)
    assert ask(shared.port).status == 200


def test_it_tries_no_more_again_at_once_than_the_cluster_may(shared, clustered, services):
    """Of two failures at the same moment, one is tried again."""
    entry = cluster("tried", services[:1], upstream={"max_retries": 1})
    clustered(entry, retries={"attempts": 1, "on": ["5xx"]}, timeout="1m")
    until("the cluster is there", lambda: ask(shared.port).status == 200)
    lock, both, over = threading.Lock(), threading.Barrier(2), threading.Event()
    seen = []

    def fail(received, exchange):
        with lock:
            seen.append(received)
            number = len(seen)
        # The first two fail together; what is tried again is held until the other has been given
        # up.
        if number <= 2:
            both.wait(60)
        else:
            over.wait(60)
        exchange.answer(503, b"{}")

    services[0].responder = fail
    replies: list[Reply] = []
    callers = [
        threading.Thread(target=lambda: replies.append(ask(shared.port)), daemon=True)
        for _ in range(2)
    ]
    for caller in callers:
        caller.start()
    overflowed = "cluster.tried.upstream_rq_retry_overflow"
    until("one is not tried again", lambda: shared.envoy.stats(overflowed)[overflowed] == 1)
    over.set()
    for caller in callers:
        caller.join(60)
    assert ([reply.status for reply in replies], len(seen)) == ([503, 503], 3)


def test_it_tries_a_new_version_of_a_server_on_a_share_of_the_calls(shared):
    """A canary of a backend: weights between two versions of a server, without a new generation."""
    before = shared.control_plane.document()
    old = shared.upstreams["math"]
    new = RecordingUpstream("math-2")
    new.responder = answers_with(listed(TOOLS["math"]))
    document = copy.deepcopy(before)

    def weigh(old_weight: int, new_weight: int, **more: object) -> None:
        urls = [(old, old_weight, {}), (new, new_weight, more)]
        document["servers"]["math"].pop("url", None)
        document["servers"]["math"]["endpoints"] = [
            {"url": f"http://127.0.0.1:{one.port}/mcp", "weight": weight, **more}
            for one, weight, more in urls
        ]
        assert shared.change(document).status == 200

    def shares(count: int = 100) -> tuple[int, int]:
        old.forget()
        new.forget()
        assert all(shared.passes("add") for _ in range(count))
        return len(old.calls()), len(new.calls())

    try:
        weigh(90, 10)
        until("the new version is called", lambda: shared.passes("add") and new.calls())
        told = shares(200)
        assert 2 <= told[1] <= 70, told
        weigh(1, 99, health="draining")
        until("the new version is left alone", lambda: shares(20)[1] == 0)
    finally:
        assert shared.change(before).status == 200
        new.stop()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secure(authority):
    """A service behind TLS, whose certificate is for `reports.internal`."""
    service = PlainService("secure", tls=authority.server_context("reports.internal"))
    yield service
    service.stop()


def test_it_speaks_tls_to_endpoints_that_prove_who_they_are(shared, clustered, secure, authority):
    tls = {"ca_file": str(authority.file), "server_name": "reports.internal"}
    clustered(cluster("proven", [secure], upstream={"tls": tls}))
    until("the cluster is there", lambda: ask(shared.port).status == 200)
    assert ask(shared.port).json["service"] == "secure"
    inline = {"ca": authority.file.read_text(), "certificate_names": ["reports.internal"]}
    clustered(cluster("proven", [secure], upstream={"tls": inline}))
    until("the authority may be written out", lambda: ask(shared.port).status == 200)


WRONG = {
    "another name": lambda ours, _: {"ca_file": ours, "server_name": "others.internal"},
    "another authority": lambda _, theirs: {"ca_file": theirs, "server_name": "reports.internal"},
}


@pytest.mark.parametrize("tls", WRONG.values(), ids=WRONG.keys())
def test_it_sends_nothing_to_an_endpoint_that_cannot_prove_who_it_is(
    shared, clustered, secure, authority, tmp_path, tls
):
    other = Authority(tmp_path)
    secure.forget()
    given = tls(str(authority.file), str(other.file))
    clustered(cluster("unproven", [secure], upstream={"tls": given}))
    reply = until("the route is there", lambda: (found := ask(shared.port)).status != 404 and found)
    assert reply.status == 503
    assert secure.requests == []
