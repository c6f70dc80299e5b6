"""Routes of plain HTTP, changed live: each request goes where the document says, and none past the
filter.
"""

import copy
import threading
from collections import Counter

import pytest

from managed_gateway import CALLS
from plain_service import PlainService, cluster
from polling import PATIENCE, until
from raw_http import Connection, Headers, Reply
from traffic import Traffic

PAGE = "https://app.example"


@pytest.fixture(scope="module")
def services():
    made = {name: PlainService(name) for name in ("reports", "next")}
    yield made
    for service in made.values():
        service.stop()


@pytest.fixture
def routed(shared, services):
    """Gives the gateway routes, and takes them back after the test."""
    before = shared.control_plane.document()
    for service in services.values():
        service.status = 200
        service.forget()

    def give(*routes: dict, **listener: object) -> None:
        document = copy.deepcopy(before)
        document["routes"] = list(routes)
        document["clusters"] = [cluster(name, [one]) for name, one in services.items()]
        document["listeners"][0] |= listener
        reply = shared.change(document)
        assert reply.status == 200, reply.body
        assert reply.json["outcome"] == "accepted", reply.json

    yield give
    assert shared.change(before).status == 200


def ask(port: int, path: str, headers: Headers = (), method: str = "GET") -> Reply:
    with Connection(port) as connection:
        return connection.request(method, path, list(headers))


def answered(port: int, path: str, headers: Headers = (), method: str = "GET") -> tuple[str, str]:
    """Which service answers, and the path that it was asked for."""
    reply = ask(port, path, headers, method)
    assert reply.status == 200, (path, reply)
    return reply.json["service"], reply.json["path"]


def route(name: str, match: dict, to: str = "reports", **more: object) -> dict:
    return {"name": name, "match": match, "to": {"cluster": to}, **more}


def test_it_chooses_by_path_header_query_and_method(shared, routed):
    routed(
        route("by-header", {"prefix": "/reports", "headers": {"X-Version": "2"}}, "next"),
        route("by-query", {"prefix": "/reports", "query": {"preview": "*"}}, "next"),
        route("by-method", {"path": "/reports/new", "methods": ["POST", "PUT"]}, "next"),
        route("by-prefix", {"prefix": "/reports"}),
        route("by-regex", {"regex": r"/v[0-9]{1,3}/\w+"}, "next"),
    )
    until("the routes are there", lambda: ask(shared.port, "/reports").status == 200)
    port = shared.port
    assert answered(port, "/reports") == ("reports", "/reports")
    assert answered(port, "/reports/a?b=c") == ("reports", "/reports/a?b=c")
    assert answered(port, "/reports", [("x-version", "2")])[0] == "next"
    assert answered(port, "/reports", [("x-version", "1")])[0] == "reports"
    assert answered(port, "/reports?preview=1")[0] == "next"
    assert answered(port, "/reports/new", method="POST")[0] == "next"
    assert answered(port, "/reports/new")[0] == "reports"
    assert answered(port, "/v12/all")[0] == "next"
    for nowhere in ("/reportsx", "/v1234/all", "/v1/all/more", "/"):
        assert ask(port, nowhere).status == 404, nowhere
    assert shared.passes("get_weather")


def test_it_rewrites_prefixes(shared, routed):
    routed(
        route("stem", {"prefix": "/old"}, rewrite="/new"),
        route("stem-with-slash", {"prefix": "/older/"}, rewrite="/newer/"),
        route("to-root", {"prefix": "/strip"}, rewrite="/"),
        route("exact", {"path": "/one"}, rewrite="/two"),
        route("all", {"prefix": "/"}, rewrite="/below"),
    )
    until("the routes are there", lambda: ask(shared.port, "/old").status == 200)
    for asked, seen in (
        ("/old", "/new"),
        ("/old/a?b=c", "/new/a?b=c"),
        ("/older/a", "/newer/a"),
        ("/strip", "/"),
        ("/strip/a/b?c", "/a/b?c"),
        ("/one", "/two"),
        ("/else", "/below/else"),
    ):
        assert answered(shared.port, asked)[1] == seen, asked


def test_it_keeps_credentials_from_a_service_that_does_not_ask_for_them(shared, routed, services):
    routed(
        route("open", {"path": "/open"}, credentials="passthrough"),
        route("kept", {"path": "/kept"}),
    )
    until("the routes are there", lambda: ask(shared.port, "/kept").status == 200)
    services["reports"].forget()
    sent = [("authorization", "Bearer x"), ("cookie", "a=b"), ("x-portcullis-cluster", "next")]
    for path, expected in (("/open", b"Bearer x"), ("/kept", None)):
        answered(shared.port, path, sent)
        received = services["reports"].requests[-1]
        assert received.header("authorization") == expected
        assert (received.header("cookie") is None) == (expected is None)
        assert received.header("x-portcullis-cluster") is None


def test_it_splits_requests_by_weight_and_moves_them_all_without_a_failure(shared, routed):
    def weigh(reports: int, following: int) -> None:
        weighed = route("split", {"prefix": "/split"})
        weighed["to"] = {"weights": {"reports": reports, "next": following}}
        routed(weighed)

    def share(count: int = 200) -> Counter:
        return Counter(answered(shared.port, "/split")[0] for _ in range(count))

    weigh(90, 10)
    until("the route is there", lambda: ask(shared.port, "/split").status == 200)
    # Of 200 by nine to one, fewer than 5 or more than 60 come once in many billion runs.
    assert 5 <= share()["next"] <= 60
    with Traffic(shared.port, CALLS) as traffic:
        traffic.flows()
        weigh(0, 1)
        until("all requests have moved", lambda: set(share(20)) == {"next"})
        traffic.flows()
    traffic.check_only({name: {200} for name in CALLS})


def test_it_tries_again_what_failed_and_gives_up_in_time(shared, routed, services):
    routed(
        route("again", {"path": "/again"}, retries={"attempts": 2, "on": ["5xx"]}),
        route("once", {"path": "/once"}),
        route("slow", {"path": "/slow"}, timeout="200ms"),
    )
    until("the routes are there", lambda: ask(shared.port, "/once").status == 200)
    service = services["reports"]
    service.forget()
    service.status = 503
    assert ask(shared.port, "/again").status == 503
    assert len(service.requests) == 3
    assert ask(shared.port, "/once").status == 503
    assert len(service.requests) == 4
    over = threading.Event()
    service.responder = lambda *_: over.wait(PATIENCE)
    reply = ask(shared.port, "/slow")
    over.set()
    service.responder = service.answer_plainly
    assert reply.status == 504, reply
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["status"] == 504


def test_it_gives_each_try_a_time_of_its_own(shared, routed, services):
    retries = {"attempts": 1, "on": ["gateway-error"], "per_try_timeout": "200ms"}
    routed(route("tried", {"path": "/tried"}, retries=retries, timeout="1m"))
    until("the route is there", lambda: ask(shared.port, "/tried").status == 200)
    service, over, first = services["reports"], threading.Event(), threading.Event()

    def answer(received, exchange):
        if first.is_set():
            service.answer_plainly(received, exchange)
        else:
            first.set()
            over.wait(PATIENCE)

    service.responder = answer
    reply = ask(shared.port, "/tried")
    over.set()
    service.responder = service.answer_plainly
    assert reply.status == 200, reply


def test_it_limits_the_requests_of_a_route(shared, routed):
    routed(
        route("limited", {"path": "/limited"}, limit={"requests": 3, "window": "1h"}),
        route("free", {"path": "/free"}),
        health_check_path="/limits",
    )
    until("the listener with limits is there", lambda: ask(shared.port, "/limits").status == 200)
    replies = [ask(shared.port, "/limited") for _ in range(5)]
    assert [reply.status for reply in replies] == [200] * 3 + [429] * 2
    assert replies[-1].json["status"] == 429
    assert ask(shared.port, "/free").status == 200


def preflight(port: int, path: str, origin: str = PAGE, method: str = "GET", header: str = ""):
    asked = [("origin", origin), ("access-control-request-method", method)]
    asked += [("access-control-request-headers", header)] if header else []
    return ask(port, path, asked, "OPTIONS")


def test_it_lets_the_pages_call_that_a_route_names(shared, routed, services):
    cors = {
        "origins": [PAGE, "http://localhost:*"],
        "headers": ["x-version"],
        "expose": ["x-total"],
        "max_age": "1m",
    }
    limit = {"requests": 1000, "window": "1h"}
    match = {"path": "/data", "methods": ["GET"], "headers": {"x-version": "*"}}
    pages = route("pages", match, cors=cors, limit=limit)
    routed(pages, route("none", {"path": "/none"}), health_check_path="/pages")
    until("the listener with CORS is there", lambda: ask(shared.port, "/pages").status == 200)
    services["reports"].forget()
    allowed = preflight(shared.port, "/data", header="x-version")
    assert allowed.status == 200
    told = {name: value for name, value in allowed.headers.items() if "access-control" in name}
    assert told == {
        "access-control-allow-origin": PAGE,
        "access-control-allow-methods": "GET, HEAD",
        "access-control-allow-headers": "x-version",
        "access-control-expose-headers": "x-total",
        "access-control-max-age": "60",
    }
    # Without this header the browser does not call.
    refused = preflight(shared.port, "/data", origin="https://evil.example")
    assert "access-control-allow-origin" not in refused.headers
    assert services["reports"].requests == [], "no service hears of a browser's question"
    call = [("origin", "http://localhost:3000"), ("x-version", "1")]
    answer = ask(shared.port, "/data", call)
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert answer.headers["access-control-expose-headers"] == "x-total"
    assert "access-control-allow-origin" not in ask(shared.port, "/none", call).headers


def test_it_lets_clients_of_mcp_in_browsers_call(shared, routed):
    page = "http://localhost:6274"
    assert preflight(shared.port, "/mcp", page, "POST").status == 405
    routed(cors={"max_age": "10m"})
    allowed = until(
        "browsers are answered",
        lambda: (found := preflight(shared.port, "/mcp", page, "POST")).status == 200 and found,
    )
    assert allowed.headers["access-control-allow-origin"] == page
    assert "POST" in allowed.headers["access-control-allow-methods"]
    names = allowed.headers["access-control-allow-headers"].split(", ")
    assert {"mcp-session-id", "mcp-protocol-version", "content-type", "*"} <= set(names)
    call = CALLS["get_weather"]
    answer = call.with_headers(("origin", page)).post_once(shared.port)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == page
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"mcp-session-id", "retry-after", "x-request-id"} <= set(exposed)
    # A page that may not call learns nothing; what the filter refuses, another page may read.
    foreign = call.with_headers(("origin", "https://evil.example")).post_once(shared.port)
    assert foreign.status == 403
    assert "access-control-allow-origin" not in foreign.headers
    broken = call.with_headers(("origin", page)).with_body(b"{").post_once(shared.port)
    assert (broken.status, broken.headers["access-control-allow-origin"]) == (400, page)


LEADING_PAST_THE_FILTER = {
    "a server of MCP": {"cluster": "weather"},
    "one endpoint of a server": {"cluster": "same-place"},
}


@pytest.mark.parametrize("to", LEADING_PAST_THE_FILTER.values(), ids=LEADING_PAST_THE_FILTER.keys())
def test_it_takes_no_route_by_which_a_message_would_reach_a_server_unread(shared, to):
    document = copy.deepcopy(shared.control_plane.document())
    document["clusters"] = [cluster("same-place", [shared.upstreams["weather"]])]
    document["routes"] = [{"name": "past", "match": {"prefix": "/"}, "to": to}]
    refused = shared.change(document)
    assert refused.status == 422, refused.body
    (error,) = refused.json["errors"]
    assert error["path"] == "/routes/0/to/cluster"
    assert "unread" in error["reason"]
