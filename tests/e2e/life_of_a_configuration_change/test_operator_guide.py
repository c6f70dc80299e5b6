"""Every command of the operator guide, and of the workflows that go on where it ends, shows what
the page says, on a real control plane with two real Envoys.
"""

import contextlib
import os
import re
import signal
from pathlib import Path

import pytest

from certificates import Authority
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
WORKFLOWS = "docs/operator/workflows.md"
"""Typed behind the other, by the same reader."""
QUERY = {"type": "object", "properties": {"sql": {"type": "string"}}, "required": ["sql"]}
TOOLS = {
    "data": {"execute_query": QUERY, "list_tables": {"type": "object"}},
    "weather": {"get_weather": CITY},
}
REVIEW = "portcullis tools review weather get_weather"
"""Typed after the server has changed what it lists."""
DAYS = {**CITY, "properties": {**CITY["properties"], "days": {"type": "integer"}}}
CHANGED = {"get_weather": DAYS, "get_tides": CITY}
METRIC = re.compile(r"portcullis_\w+")


@pytest.fixture(scope="module")
def gateway(installation, tmp_path_factory):
    """The gateway of the guide's reader: `data` is registered, `weather` and the next version of
    `data` only run.
    """
    folder = tmp_path_factory.mktemp("operator")
    servers = {name: RecordingUpstream(name) for name in (*TOOLS, "data-next")}
    for name, tools in TOOLS.items():
        servers[name].responder = answers_with(listed(tools))
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
        lambda: control_plane.reporting() == 2,
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
    issue_certificates(desk)
    programs = desk / "programs"
    programs.mkdir()
    for name in ("portcullis", "control-plane"):
        (programs / name).symlink_to(installation.binary(name).resolve())
    own = control_plane.process.environment
    environment = {
        **{name: value for name, value in own.items() if name.startswith("CONTROL_PLANE_")},
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
        "PORTCULLIS_URL": f"http://127.0.0.1:{port}/mcp",
        "PORTCULLIS_DATA": str(folder),
    }
    secure = free_port()
    replaced = {
        "127.0.0.1:8080": f"127.0.0.1:{control_plane.rest_port}",
        "127.0.0.1:18000": f"127.0.0.1:{control_plane.xds_port}",
        "127.0.0.1:8002": f"127.0.0.1:{servers['data-next'].port}",
        "127.0.0.1:8001": f"127.0.0.1:{servers['weather'].port}",
        "127.0.0.1:8000": f"127.0.0.1:{servers['data'].port}",
        "127.0.0.1:10000": f"127.0.0.1:{port}",
        "127.0.0.1:10443": f"127.0.0.1:{secure}",
        "localhost:10443": f"localhost:{secure}",
    }
    started = desk / "control-plane.pid"
    started.write_text(str(control_plane.process.pid))
    yield OperatorSession(desk, environment, replaced)
    if started.read_text().strip() != str(control_plane.process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(started.read_text()), signal.SIGKILL)


def issue_certificates(desk: Path) -> None:
    """`gateway.pem` with its key, and the same as another authority signs it, in `renewed`."""
    (desk / "renewed").mkdir()
    for folder in (desk, desk / "renewed"):
        certificate, key = Authority(folder).issue("localhost")
        certificate.rename(folder / "gateway.pem")
        key.rename(folder / "gateway.key")


TYPED = [(Path(page).stem, command) for page in (PAGE, WORKFLOWS) for command in commands(page)]
FOLLOWED = [
    (command, following)
    for (_, command), (_, following) in zip(TYPED, [*TYPED[1:], ("", None)], strict=True)
]


@pytest.mark.parametrize(
    ("command", "following"),
    FOLLOWED,
    ids=[f"{page} line {command.line}" for page, command in TYPED],
)
def test_it_shows_what_the_page_says(gateway, session, command, following):
    _, _, servers, _ = gateway
    if command.text == REVIEW:
        servers["weather"].responder = answers_with(listed(CHANGED))
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
