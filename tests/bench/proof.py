"""Proves that each variant does what it is measured for: a filter that passes all would be fast."""

from calls import SCARCE, TOOL, Case
from listeners import IO, NATIVE, OURS
from mcp_messages import Era, has_passed, is_refused, sentence_of
from raw_http import Reply

GOOD = {"sql": "select 1", "parameters": []}


class PolicyIsOff(AssertionError):
    """A variant passed what it had to refuse, or the other way round."""


def is_tool_error(reply: Reply, era: Era) -> bool:
    """Whether a call was answered by a result that says `isError`, in the form of the era."""
    result = reply.json.get("result", {})
    return ((reply.status, reply.json["id"], result.get("isError")) == (200, 1, True)) and (
        "resultType" in result
    ) == (era is Era.MODERN)


def check(case: Case, ports: dict[str, int], limit_is_fresh: bool) -> None:
    """Sends one call of each kind that is told apart.

    Ours refuses arguments that break the schema, a tool that nobody lists, and the second call of a
    tool that may be called once; `limit_is_fresh` says that this is the first check of this Envoy.
    """

    def reply(variant: str, tool: str, arguments: dict):
        return case.message(tool, arguments).post_once(ports[variant])

    def demand(holds: bool, what: str) -> None:
        if not holds:
            raise PolicyIsOff(f"{case.title}: {what}")

    for variant in ports:
        demand(has_passed(reply(variant, TOOL, GOOD)), f"{variant} does not pass a good call")
    demand(
        reply(NATIVE, "another", GOOD).status == 500,
        "the native filter does not read the tool's name",
    )
    # Without the header that the module sets there is no route.
    demand(
        reply(IO, "another", GOOD).status == 200,
        "the module without thought does not set the route",
    )
    broken = reply(OURS, TOOL, {"sql": 42})
    demand(is_tool_error(broken, case.era), "ours passes arguments that break the schema")
    demand("/sql: expected" in sentence_of(broken), "ours does not say which argument is wrong")
    unknown = reply(OURS, "another", GOOD)
    demand(
        (unknown.status, unknown.json.get("error", {}).get("code")) == (200, -32602),
        "ours passes a tool that nobody lists",
    )
    if limit_is_fresh:
        demand(
            has_passed(reply(OURS, SCARCE, GOOD)), "ours refuses the first call of a scarce tool"
        )
    demand(is_refused(reply(OURS, SCARCE, GOOD), 42900), "ours passes a call above the limit")
