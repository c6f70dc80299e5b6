"""The policy that a test sets upon `execute_query` for a while, by REST as an operator would."""

import json
from dataclasses import dataclass

from raw_http import Connection, Reply
from stack import Stack


@dataclass
class PolicyOfQueries:
    """The REST resource of the policy of `execute_query`, at the control plane of a stack."""

    stack: Stack

    def request(self, method: str, body: dict | None = None) -> Reply:
        encoded = None if body is None else json.dumps(body).encode()
        with Connection(self.stack.rest_port) as connection:
            headers = [("content-type", "application/json")]
            return connection.request(
                method, "/api/v1/tools/execute_query/policy", headers, encoded
            )

    def set(self, **policy: object) -> None:
        """Replaces the policy, and returns once it is in force."""
        assert self.request("PUT", policy).status == 200

    def allow(self, calls: int, limit: str) -> None:
        """Allows so many calls a minute, counted under a name that no test has used before."""
        self.set(limits=[{"id": limit, "per": ["tool"], "requests": calls, "window": "1m"}])

    def lift(self) -> None:
        """Takes the policy away, whether or not there is one."""
        assert self.request("DELETE").status in (200, 404)
