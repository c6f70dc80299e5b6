"""Spark SQL through the gateway, on a real Spark, by clients that others wrote."""

from outcomes import failure, structured


def test_execute_spark_sql_answers_rows(client):
    result = structured(
        client.call("execute_spark_sql", {"sql": "SELECT sum(id) AS total, 'é' AS said FROM range(1000)"})
    )
    assert result["rows"] == [[499500, "é"]]
    assert [column["name"] for column in result["columns"]] == ["total", "said"]
    assert (result["row_count"], result["truncated"]) == (1, False)


def test_execute_spark_sql_binds_its_parameters(client):
    by_name = {"sql": "SELECT :a + 1 AS b, :c AS d", "parameters": {"a": 41, "c": "'; DROP TABLE x"}}
    assert structured(client.call("execute_spark_sql", by_name))["rows"] == [[42, "'; DROP TABLE x"]]
    in_order = {"sql": "SELECT ? AS a, ? AS b", "parameters": [1, "two"]}
    assert structured(client.call("execute_spark_sql", in_order))["rows"] == [[1, "two"]]


def test_execute_spark_sql_writes_csv(client):
    wanted = {"sql": "SELECT id, 'a,b' AS text FROM range(2) ORDER BY id", "format": "csv"}
    lines = structured(client.call("execute_spark_sql", wanted))["data"].splitlines()
    assert lines == ["id,text", '0,"a,b"', '1,"a,b"']


def test_execute_spark_sql_answers_sparks_error_class(client):
    failed = client.call("execute_spark_sql", {"sql": "SELECT * FROM nowhere"})
    assert "TABLE_OR_VIEW_NOT_FOUND" in str(failed) and failure(failed)


def test_the_gateway_refuses_a_format_that_spark_sql_does_not_have(client):
    refused = client.call("execute_spark_sql", {"sql": "SELECT 1", "format": "xml"})
    assert "do not fit its schema: /format" in failure(refused)
