"""The two logins of the demo database: what each of them may do, whatever a tool would send."""

import pytest

from free_ports import free_port
from mcp_messages import Era, call
from polling import until
from processes import Process
from raw_http import Connection


@pytest.fixture(scope="module")
def reader_alone(installation, stack, tmp_path_factory):
    """Runs a data server whose writing tools are given the login of queries; its port."""
    known = stack.environment_of("mcp-server")
    environment = known | {
        "POSTGRES_WRITE_USER": known["POSTGRES_USER"],
        "POSTGRES_WRITE_PASSWORD": known["POSTGRES_PASSWORD"],
        "MCP_TOOLS": "all",
    }
    port = free_port()
    command = [installation.binary("mcp-server"), "--address", f"127.0.0.1:{port}"]
    process = Process("mcp-server", command, tmp_path_factory.mktemp("reader"), environment)

    def is_up() -> bool:
        process.check_alive()
        try:
            with Connection(port) as connection:
                return connection.request("GET", "/health", []).status in (200, 503)
        except OSError:
            return False

    until("the data server listens", is_up)
    yield port
    process.stop()


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO shops VALUES (99, 'x', 'x', current_date)",
        "UPDATE shops SET city = 'x' WHERE shop_id = 1",
        "DELETE FROM shops WHERE shop_id = 1",
    ],
)
def test_it_lets_the_login_of_queries_change_nothing(reader_alone, sql):
    answer = call(Era.MODERN, "execute_dml", {"sql": sql}).post_once(reader_alone)
    error = answer.json["result"]["structuredContent"]["error"]
    assert error["code"] == "42501" and "permission denied" in error["message"], error
