"""One id follows a call: from the client through the logs of Envoy and the server back to it."""

import uuid

from mcp_messages import Era, call
from polling import until


def test_it_follows_a_call_by_one_id_from_client_to_log_line(stack):
    sent = str(uuid.uuid4())
    message = call(Era.MODERN, "execute_query", {"sql": "SELECT 1"}).with_headers(
        ("x-request-id", sent)
    )
    reply = message.post_once(stack.gateway_port)
    assert reply.headers["x-request-id"] == sent
    assert reply.json["result"]["_meta"]["portcullis/requestId"] == sent
    for program in ("mcp-server", "envoy"):
        until(
            f"the id in the log of {program}",
            lambda program=program: sent in stack.log(program),
        )


def test_it_gives_an_id_to_a_call_without_one(stack):
    reply = call(Era.MODERN, "list_tables").post_once(stack.gateway_port)
    given = reply.headers["x-request-id"]
    assert reply.json["result"]["_meta"]["portcullis/requestId"] == given
    assert uuid.UUID(given)
