"""What the tester is told of this API: how the bytes of a module look, that nobody waits for the
end of events, and that a whole document that it makes up is judged and not put in force.
"""

import io
import sys
from pathlib import Path

import schemathesis
from hypothesis import strategies as st
from urllib3 import HTTPResponse

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from wasm_modules import (  # noqa: E402
    as_own_filter,
    that_passes_everything,
    that_traps_at_its_start,
)

MODULES = [
    that_passes_everything(),
    that_traps_at_its_start(),
    as_own_filter(that_passes_everything()),
    that_passes_everything()[:-3],
]
WHOLE_DOCUMENT = ("put", "/api/v1/config")

schemathesis.openapi.media_type(
    "application/wasm", st.sampled_from(MODULES) | st.binary(max_size=64)
)


@schemathesis.hook
def before_call(_context, case, kwargs) -> None:
    if (case.operation.method.lower(), case.operation.path) == WHOLE_DOCUMENT:
        # A document that names no server has one at its usual port, where nobody is to be asked.
        case.query = {**(case.query or {}), "dry_run": "true"}
    kwargs["hooks"] = {"response": without_events}


def without_events(response, **_):
    """The answer, without what may come for as long as somebody reads."""
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        response.raw.close()
        response.raw = HTTPResponse(io.BytesIO(), response.raw.headers, preload_content=False)
    return response
