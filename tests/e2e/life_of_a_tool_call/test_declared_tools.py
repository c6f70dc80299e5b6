"""The tools of examples/tools.yaml through the gateway, by clients that others wrote."""

from outcomes import failure, shown, structured


def test_it_lists_the_tools_of_the_example_file_with_what_they_do(client):
    tools = {tool["name"]: tool for tool in client.tools()}
    sales, orders = tools["sales_by_city"], tools["mark_order_returned"]
    assert sales["title"] == "Sales by city" and "turnover" in sales["description"]
    assert sales["inputSchema"]["required"] == ["since"]
    assert sales["inputSchema"]["additionalProperties"] is False
    assert sales["annotations"]["readOnlyHint"] is True
    assert orders["annotations"]["destructiveHint"] is True
    assert set(tools["events_by_kind"]["inputSchema"]["properties"]) >= {"kinds", "format"}


def test_it_runs_a_declared_query_on_postgresql_with_its_parameters_bound(client):
    called = client.call("sales_by_city", {"since": "2024-01-01", "most": 2})
    first, second = structured(called)["rows"]
    assert float(first[2]) >= float(second[2]) > 0
    of_oslo = structured(client.call("sales_by_city", {"since": "2024-01-01", "city": "Oslo"}))
    assert [row[0] for row in of_oslo["rows"]] == ["Oslo"]
    nowhere = {"since": "2024-01-01", "city": "x' OR 'a' = 'a"}
    assert structured(client.call("sales_by_city", nowhere))["rows"] == []


def test_it_runs_a_declared_query_on_spark_with_its_parameters_bound(client):
    called = client.call("events_by_kind", {"kinds": ["basket", "purchase"]})
    rows = structured(called)["rows"]
    assert [row[0] for row in rows] == ["basket", "purchase"]
    assert all(row[1] > 0 for row in rows)


def test_it_rehearses_a_declared_change(client):
    shipped = "SELECT order_id FROM orders WHERE status = 'shipped' ORDER BY 1 LIMIT 1"
    order = structured(client.call("execute_query", {"sql": shipped}))["rows"][0][0]
    rehearsed = client.call("mark_order_returned", {"order": order, "dry_run": True})
    assert structured(rehearsed)["affected_rows"] == 1
    assert structured(client.call("execute_query", {"sql": shipped}))["rows"] == [[order]]


def test_it_refuses_what_does_not_fit_where_it_is_declared(client):
    for arguments, words in (
        ({}, "since"),
        ({"since": "2024-01-01", "most": 0}, "/most"),
        ({"since": "2024-01-01", "sql": "SELECT 1"}, "sql"),
    ):
        assert words in shown(client.call("sales_by_city", arguments)), arguments
    assert "22007" in failure(client.call("sales_by_city", {"since": "someday"}))
