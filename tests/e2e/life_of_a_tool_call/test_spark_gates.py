"""Plain queries where Spark has no check of its own, and writes where the operator allows them."""

import json
from collections.abc import Iterator

import pytest
from writing_server import finish, writing

from outcomes import failure, structured
from own_spark import EXTENSION, DataServer, SparkConnect
from polling import until
from sdk_client import Sdk, SdkClient

AS_WRITTEN = ("${env:SPARK_HOME}", "${system:user.dir}", "${spark.app.id}")
"""Texts that Spark would fill in with what it knows of its server, before it reads them."""

HIDDEN = (
    ("-- \\\n'\nDROP TABLE made", "drop table: `made`"),
    ("/* /* */ ' */ DROP TABLE made", "drop table: `made`"),
    (
        "WITH a AS (SELECT /*+ BROADCAST('*/') */ 1 AS a) FROM a INSERT OVERWRITE TABLE made "
        "SELECT a",
        "insert into statement that replaces or removes: `made`",
    ),
    ("ALTER VIEW seen AS SELECT 3 AS a", "alter view as: `seen`"),
    (
        "INSERT INTO made REPLACE ON a = 1 SELECT 1 AS a",
        "insert into statement that replaces or removes: `made`",
    ),
    ("CREATE OR REPLACE VIEW seen AS SELECT 1 AS a", "that replaces or removes: `seen`"),
    ("MSCK REPAIR TABLE made SYNC PARTITIONS", "repair table that replaces or removes: `made`"),
    ("EXECUTE IMMEDIATE 'DROP TABLE made'", "execute immediate 'DROP TABLE made'"),
    ("BEGIN SELECT 1; DROP TABLE made; END", "drop table: `made`"),
    ("DROP TABLE IDENTIFIER('ma' || 'de')", "'ma'"),
    # The words of a comment are not shown, nor anything that is not seen.
    (f"DROP TABLE /* scratch, {' ' * 3000} */ made", "drop table: `made`"),
    ("DROP TABLE `ma\u202ede`", "drop table: `ma\\u{202E}de`"),
    ("DELETE FROM made /* but one */ WHERE a = 1", "delete from table: `made` where (a = 1)"),
    ("DELETE FROM made -- WHERE a = 1", "delete from table: `made`, every row"),
)
"""Statements that destroy, and what whoever is asked reads of them."""


@pytest.fixture
def spark(request, installation, tmp_path) -> Iterator[SparkConnect]:
    running = SparkConnect(installation, tmp_path, *request.param)
    yield running
    running.process.stop()


@pytest.mark.parametrize("spark", [()], indirect=True, ids=["unchecked"])
def test_it_takes_plain_queries_alone_where_spark_has_no_check(installation, tmp_path, spark):
    server = DataServer(installation, tmp_path, spark)
    assert "no check that statements only read" in server.health()["detail"]
    for sql, rows in (
        ("SELECT 1 AS a, 'b' AS c", [[1, "b"]]),
        ("SELECT count(*) FROM range(10) WHERE id > 4", [[5]]),
        ("SHOW TABLES", []),
        *((f"SELECT '{text}'", [[text]]) for text in AS_WRITTEN),
    ):
        assert server.run(sql)["rows"] == rows, sql
    for sql in (
        "CREATE TABLE made USING parquet AS SELECT 1 AS a",
        "CREATE TEMPORARY VIEW made AS SELECT 1 AS a",
        "SELECT reflect('java.lang.System', 'lineSeparator')",
        "SELECT java_method('java.lang.Math', 'abs', -1)",
        "SELECT * FROM text.`/etc/passwd`",
        "SELECT TRANSFORM (id) USING 'cat' AS (x) FROM range(1)",
        "WITH a AS (SELECT 1) INSERT OVERWRITE DIRECTORY '/tmp/made' USING csv SELECT 1",
        "SELECT /* a */ 1",
        'SELECT "a"',
        "EXECUTE IMMEDIATE 'SELECT 1'",
        "BEGIN SELECT 1; END",
        "SET spark.portcullis.access=write",
    ):
        assert server.run(sql)["error"]["code"] == "read_only", sql
    assert server.run("SHOW TABLES")["rows"] == []
    assert not (tmp_path / "warehouse/made").exists()


@pytest.mark.parametrize(
    "spark", [(f"spark.sql.extensions={EXTENSION}",)], indirect=True, ids=["checked"]
)
def test_it_writes_where_the_operator_lets_it_and_there_alone(installation, tmp_path, spark):
    reader = DataServer(installation, tmp_path, spark)
    for text in AS_WRITTEN:
        assert reader.run(f"SELECT '{text}'")["rows"] == [[text]]
    # Where Spark reads the text, its own words for what is wrong there tell nothing either.
    assert "/" not in json.dumps(reader.run("SELECT ${env:SPARK_HOME}"))
    writer = DataServer(installation, tmp_path, spark, "--tools=all", "--spark-allow-writes")
    assert "statements only read, by Spark's own verdict" in reader.health()["detail"]
    assert "statements may write" in writer.health()["detail"]
    assert reader.tool()["annotations"]["readOnlyHint"] is True
    assert writer.tool()["annotations"]["readOnlyHint"] is False
    assert writer.tool()["annotations"]["destructiveHint"] is True

    create = "CREATE TABLE made USING parquet AS SELECT 1 AS a"
    assert reader.run(create)["error"]["code"] == "read_only"
    assert "error" not in writer.run(create)
    assert "error" not in writer.run("INSERT INTO made VALUES (2)")
    assert reader.run("SELECT sum(a) FROM made")["rows"] == [[3]]
    for sql in ("DROP TABLE made", "INSERT INTO made VALUES (3)", "TRUNCATE TABLE made"):
        assert reader.run(sql)["error"]["code"] == "read_only", sql
    assert writer.run("SELECT sum(a) FROM made")["rows"] == [[3]]

    # What lasts as long as a session would be gone before the next call, which has none.
    for sql in ("CREATE TEMPORARY VIEW mine AS SELECT 1 AS a", "USE default", "SET a.b = 1"):
        assert writer.run(sql)["error"]["code"] == "needs_session", sql

    # A script gives the rows of its last statement.
    assert writer.run("BEGIN SELECT 1; SELECT 2; END")["rows"] == [[2]]
    # What destroys is run when that is meant, and by Spark's own verdict nothing else is asked for.
    for sql in ("DROP TABLE made", "INSERT OVERWRITE made SELECT 7", "TRUNCATE TABLE made"):
        asked = writer.run(sql)["error"]
        assert asked["code"] == "not_confirmed", sql
        assert "made" in asked["message"], sql
        assert "`confirm: true`" in asked["hint"], sql
    assert "error" not in writer.run("CREATE VIEW seen AS SELECT 1 AS a")
    wrong = [
        (sql, shown, answer)
        for sql, shown in HIDDEN
        for answer in [writer.run(sql).get("error", {})]
        if answer.get("code") != "not_confirmed" or shown not in answer["message"]
    ]
    assert wrong == []
    assert "error" not in writer.run("DROP VIEW seen", confirm=True)
    for sql in (
        "INSERT INTO made SELECT cast(replace('4', 'b', 'c') AS int)",
        "EXPLAIN DROP TABLE made",
        "SELECT a AS update FROM made",
    ):
        assert "error" not in writer.run(sql), sql
    assert writer.run("SELECT sum(a) FROM made")["rows"] == [[7]]
    # No text becomes another one before Spark reads it, whatever a session sets.
    for sql in (
        "SET spark.sql.variable.substitute=true",
        "SET `spark.sql.variable.substitute` = true",
        "RESET spark.sql.variable.substitute",
        "BEGIN SET spark.sql.variable.substitute=true; END",
    ):
        assert "error" in writer.run(sql, confirm=True), sql
    assert writer.run("SELECT sum(a) FROM made")["rows"] == [[7]]
    assert "error" not in writer.run("DROP TABLE made", confirm=True)
    assert reader.run("SELECT * FROM made")["error"]["code"] == "TABLE_OR_VIEW_NOT_FOUND"


@pytest.mark.parametrize("spark", [()], indirect=True, ids=["unchecked"])
def test_it_takes_rows_from_what_nobody_could_judge_once_that_is_meant(
    installation, stack, tmp_path, spark
):
    remote = f"sc://127.0.0.1:{spark.port}"
    query = "SELECT hash(id) AS n FROM range(3) /* of every id */"
    with writing(installation, stack, tmp_path, SPARK_REMOTE=remote) as tools:
        plain = {"sql": "SELECT 1 AS n"}
        until("Spark answers", lambda: tools.outcome("execute_spark_sql", plain)[0], 240, pause=0.5)
        load = {"sql": query, "table": "of_unjudged", "mode": "create"}
        absent = {"table": "of_unjudged"}
        asked = tools.call("bulk_load_from_spark", load)["error"]
        assert asked["code"] == "not_confirmed" and query in asked["message"], asked
        assert tools.call("get_table_schema", absent)["error"]["code"] == "not_found"
        assert tools.done("bulk_load_from_spark", {**load, "confirm": True})["rows"] == 3

        # A client's user is asked once, about everything that a yes is a yes to.
        url = f"http://127.0.0.1:{tools.port}/mcp"
        overwrite = {**load, "mode": "overwrite"}
        sdk = Sdk("python", "modern")
        with SdkClient(sdk, url, installation.home, user_says="decline") as client:
            said = failure(client.call("bulk_load_from_spark", overwrite))
            assert "of_unjudged" in said and query in said, said
        with SdkClient(sdk, url, installation.home, user_says="accept") as client:
            assert structured(client.call("bulk_load_from_spark", overwrite))["rows"] == 3
        assert tools.rows("SELECT count(*) FROM of_unjudged") == [[3]]

        # Within brackets nothing but a query is one, whatever is meant.
        made = {"sql": "CREATE TABLE stays USING parquet AS SELECT 1 AS n", "confirm": True}
        tools.done("execute_spark_sql", made)
        dropping = {**load, "sql": "DROP TABLE stays", "mode": "append", "confirm": True}
        assert tools.call("bulk_load_from_spark", dropping)["error"]["code"] != "not_confirmed"
        into = {"type": "postgres", "table": "of_unjudged"}

        def stages(sql: str) -> list[dict]:
            source = {"type": "spark_sql", "sql": sql}
            return [{"name": "s", "source": source, "destination": into}]

        pipeline = {"name": "unjudged", "stages": stages(query)}
        asked = tools.call("create_etl_pipeline", pipeline)["error"]
        assert asked["code"] == "not_confirmed" and query in asked["message"], asked
        assert finish(tools, stages(query))["status"] == "succeeded"
        assert tools.rows("SELECT count(*) FROM of_unjudged") == [[6]]
        assert finish(tools, stages("DROP TABLE stays"))["status"] == "failed"
        assert tools.done("execute_spark_sql", {"sql": "SELECT n FROM stays"})["rows"] == [[1]]
