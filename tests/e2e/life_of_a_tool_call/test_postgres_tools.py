"""The PostgreSQL tools through the gateway, on the demo data, by clients that others wrote."""

import base64

from outcomes import failure, structured

TOOLS = {
    "execute_query",
    "explain_query",
    "execute_dml",
    "create_table",
    "get_table_schema",
    "list_tables",
    "execute_spark_sql",
    "bulk_load_from_spark",
    "submit_spark_job",
    "get_job_status",
    "list_spark_jobs",
    "get_job_logs",
    "cancel_job",
    "create_etl_pipeline",
    "execute_pipeline",
    "get_pipeline_status",
    "list_pipelines",
    "cancel_pipeline",
}


def test_it_speaks_the_revision_that_a_client_wants(client):
    assert client.protocol == ("2026-07-28" if client.sdk.era == "modern" else "2025-11-25")


def test_it_lists_the_tools_with_their_schemas(client):
    tools = {tool["name"]: tool for tool in client.tools()}
    assert TOOLS <= set(tools)
    for name in TOOLS:
        assert tools[name]["description"] and tools[name]["title"], name
        assert tools[name]["inputSchema"]["additionalProperties"] is False, name
        assert tools[name]["outputSchema"]["type"] == "object", name


def test_it_binds_the_parameters_of_a_query(client):
    result = structured(
        client.call(
            "execute_query",
            {
                "sql": "SELECT count(*) AS shops, $1::text AS said FROM shops WHERE city = $2",
                "parameters": ["hé", "Oslo"],
            },
        )
    )
    assert result["rows"] == [[2, "hé"]]
    assert [column["name"] for column in result["columns"]] == ["shops", "said"]
    assert result["truncated"] is False


def test_it_says_when_it_cuts_a_result(client):
    result = structured(
        client.call(
            "execute_query",
            {
                "sql": "SELECT g FROM generate_series(1, 200000) AS g",
                "use_block_transport": False,
            },
        )
    )
    assert result["truncated"] is True
    assert 0 < result["row_count"] < 200000


def test_it_cannot_write_by_a_query(client):
    """Each is refused by the judge, in words of its own: without it, PostgreSQL would refuse most
    of them too, because the transaction only reads.
    """
    for sql, sentence in (
        ("DELETE FROM shops", "only a query is run"),
        (
            "WITH gone AS (DELETE FROM shops RETURNING 1) SELECT * FROM gone",
            "a part of the query writes",
        ),
        ("SELECT 1; DROP TABLE shops", "send one statement in each call"),
        ("CREATE TABLE mine (a int)", "only a query is run"),
        ("SELECT setval('orders_order_id_seq', 1)", "calls `pg_catalog.setval(regclass, bigint)`"),
        ("SELECT nextval('orders_order_id_seq')", "calls `pg_catalog.nextval(regclass)`"),
        ("COPY shops TO '/tmp/shops'", "only a query is run"),
    ):
        said = failure(client.call("execute_query", {"sql": sql}))
        assert sentence in said, said
    assert structured(client.call("execute_query", {"sql": "SELECT count(*) FROM shops"}))[
        "rows"
    ] == [[12]]


def test_it_explains_a_query_without_running_it(client):
    explained = structured(client.call("explain_query", {"sql": "SELECT pg_sleep(60) FROM shops"}))
    assert explained["plan"]["Node Type"] == "Seq Scan" and explained["cost"] > 0
    said = failure(client.call("explain_query", {"sql": "DELETE FROM shops"}))
    assert "only a query is run" in said, said


def test_it_changes_rows_and_queries_see_them(client):
    city = f"of {client.sdk.label}"
    changed = structured(
        client.call(
            "execute_dml",
            {
                "sql": "INSERT INTO shops SELECT max(shop_id) + 1, $1, $1, current_date FROM shops "
                "RETURNING city",
                "parameters": [city],
            },
        )
    )
    assert changed["rows"] == [[city]] and changed["affected_rows"] == 1
    count = {"sql": "SELECT count(*) FROM shops WHERE city = $1", "parameters": [city]}
    assert structured(client.call("execute_query", count))["rows"] == [[1]]
    gone = {"sql": "DELETE FROM shops WHERE city = $1", "parameters": [city]}
    rehearsed = structured(client.call("execute_dml", {**gone, "dry_run": True}))
    assert rehearsed["changes"] == [
        {"table": "public.shops", "inserted": 0, "updated": 0, "deleted": 1}
    ]
    assert structured(client.call("execute_query", count))["rows"] == [[1]]
    structured(client.call("execute_dml", gone))
    assert structured(client.call("execute_query", count))["rows"] == [[0]]


def test_it_changes_no_row_that_is_not_meant_and_nothing_of_the_servers_own(client):
    for sql, sentence in (
        ("DELETE FROM shops", "changes every row"),
        ("INSERT INTO shops SELECT * FROM shops WHERE shop_id = 1", "shops_pkey"),
        ("TRUNCATE shops", "only one INSERT, UPDATE, DELETE or MERGE"),
        ("INSERT INTO shops (name) VALUES (pg_read_file('/etc/passwd'))", "pg_read_file"),
        ("UPDATE pg_class SET relname = 'x' WHERE relname = 'shops'", "pg_class"),
    ):
        said = failure(client.call("execute_dml", {"sql": sql}))
        assert sentence in said, said
    counted = structured(client.call("execute_query", {"sql": "SELECT count(*) FROM shops"}))
    assert counted["rows"] == [[12]]


def test_it_makes_a_table_that_queries_can_read(client):
    name = f"visits of {client.sdk.label}"
    visits = {
        "table": name,
        "columns": [
            {"name": "id", "type": "bigint", "identity": True},
            {"name": "shop", "type": "integer", "not_null": True},
            {"name": "guests", "type": "smallint", "default": "1"},
            {"name": "at", "type": "timestamptz", "default": "now()"},
        ],
        "primary_key": ["id"],
        "checks": ["guests > 0"],
        "foreign_keys": [{"columns": ["shop"], "table": "shops"}],
        "if_not_exists": True,
    }
    rehearsed = structured(client.call("create_table", {**visits, "dry_run": True}))
    assert rehearsed["created"] is False
    assert structured(client.call("create_table", visits))["created"] is True
    assert structured(client.call("create_table", visits))["created"] is False
    insert = {"sql": f'INSERT INTO "{name}" (shop) VALUES (1) RETURNING guests'}
    assert structured(client.call("execute_dml", insert))["rows"] == [[1]]
    counted = structured(client.call("execute_query", {"sql": f'SELECT count(*) FROM "{name}"'}))
    assert counted["rows"] == [[1]]
    shops = structured(client.call("get_table_schema", {"table": "shops"}))
    assert f"public.{name}" in {reference["table"] for reference in shops["referenced_by"]}
    attack = {"name": "a", "type": "text", "default": "pg_read_file('/etc/passwd')"}
    said = failure(client.call("create_table", {"table": "made", "columns": [attack]}))
    assert "pg_read_file" in said, said


def test_it_finds_tables_by_name_and_kind_and_shows_the_query_of_a_view(client):
    found = structured(client.call("list_tables", {"name": "REVENUE", "kind": "view"}))
    assert [table["name"] for table in found["tables"]] == ["revenue_by_month"]
    view = structured(client.call("get_table_schema", {"table": "revenue_by_month"}))
    assert "count(DISTINCT" in view["definition"]


def test_it_gives_rows_in_the_form_and_the_time_that_a_caller_asks_for(client):
    sql = "SELECT shop_id, city FROM shops ORDER BY shop_id LIMIT 2"
    as_csv = structured(client.call("execute_query", {"sql": sql, "format": "csv"}))
    assert as_csv["data"].splitlines() == ["shop_id,city", "1,Lisbon", "2,Vienna"]
    as_arrow = structured(client.call("execute_query", {"sql": sql, "format": "arrow"}))
    assert as_arrow["row_count"] == 2
    assert base64.b64decode(as_arrow["data"]).startswith(b"\xff\xff\xff\xff")
    slow = {"sql": "SELECT pg_sleep(60)", "timeout": 1}
    assert "57014" in failure(client.call("execute_query", slow))


def test_it_answers_the_sqlstate_of_a_failure(client):
    assert "42P01" in str(client.call("execute_query", {"sql": "SELECT * FROM nowhere"}))


def test_it_describes_the_demo_tables(client):
    tables = structured(client.call("list_tables", {}))["tables"]
    assert {"shops", "customers", "products", "orders"} <= {table["name"] for table in tables}
    columns = structured(client.call("get_table_schema", {"table": "shops"}))["columns"]
    assert [column["name"] for column in columns] == ["shop_id", "name", "city", "opened_on"]


def test_it_refuses_arguments_before_the_server_sees_them(client):
    outcome = client.call("execute_query", {"sql": "", "colour": "blue"})
    assert "do not fit its schema" in failure(outcome)
