"""What an operator types to look at the document, to change it and to take a change back."""

import json
import os
import subprocess

import pytest


@pytest.fixture
def portcullis(managed, installation, directory):
    """Runs the command line against the control plane of the test."""

    def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess:
        address = f"127.0.0.1:{managed.control_plane.rest_port}"
        command = [installation.binary("portcullis"), *arguments, "--rest-address", address]
        return subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=directory,
            env={**os.environ, "PORTCULLIS_DATA": str(directory)},
        )

    return run


def test_it_looks_changes_compares_and_goes_back(managed, portcullis):
    before = managed.control_plane.get("/api/v1/config").json["revision"]
    document = managed.control_plane.document()
    document["defaults"]["access"] = "deny"
    changed = json.dumps(document)

    tried = portcullis("validate", "-", text=changed)
    assert tried.returncode == 0, tried.stderr
    assert '/access  "allow" → "deny"' in tried.stdout
    wrong = portcullis("validate", "-", text="{tools: [{name: a, colour: red}]}")
    assert wrong.returncode != 0
    assert "/tools/0/colour" in wrong.stdout
    refused = portcullis("apply", "-", text="{tools: [{name: a, colour: red}]}")
    assert (refused.returncode != 0, refused.stdout) == (True, "")
    assert "/tools/0/colour" in refused.stderr

    applied = portcullis("apply", "-", "--author", "ada", "--reason", "less is more", text=changed)
    assert applied.returncode == 0, applied.stderr
    assert f"revision  {before + 1}  accepted" in applied.stdout
    shown = portcullis("get", "defaults")
    assert "access: deny" in shown.stdout
    whole = portcullis("get", "config")
    again = portcullis("apply", "-", text=whole.stdout)
    assert f"revision  {before + 1}  unchanged" in again.stdout, again.stderr
    as_json = portcullis("get", "servers", "weather", "--output", "json")
    assert json.loads(as_json.stdout)["name"] == "weather"

    compared = portcullis("diff", str(before), str(before + 1))
    assert compared.stdout.startswith("changed   defaults")
    loosening = portcullis("rollback", str(before))
    assert loosening.returncode != 0
    assert "allow_loosening" in loosening.stderr
    back = portcullis("rollback", str(before), "--allow-loosening", "--author", "ada")
    assert f"revision  {before + 2}  accepted" in back.stdout, back.stderr
    history = portcullis("history", "--limit", "2")
    assert history.stdout.splitlines()[1].endswith("ada  less is more")
    audit = portcullis("audit", "--who", "ada", "--limit", "1")
    assert f"POST /api/v1/rollback  revision {before + 2}" in audit.stdout
