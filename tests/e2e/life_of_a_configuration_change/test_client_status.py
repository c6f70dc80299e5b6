"""Standard tools are told where Envoys stand by the client status discovery service."""

import json
import subprocess

from control_plane import rejections
from installation import REPOSITORY, present
from managed_gateway import ManagedGateway
from polling import until

METHOD = "envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus"
FILTER = "portcullis.mcp.mcp"
VALUE = "swordfish-71f0"


def asked(gateway: ManagedGateway, request: dict) -> str:
    """The answer to a client that others wrote, which knows no message of Envoy's."""
    client = REPOSITORY / "tests/clients/call_grpc.py"
    python = present(gateway.installation.home / "clients/grpc/bin/python", "run `make setup`")
    target = f"127.0.0.1:{gateway.control_plane.xds_port}"
    command = [python, client, target, METHOD, json.dumps(request)]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def states(answer: str) -> dict[str, str]:
    """Where the only Envoy of an answer stands with each of its resources."""
    (config,) = json.loads(answer)["config"]
    assert config["node"]["id"] == "envoy", config["node"]
    return {
        f"{one['typeUrl'].rsplit('.', 1)[-1]} {one['name']}": one["clientStatus"]
        for one in config["genericXdsConfigs"]
    }


def acknowledged(answer: str) -> str | None:
    """The answer, if the Envoy stands well with each of its resources, its secret among them."""
    told = states(answer)
    has_secret = any(name.startswith("Secret token") for name in told)
    return answer if has_secret and set(told.values()) == {"ACKED"} else None


def test_it_tells_a_tool_that_knows_no_message_where_an_envoy_stands(managed, tmp_path):
    token = tmp_path / "token"
    token.write_text(VALUE)
    document = managed.control_plane.document()
    document["secrets"] = {"token": {"file": str(token)}}
    document["servers"]["weather"]["credentials"] = {"secret": "token"}
    assert managed.change(document).json["outcome"] == "accepted"
    for request in ({}, {"nodeMatchers": [{"nodeId": {"exact": "envoy"}}]}):
        answer = until("all is acknowledged", lambda: acknowledged(asked(managed, request)))
        told = states(answer)
        assert {"Listener mcp", f"TypedExtensionConfig {FILTER}"} <= set(told), told
        # Names, versions and states, and nothing of the contents.
        assert VALUE not in answer
    nobody = {"nodeMatchers": [{"nodeId": {"exact": "another"}}]}
    assert json.loads(asked(managed, nobody)) == {}
    (module,) = (managed.directory / "modules").glob("*.wasm")
    module.rename(module.with_suffix(".hidden"))
    assert managed.control_plane.set_limit("get_weather", 1).json["outcome"] == "rejected"
    (text,) = until("it is said", lambda: rejections(managed.control_plane.nodes()[0]))
    answer = asked(managed, {})
    assert states(answer)[f"TypedExtensionConfig {FILTER}"] == "NACKED"
    assert json.dumps(text) in answer
    assert METHOD in (REPOSITORY / "docs/envoy.md").read_text()
