"""The life of one client at the gateway: the steps, and how each one is brought about."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from enum import Enum

from policy_of_queries import PolicyOfQueries

from outcomes import text_of
from sdk_client import NoAnswer, SdkClient

GOOD = {"sql": "SELECT 41 + 1 AS answer"}
BAD = {"sql": "SELECT 1", "colour": "blue"}
SLOW = {"sql": "SELECT count(*) FROM generate_series(1, 2000000000)"}


class Step(Enum):
    """One thing that happens to a client, in this order; its value heads a column of the table."""

    GOOD_CALL = "good call"
    BAD_ARGUMENTS = "bad arguments"
    UNKNOWN_TOOL = "unknown tool"
    LIMIT = "limit"
    DENIED = "denied"
    TIME_OUT = "time-out"
    SILENCE = "silent server"
    RESTARTED = "server restarted"


REFUSALS = {
    Step.BAD_ARGUMENTS: "do not fit its schema",
    Step.UNKNOWN_TOOL: "call `tools/list`",
    Step.LIMIT: "try again in",
    Step.DENIED: "ask the operator",
    Step.TIME_OUT: "that the gateway gives it, and was stopped",
    Step.SILENCE: "took longer than its policy allows",
}
"""The steps that refuse a call, and words of the sentence that each one answers."""


@dataclass
class ClientLife:
    """The record of one client: what it listed, and the outcomes of each step's calls.

    `seen` has the call that the step is about, `afterwards` the good call that follows.
    """

    client: SdkClient
    tools: list[dict] = field(default_factory=list)
    seen: dict[Step, dict] = field(default_factory=dict)
    afterwards: dict[Step, dict] = field(default_factory=dict)

    def call(self, tool: str, arguments: dict) -> dict:
        """Makes a call; a client that has gone or hangs is an error of type `NoAnswer`."""
        try:
            return self.client.call(tool, arguments)
        except NoAnswer as silence:
            return {"error": {"type": "NoAnswer", "message": str(silence), "code": None}}

    def take(self, step: Step, policy: PolicyOfQueries) -> None:
        """Takes a step, makes a good call after it, and keeps the outcomes of both."""
        with prepared(step, policy, self):
            self.seen[step] = self.call(*CALLS.get(step, ("execute_query", GOOD)))
        self.afterwards[step] = self.call("execute_query", GOOD)


CALLS = {
    Step.BAD_ARGUMENTS: ("execute_query", BAD),
    Step.UNKNOWN_TOOL: ("no_such_tool", {}),
    Step.TIME_OUT: ("execute_query", SLOW),
}
"""The calls of the steps that do not make the good one."""


@contextmanager
def prepared(step: Step, policy: PolicyOfQueries, life: ClientLife) -> Iterator[None]:
    """Sets the policy or stops the server as the step demands, and undoes it afterwards."""
    if step is Step.LIMIT:
        policy.allow(1, life.client.sdk.label.replace(" ", "-").replace(".", "-"))
        life.call("execute_query", GOOD)
    elif step is Step.DENIED:
        policy.set(allow=[])
    elif step is Step.TIME_OUT:
        # A fifth of it is left to the server's own answer, which is to be the first.
        policy.set(timeout="3s")
    elif step is Step.SILENCE:
        policy.set(timeout="300ms")
    try:
        with policy.stack.frozen("mcp-server") if step is Step.SILENCE else nullcontext():
            yield
    finally:
        policy.lift()


def is_good(outcome: dict) -> bool:
    """Tells whether a call answered the row that it asked for."""
    return "result" in outcome and not outcome["result"].get("isError") and "42" in text_of(outcome)
