"""The gateway's `/health` answers for everything behind it."""

from polling import until
from raw_http import Connection


def test_it_says_how_everything_behind_the_gateway_is(stack):
    def is_up():
        """The answer once all is as it was before a test took something down."""
        with Connection(stack.gateway_port) as connection:
            reply = connection.request("GET", "/health", [])
        return reply if reply.status == 200 and reply.json["status"] == "up" else None

    reply = until("everything is up", is_up)
    services = {name: service["status"] for name, service in reply.json["services"].items()}
    assert {"postgres", "spark_connect", "spark_master"} <= set(services)
    assert set(services.values()) == {"up"}
