"""The life of one client at the gateway, step by step, and what its user saw of each."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from enum import Enum

from policy_of_queries import PolicyOfQueries
from sdk_client import NoAnswer, SdkClient

GOOD = {"sql": "SELECT 41 + 1 AS answer"}
BAD = {"sql": "SELECT 1", "colour": "blue"}
SLOW = {"sql": "SELECT count(*) FROM generate_series(1, 2000000000)"}


class Step(Enum):
    """What happens to a client, in this order; the value heads its column of the table."""

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
    """One client: what it negotiated and listed, and of each step the outcome of the call, and of the good call after it."""

    client: SdkClient
    tools: list[dict] = field(default_factory=list)
    seen: dict[Step, dict] = field(default_factory=dict)
    afterwards: dict[Step, dict] = field(default_factory=dict)

    def call(self, tool: str, arguments: dict) -> dict:
        """What the user sees of a call; a client that has gone shows nothing."""
        try:
            return self.client.call(tool, arguments)
        except NoAnswer as silence:
            return {"silence": str(silence)}

    def take(self, step: Step, policy: PolicyOfQueries) -> None:
        """Takes a step, and makes a good call after it."""
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
    """Lays upon `execute_query` what the step is about, and takes it away again."""
    if step is Step.LIMIT:
        policy.allow(1, life.client.sdk.label.replace(" ", "-").replace(".", "-"))
        life.call("execute_query", GOOD)
    elif step is Step.DENIED:
        policy.set(allow=[])
    elif step is Step.TIME_OUT:
        policy.set(timeout="1s")
    elif step is Step.SILENCE:
        policy.set(timeout="300ms")
    try:
        with policy.stack.frozen("mcp-server") if step is Step.SILENCE else nullcontext():
            yield
    finally:
        policy.lift()


def text_of(outcome: dict) -> str:
    """The text that a user or a model reads."""
    if "result" in outcome:
        return "".join(part.get("text", "") for part in outcome["result"]["content"])
    return outcome["error"]["message"] if "error" in outcome else ""


def is_good(outcome: dict) -> bool:
    """Whether a call answered the row that it asked for."""
    return "result" in outcome and not outcome["result"].get("isError") and "42" in text_of(outcome)


def form_of(outcome: dict, sentence: str) -> str:
    """Names how the sentence of a refusal reached the user, in the words of docs/clients.md."""
    if sentence not in text_of(outcome):
        return "no answer" if "silence" in outcome else "hidden"
    if "result" in outcome:
        return "result"
    if '"jsonrpc"' in text_of(outcome):
        return "raw JSON"
    code = outcome["error"]["code"]
    return "exception" if code is None else str(code)
