"""The Inspector's check of schemas finds nothing that a provider of models would refuse."""

import json
import os
import subprocess

import pytest


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_it_passes_the_strict_check_of_its_schemas(installation, stack, tmp_path, era):
    package = installation.home / "clients/node/node_modules/@modelcontextprotocol/inspector"
    command = [installation.program("node"), package / "clients/launcher/build/index.js", "--cli"]
    command += ["--transport", "http", "--server-url", stack.url, "--protocol-era", era]
    command += ["--method", "tools/list", "--strict", "--format", "json"]
    environment = {**os.environ, "HOME": str(tmp_path), "MCP_INSPECTOR_SECRET_STORE": "file"}
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert "execute_query" in {tool["name"] for tool in seen["result"]["tools"]}
    # It does look: a type with null beside it is worth a warning to it.
    assert "outputSchema" in json.dumps(seen["schemaFindings"])
    assert '"error"' not in json.dumps(seen["schemaFindings"])
