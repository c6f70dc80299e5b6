"""The listener as the control plane renders it, with its routes and its filter written into it, so
that an Envoy without a control plane can run it.

It is the agreed result of `control-plane/server/tests/golden.rs`, which compares it with what is
rendered.
"""

import json

from installation import REPOSITORY

GOLDEN = REPOSITORY / "control-plane/server/tests/golden/smallest.json"


def agreed(part: str) -> dict:
    """The one agreed resource that has this part."""
    contents = [resource["content"] for resource in json.loads(GOLDEN.read_text())]
    (found,) = [content for content in contents if part in content]
    return found


def rendered_listener() -> dict:
    listener = agreed("filter_chains")
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    del manager["rds"]
    manager["route_config"] = agreed("virtual_hosts")
    discovered, router = manager["http_filters"]
    assert "config_discovery" in discovered
    manager["http_filters"] = [agreed("typed_config"), router]
    return listener
