"""The gateway's `/health` answers for everything behind it."""

from raw_http import Connection


def test_it_says_how_everything_behind_the_gateway_is(stack):
    with Connection(stack.gateway_port) as connection:
        reply = connection.request("GET", "/health", [])
    assert reply.status == 200
    assert reply.json["status"] == "up"
    services = {name: service["status"] for name, service in reply.json["services"].items()}
    assert {"postgres", "spark_connect", "spark_master"} <= set(services)
    assert set(services.values()) == {"up"}
