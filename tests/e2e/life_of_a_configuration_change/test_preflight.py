"""What Envoy would not take is refused before any Envoy that serves traffic is sent it."""

from pathlib import Path

import pytest

import managed_gateway
from certificates import Authority
from control_plane import ControlPlane
from free_ports import free_port
from installation import Installation
from managed_gateway import CALLS, upload, upload_to
from traffic import Traffic
from wasm_modules import sha256, that_never_ends

NO_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n"


@pytest.fixture
def questions(directory) -> Path:
    """A folder that keeps what the Envoy is asked about."""
    kept = directory / "questions"
    kept.mkdir()
    return kept


@pytest.fixture
def asking(installation: Installation, directory, questions):
    document = {
        "listeners": [{"name": "mcp", "address": f"127.0.0.1:{free_port()}"}],
        "servers": {"data": {"url": f"http://127.0.0.1:{free_port()}/mcp"}},
    }
    envoy = directory / "asked-envoy"
    keep = f'for file; do :; done; cp "$file" {questions}/$$.pb'
    envoy.write_text(f'#!/bin/sh\n{keep}\nexec {installation.program("envoy")} "$@"\n')
    envoy.chmod(0o755)
    settings = {"CONTROL_PLANE_ENVOY": str(envoy)}
    made = ControlPlane(installation, directory, document, more_environment=settings)
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


def test_it_judges_a_change_with_secrets_and_keeps_none_of_them(asking, questions, tmp_path):
    authority = Authority(tmp_path)
    chain, key = authority.issue("tools.internal")
    token = tmp_path / "token"
    token.write_text("swordfish-71c4\n")
    tls = {"ca_secret": "partners", "secret": "own", "server_name": "tools.internal"}
    document = asking.document()
    document["secrets"] = {
        "own": {"certificate": {"file": str(chain)}, "key": {"file": str(key)}},
        "partners": {"authorities": {"file": str(authority.file)}},
        "token": {"file": str(token)},
    }
    document["listeners"][0]["tls"] = {"secret": "own", "client_ca_secret": "partners"}
    document["servers"]["data"] = {
        "url": f"https://127.0.0.1:{free_port()}/mcp",
        "credentials": {"secret": "token", "header": "x-api-key"},
        "upstream": {"tls": tls},
    }
    document["clusters"] = [cluster(NO_CERTIFICATE)]
    refused = asking.request("PUT", "/api/v1/config", document)
    assert refused.status == 422, refused.body
    reasons = {error["path"]: error["reason"] for error in refused.json["errors"]}
    assert "certificate" in reasons["/clusters/0"], reasons
    document["clusters"] = []
    accepted = asking.request("PUT", "/api/v1/config", document)
    assert accepted.status == 200, accepted.body
    assert "unjudged" not in accepted.json, accepted.json
    asked = [file.read_bytes() for file in questions.iterdir()]
    assert len(asked) == 2
    for question in asked:
        assert b"token@" in question and b"own@" in question
        for secret in (b"swordfish", b"PRIVATE KEY", *lines(chain), *lines(authority.file)):
            assert secret not in question


def test_it_judges_a_change_beside_files_that_only_envoys_have(asking):
    """Whatever of TLS names a file is no reason to look at nothing else."""
    files = {"certificate_file": "/nowhere/chain.pem", "key_file": "/nowhere/key.pem"}
    authorities = {"client_ca_file": "/nowhere/clients.pem"}
    document = asking.document()
    document["listeners"][0]["tls"] = {"certificates": [files], **authorities}
    upstream = {"tls": {"ca_file": "/nowhere/ca.pem", "certificate": files, "server_name": "x.y"}}
    document["clusters"] = [
        {"name": "elsewhere", "endpoints": ["127.0.0.1:1"], "upstream": upstream}
    ]
    accepted = asking.request("PUT", "/api/v1/config", document)
    assert accepted.status == 200, accepted.body
    assert "unjudged" not in accepted.json, accepted.json
    document["clusters"].append(cluster(NO_CERTIFICATE))
    refused = asking.request("PUT", "/api/v1/config", document)
    assert refused.status == 422, refused.body
    (error,) = refused.json["errors"]
    assert "certificate" in error["reason"], error
    document["clusters"].pop()
    module = that_never_ends()
    assert upload_to(asking, module).status == 201
    used = asking.request("PUT", "/api/v1/module", {"sha256": sha256(module)})
    assert used.status == 422, used.body
    (error,) = used.json["errors"]
    assert "while it started the module" in error["reason"], error


def lines(pem: Path) -> list[bytes]:
    """The lines of a file in PEM that nothing else has."""
    return [line for line in pem.read_bytes().splitlines() if not line.startswith(b"-----")]


@pytest.fixture
def serving(installation, directory):
    """A gateway with an Envoy that serves traffic, beside the one that is asked."""
    made = managed_gateway.start(installation, directory, preflight=True)
    yield made
    made.stop()


def test_it_gives_no_envoy_a_module_that_another_did_not_get_running(serving):
    module = that_never_ends()
    assert upload(serving, module).status == 201
    control_plane = serving.control_plane
    with Traffic(serving.port, CALLS) as traffic:
        traffic.flows()
        named = {"sha256": sha256(module)}
        refused = control_plane.request("PUT", "/api/v1/module", named)
        assert refused.status == 422, refused.body
        (error,) = refused.json["errors"]
        assert error["path"] in ("", "/sha256"), error
        assert "while it started the module" in error["reason"], error
        assert control_plane.get("/api/v1/version").json["revision"] == 1
        traffic.flows()
    traffic.check_only({name: {200} for name in CALLS})
    serving.envoy.restart()
    assert all(serving.passes(tool) for tool in CALLS)


def test_it_says_what_no_envoy_has_judged(installation, directory):
    document = {"servers": {"data": {"url": f"http://127.0.0.1:{free_port()}/mcp"}}}
    settings = {"CONTROL_PLANE_ENVOY": str(directory / "nowhere")}
    made = ControlPlane(installation, directory, document, more_environment=settings)
    try:
        cluster = {"name": "others", "endpoints": ["127.0.0.1:1"]}
        tried = made.request("POST", "/api/v1/clusters?dry_run=true", cluster)
        assert "CONTROL_PLANE_ENVOY" in tried.json["unjudged"], tried.body
        made_change = made.request("POST", "/api/v1/clusters", cluster)
        assert made_change.status == 201, made_change.body
        assert "CONTROL_PLANE_ENVOY" in made_change.json["unjudged"], made_change.body
        metrics = made.get("/metrics").body.decode()
        assert 'portcullis_control_plane_preflights_total{state="unjudged"} 2' in metrics
    finally:
        made.stop()
