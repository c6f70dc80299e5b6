"""The policy that a test sets upon `execute_query` for a while, by REST as an operator would."""

import json
from dataclasses import dataclass

from polling import until
from raw_http import Connection
from stack import Stack


@dataclass
class PolicyOfQueries:
    """The REST resource of the policy of `execute_query`, at the control plane of a stack."""

    stack: Stack

    def change(self, method: str, body: dict | None = None) -> int:
        """Makes a request, and returns its status once what it changes is in force: Envoy
        acknowledges on its main thread, and its workers take the configuration a moment later.
        """
        encoded = None if body is None else json.dumps(body).encode()
        headers = [("content-type", "application/json")]
        before = self.stack.configuration()
        with Connection(self.stack.rest_port) as connection:
            path = "/api/v1/tools/execute_query/policy"
            status = connection.request(method, path, headers, encoded).status
        if status == 200:
            until("Envoy works by it", lambda: self.stack.configuration() != before)
        return status

    def set(self, **policy: object) -> None:
        """Replaces the policy by another one, and returns once it is in force."""
        assert self.change("PUT", policy) == 200

    def allow(self, calls: int, limit: str) -> None:
        """Allows so many calls an hour, counted under a name that no test has used before: none
        comes back while a test runs.
        """
        self.set(limits=[{"id": limit, "per": ["tool"], "requests": calls, "window": "1h"}])

    def lift(self) -> None:
        """Takes the policy away, whether or not there is one."""
        assert self.change("DELETE") in (200, 404)
