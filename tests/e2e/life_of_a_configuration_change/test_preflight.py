"""What Envoy would not take is refused before any Envoy that serves traffic is sent it."""

import pytest

from control_plane import ControlPlane
from free_ports import free_port
from installation import Installation

NO_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n"


@pytest.fixture
def asking(installation: Installation, directory):
    document = {
        "listeners": [{"name": "mcp", "address": f"127.0.0.1:{free_port()}"}],
        "servers": {"data": {"url": f"http://127.0.0.1:{free_port()}/mcp"}},
    }
    made = ControlPlane(installation, directory, document, preflight=True)
    yield made
    made.stop()


def cluster(ca: str) -> dict:
    tls = {"ca": ca, "server_name": "tools.internal"}
    return {"name": "others", "endpoints": ["127.0.0.1:1"], "upstream": {"tls": tls}}


def test_it_refuses_what_envoy_would_not_take_with_the_place_and_envoys_words(asking):
    wrong = cluster(NO_CERTIFICATE)
    answer = asking.request("POST", "/api/v1/clusters", wrong)
    assert answer.status == 422, answer.body
    (error,) = answer.json["errors"]
    assert error["path"] == "", error
    assert "certificate" in error["reason"], error
    document = asking.document()
    document["clusters"] = [{"name": "fine", "endpoints": ["127.0.0.1:1"]}]
    assert asking.request("PUT", "/api/v1/config", document).status == 200
    document["clusters"].append(wrong)
    tried = asking.request("POST", "/api/v1/config/validate", document)
    assert tried.json["valid"] is False, tried.body
    assert [error["path"] for error in tried.json["errors"]] == ["/clusters/1"]
    dry = asking.request("PUT", "/api/v1/config?dry_run=true", document)
    assert dry.status == 422, dry.body
    assert asking.get("/api/v1/version").json["revision"] == 2
    # The same document without it is taken, with every listener, route and filter in it.
    document["clusters"].pop()
    plain = {"name": "plain", "match": {"prefix": "/plain"}, "to": {"cluster": "fine"}}
    document["routes"] = [plain]
    assert asking.request("PUT", "/api/v1/config", document).status == 200
