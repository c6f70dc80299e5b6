"""The management API before a tester that others wrote: it makes requests up from the API's own
description, right ones and wrong ones.
"""

import os
import re
import subprocess
from pathlib import Path

from control_plane import ControlPlane, subscribed_envoy
from free_ports import free_port
from installation import present

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
"""What each answer has to keep to: its description, and that nothing fails."""

LEFT_OUT = (
    # The tester learns from answers, and these have examples with a server's usual address.
    "/api/v1/openapi.json",
    "/api/v1/config/schema",
    "/docs",
)
HOOKS = Path(__file__).with_name("hooks.py")
EXAMPLES = 5
"""Requests made up for each operation, besides those that go through its parameters one by one."""
SECONDS = 60
"""The most that it makes up requests for; a busy machine has them answered later."""
DOCUMENT = {
    "servers": {"data": {"url": "http://127.0.0.1:1/mcp"}},
    # An Envoy answers at once or, where what was made up cannot be taken, never.
    "rollout": {"ack_deadline": "1s"},
}


def test_it_answers_whatever_is_made_up_as_it_is_described(installation, directory):
    listener = {"name": "mcp", "address": f"127.0.0.1:{free_port()}", "servers": ["*"]}
    control_plane = ControlPlane(installation, directory, {**DOCUMENT, "listeners": [listener]})
    envoy = subscribed_envoy(installation, directory, control_plane)
    description = directory / "openapi.json"
    said = control_plane.get("/api/v1/openapi.json").body.decode()
    # Its examples are addresses of servers, which nobody is to be asked at.
    description.write_text(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:1", said))
    command = [
        present(installation.home / "clients/schemathesis/bin/python", "run `make setup`"),
        *("-m", "schemathesis.cli", "run"),
        description,
        f"--url=http://127.0.0.1:{control_plane.rest_port}",
        *(f"--exclude-path={path}" for path in LEFT_OUT),
        f"--checks={','.join(CHECKS)}",
        "--phases=coverage,fuzzing",
        f"--max-examples={EXAMPLES}",
        f"--max-time={SECONDS}",
        "--seed=7",
        "--no-shrink",
        "--continue-on-failure",
        "--suppress-health-check=all",
        "--request-timeout=60",
        "--no-color",
    ]
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=directory,
            env={**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)},
            capture_output=True,
            text=True,
            timeout=400,
        )
        assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-2000:]
        selected = re.search(r"Selected: (\d+)/(\d+)", done.stdout)
        assert selected and int(selected[2]) - int(selected[1]) == len(LEFT_OUT), done.stdout
        # It has not found out by itself that there is nothing to ask.
        tested = re.search(r"Tested: (\d+)", done.stdout)
        assert tested and int(tested.group(1)) > 50, done.stdout
        assert control_plane.get("/readyz").status == 200
        assert "panicked" not in control_plane.process.log.read_text()
    finally:
        envoy.stop()
        control_plane.stop()
