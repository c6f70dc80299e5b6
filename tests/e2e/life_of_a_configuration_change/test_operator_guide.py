"""Every command of the operator guide shows what the guide says, on a real control plane with two
real Envoys.
"""

import re

import pytest

from control_plane import ControlPlane, subscribed_envoy
from free_ports import free_port
from gateway_under_test import CITY
from installation import REPOSITORY
from managed_gateway import listed
from operator_session import OperatorSession, commands, fits
from polling import until
from recording_upstream import RecordingUpstream, answers_with
from wasm_modules import another_build

PAGE = "docs/operator-guide.md"
QUERY = {"type": "object", "properties": {"sql": {"type": "string"}}, "required": ["sql"]}
TOOLS = {
    "data": {"execute_query": QUERY, "list_tables": {"type": "object"}},
    "weather": {"get_weather": CITY},
}
METRIC = re.compile(r"portcullis_\w+")


@pytest.fixture(scope="module")
def gateway(installation, tmp_path_factory):
    """The gateway of the guide's reader: `data` is registered, `weather` only runs."""
    folder = tmp_path_factory.mktemp("operator")
    servers = {name: RecordingUpstream(name) for name in TOOLS}
    for name, server in servers.items():
        server.responder = answers_with(listed(TOOLS[name]))
    port = free_port()
    document = {
        "listeners": [{"name": "mcp", "address": f"127.0.0.1:{port}", "servers": ["*"]}],
        "servers": {"data": {"url": f"http://127.0.0.1:{servers['data'].port}/mcp"}},
        "rollout": {"ack_deadline": "50s"},
    }
    control_plane = ControlPlane(installation, folder, document)
    envoys = [
        subscribed_envoy(installation, folder, control_plane, name) for name in ("edge-1", "edge-2")
    ]
    until(
        "both Envoys have their configuration",
        lambda: (
            [node["generation"]["in_force"] for node in control_plane.nodes()].count(
                control_plane.get("/api/v1/version").json["generation"]
            )
            == 2
        ),
    )
    until(
        "both Envoys report their numbers",
        lambda: control_plane.get("/api/v1/traffic").json["reporting"] == 2,
    )
    yield control_plane, port, servers, folder
    for envoy in envoys:
        envoy.stop()
    control_plane.stop()
    for server in servers.values():
        server.stop()


@pytest.fixture(scope="module")
def session(gateway, installation, tmp_path_factory):
    """The reader's shell, in a folder of its own."""
    control_plane, port, servers, folder = gateway
    desk = tmp_path_factory.mktemp("desk")
    build = another_build(installation.module.read_bytes(), "a new build")
    (desk / "mcp-filter.wasm").write_bytes(build)
    programs = desk / "programs"
    programs.mkdir()
    (programs / "portcullis").symlink_to(installation.binary("portcullis").resolve())
    environment = {
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
        "CONTROL_PLANE_REST_ADDRESS": f"127.0.0.1:{control_plane.rest_port}",
        "PORTCULLIS_URL": f"http://127.0.0.1:{port}/mcp",
        "PORTCULLIS_DATA": str(folder),
        "CONTROL_PLANE_STORE": str(folder / "control-plane.db"),
    }
    replaced = {
        "127.0.0.1:8080": f"127.0.0.1:{control_plane.rest_port}",
        "127.0.0.1:8001": f"127.0.0.1:{servers['weather'].port}",
        "127.0.0.1:8000": f"127.0.0.1:{servers['data'].port}",
        "127.0.0.1:10000": f"127.0.0.1:{port}",
    }
    return OperatorSession(desk, environment, replaced)


TYPED = commands(PAGE)
FOLLOWED = list(zip(TYPED, [*TYPED[1:], None], strict=True))


@pytest.mark.parametrize(
    ("command", "following"), FOLLOWED, ids=[f"line {command.line}" for command in TYPED]
)
def test_it_shows_what_the_guide_says(session, command, following):
    may_fail = following is not None and following.text == "echo $?"
    session.type(command, may_fail=may_fail)


def test_it_tells_an_output_from_another():
    assert fits("a   b\nc\n", ["a b", "c"])
    assert fits("a b\nc\nd\n", ["a …", "…"])
    assert fits("rollout 7-3fa81c02 soaking\n", ["rollout  7-…  soaking"])
    assert not fits("a b\n", ["a"])
    assert not fits("a\nb\n", ["a"])
    assert not fits("a\n", ["a", "b"])


@pytest.mark.parametrize("page", [PAGE, "docs/operator/changes.md"])
def test_it_has_every_metric_that_an_alert_is_about(gateway, page):
    control_plane, *_ = gateway
    exported = set(METRIC.findall(control_plane.get("/metrics").body.decode()))
    rules = "\n".join(
        re.findall(r"^```yaml\n(.*?)^```$", (REPOSITORY / page).read_text(), re.M | re.S)
    )
    named = {name for name in METRIC.findall(rules) if name.startswith("portcullis_control")}
    assert page == PAGE or named
    assert named - exported == set()
