"""POSTs over HTTP/2, by Node, which speaks it without further packages."""

import json
import subprocess
from base64 import b64encode
from pathlib import Path

from installation import REPOSITORY
from mcp_messages import Message

PROGRAM = REPOSITORY / "tests/clients/http2_post.mjs"


def post_at_once(
    node: Path, port: int, messages: list[Message], path: str = "/mcp", **more: object
) -> list[dict]:
    """All messages over one connection at the same time; the answers' `status`, `headers` and
    `body`, in order.

    `more` are further members of each request, such as `trailers`.
    """
    requests = [
        {
            "headers": [(":path", path), *message.headers],
            "body": b64encode(message.body).decode(),
            **more,
        }
        for message in messages
    ]
    done = subprocess.run(
        [str(node), str(PROGRAM), str(port)],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
