"""Clients whose users can be asked are asked through the gateway before rows go that may not have
been meant: in the middle of a call where they have a session, in its answer where they have none.
"""

import pytest

from outcomes import failure, structured
from sdk_client import Sdk, SdkClient

ASKED = [
    Sdk("python", "modern"),
    Sdk("python", "legacy"),
    Sdk("mcp-1.30", "legacy"),
    Sdk("mcp-1.20", "legacy"),
]
"""Clients of every way of asking over streamable HTTP, and of each revision that has questions."""


@pytest.mark.parametrize("sdk", ASKED, ids=lambda sdk: sdk.label)
def test_it_changes_every_row_once_the_user_has_said_yes(installation, stack, sdk):
    table = f"asked_{sdk.label}".replace(" ", "_").replace("-", "_").replace(".", "_")
    everything = {"sql": f"DELETE FROM {table}"}
    count = {"sql": f"SELECT count(*) FROM {table}"}

    def user_who(says: str) -> SdkClient:
        return SdkClient(sdk, stack.url, installation.home, user_says=says)

    with user_who("decline") as client:
        columns = [{"name": "k", "type": "integer"}]
        structured(client.call("create_table", {"table": table, "columns": columns}))
        structured(client.call("execute_dml", {"sql": f"INSERT INTO {table} VALUES (1), (2)"}))
        said = failure(client.call("execute_dml", everything))
        assert "changes every row" in said, said
        assert structured(client.call("execute_query", count))["rows"] == [[2]]
    with user_who("accept") as client:
        assert structured(client.call("execute_dml", everything))["affected_rows"] == 2
        assert structured(client.call("execute_query", count))["rows"] == [[0]]
