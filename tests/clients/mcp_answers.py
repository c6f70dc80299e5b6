"""The answers of an MCP server of either protocol era to everything but a tool call."""

MODERN = "2026-07-28"
LEGACY = "2025-11-25"


def result_of(message: dict, tools: list[dict]) -> dict | None:
    """Returns the result of a request to a server with these tools, or None for an unknown method.

    The era is the one that the message itself shows.
    """
    params = message.get("params") or {}
    modern = is_modern(message)
    complete = {"resultType": "complete", "ttlMs": 0, "cacheScope": "public"} if modern else {}
    method = message.get("method")
    if method == "initialize" and not modern:
        wanted = params.get("protocolVersion")
        version = LEGACY if wanted in (None, MODERN) else wanted
        return {
            "protocolVersion": version,
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "a", "version": "1"},
        }
    if method == "server/discover" and modern:
        return {"supportedVersions": [MODERN, LEGACY], "capabilities": {"tools": {}}, **complete}
    if method == "tools/list":
        return {"tools": tools, **complete}
    if method == "ping" and not modern:
        return {}
    return None


def is_modern(message: dict) -> bool:
    """Tells whether a request is of the era without sessions, by its own `_meta`."""
    meta = (message.get("params") or {}).get("_meta", {})
    return meta.get("io.modelcontextprotocol/protocolVersion") == MODERN
