//! Values reach the client without loss, whatever their type.

use serde_json::{Value, json};

use crate::database::Database;
use crate::server::Server;

const TYPES: &str = "
CREATE TYPE mood AS ENUM ('calm', 'tense');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE pair AS (a int, b text);
";

#[tokio::test]
async fn it_keeps_every_value() {
    let database = Database::with(TYPES).await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();
    let check = async |sql: &str, type_name: &str, expected: Value| {
        let answer = client.query(&format!("SELECT {sql} AS v"), json!([])).await;
        let structured = answer.structured();
        assert_eq!(
            structured["columns"],
            json!([{"name": "v", "type": type_name}]),
            "{sql}"
        );
        assert_eq!(structured["rows"], json!([[expected]]), "{sql}");
    };
    check("true", "boolean", json!(true)).await;
    check("NULL::bool", "boolean", Value::Null).await;
    check("1::int2", "smallint", json!(1)).await;
    check("(-2147483648)::int4", "integer", json!(-2_147_483_648_i64)).await;
    check(
        "9007199254740992::int8",
        "bigint",
        json!(9_007_199_254_740_992_i64),
    )
    .await;
    check(
        "9007199254740993::int8",
        "bigint",
        json!("9007199254740993"),
    )
    .await;
    check(
        "9223372036854775807::int8",
        "bigint",
        json!("9223372036854775807"),
    )
    .await;
    check("0.1::float4", "real", json!(0.1)).await;
    check(
        "0.1::float8 + 0.2::float8",
        "double precision",
        json!(0.1 + 0.2),
    )
    .await;
    check("'NaN'::float8", "double precision", json!("NaN")).await;
    check(
        "'-Infinity'::float8",
        "double precision",
        json!("-Infinity"),
    )
    .await;
    check("1.10", "numeric", json!("1.10")).await;
    check(
        "123456789012345678901234567890.123456789",
        "numeric",
        json!("123456789012345678901234567890.123456789"),
    )
    .await;
    check("'NaN'::numeric", "numeric", json!("NaN")).await;
    check("'a'::text", "text", json!("a")).await;
    check("''", "text", json!("")).await;
    check(
        "E'é\\n\\u4e2d\\U0001F600\\t\"'",
        "text",
        json!("é\n中😀\t\""),
    )
    .await;
    check("'ab'::char(5)", "character", json!("ab   ")).await;
    check("'ab'::varchar(5)", "character varying", json!("ab")).await;
    check("'\\xdeadbeef'::bytea", "bytea", json!("\\xdeadbeef")).await;
    check("date '2024-02-29'", "date", json!("2024-02-29")).await;
    check(
        "time '12:30:00.25'",
        "time without time zone",
        json!("12:30:00.25"),
    )
    .await;
    check(
        "timestamp '2024-02-29 12:30:00.123456'",
        "timestamp without time zone",
        json!("2024-02-29T12:30:00.123456"),
    )
    .await;
    check(
        "timestamptz '2024-02-29 12:30:00+05'",
        "timestamp with time zone",
        json!("2024-02-29T07:30:00+00:00"),
    )
    .await;
    check(
        "timestamptz 'infinity'",
        "timestamp with time zone",
        json!("infinity"),
    )
    .await;
    check(
        "interval '1 day 02:03:04.5'",
        "interval",
        json!("P1DT2H3M4.5S"),
    )
    .await;
    check(
        "'6f1c1c0e-7b7e-4e0e-9c56-0d2d5a1f0a11'::uuid",
        "uuid",
        json!("6f1c1c0e-7b7e-4e0e-9c56-0d2d5a1f0a11"),
    )
    .await;
    check(
        "'{\"a\": [1, 2.5, null]}'::jsonb",
        "jsonb",
        json!({"a": [1, 2.5, null]}),
    )
    .await;
    check(
        "'12345678901234567890.5'::jsonb",
        "jsonb",
        json!("12345678901234567890.5"),
    )
    .await;
    check("'null'::json", "json", Value::Null).await;
    check("'[0.1, 1e2]'::json", "json", json!([0.1, 100.0])).await;
    check("ARRAY[1, NULL, 3]", "integer[]", json!([1, null, 3])).await;
    check(
        "ARRAY[[1, 2], [3, 4]]::int8[]",
        "bigint[]",
        json!([[1, 2], [3, 4]]),
    )
    .await;
    check(
        "ARRAY['a,b', 'c\"d', NULL, 'NULL', '']",
        "text[]",
        json!(["a,b", "c\"d", null, "NULL", ""]),
    )
    .await;
    check(
        "ARRAY[timestamptz '2024-01-01 00:00+00']",
        "timestamp with time zone[]",
        json!(["2024-01-01T00:00:00+00:00"]),
    )
    .await;
    check("ARRAY['{\"a\":1}'::jsonb]", "jsonb[]", json!([{"a": 1}])).await;
    check("ARRAY[1.10, 2]", "numeric[]", json!(["1.10", "2"])).await;
    check("'{}'::text[]", "text[]", json!([])).await;
    check("'[0:1]={7,8}'::int[]", "integer[]", json!("[0:1]={7,8}")).await;
    check("'tense'::mood", "mood", json!("tense")).await;
    check("ARRAY['calm']::mood[]", "mood[]", json!(["calm"])).await;
    check("5::positive", "integer", json!(5)).await;
    check("ARRAY[5]::positive[]", "positive[]", json!([5])).await;
    check("ROW(1, 'x y')::pair", "pair", json!("(1,\"x y\")")).await;
    check("int4range(1, 5)", "int4range", json!("[1,5)")).await;
    check("'192.168.0.1'::inet", "inet", json!("192.168.0.1")).await;
    check("'192.168.0.0/24'::cidr", "cidr", json!("192.168.0.0/24")).await;
    check("B'1010'", "bit", json!("1010")).await;
    check("'12.50'::money", "money", json!("$12.50")).await;
    check("'(1,2)'::point", "point", json!("(1,2)")).await;
    check("'<a>b</a>'::xml", "xml", json!("<a>b</a>")).await;
    check(
        "to_tsvector('simple', 'a b')",
        "tsvector",
        json!("'a':1 'b':2"),
    )
    .await;
    check("'pg_class'::regclass", "regclass", json!("pg_class")).await;
}

#[tokio::test]
async fn it_keeps_the_shape_of_a_result() {
    let database =
        Database::with("CREATE TABLE t (n int); INSERT INTO t SELECT generate_series(1, 200)")
            .await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();

    let ordered = client
        .query("SELECT n FROM t ORDER BY n DESC", json!([]))
        .await;
    let expected: Vec<Value> = (1..=200).rev().map(|n| json!([n])).collect();
    assert_eq!(ordered.structured()["rows"], json!(expected));

    let same_names = client.query("SELECT 1 AS a, 'x' AS a, 2", json!([])).await;
    let names = json!([{"name": "a", "type": "integer"}, {"name": "a", "type": "text"},
        {"name": "?column?", "type": "integer"}]);
    assert_eq!(same_names.structured()["columns"], names);
    assert_eq!(same_names.structured()["rows"], json!([[1, "x", 2]]));

    let no_columns = client.query("SELECT FROM t LIMIT 3", json!([])).await;
    assert_eq!(no_columns.structured()["columns"], json!([]));
    assert_eq!(no_columns.structured()["rows"], json!([[], [], []]));

    let no_rows = client
        .query("SELECT n, n::text AS s FROM t WHERE n < 0", json!([]))
        .await;
    assert_eq!(
        no_rows.structured()["columns"],
        json!([{"name": "n", "type": "integer"}, {"name": "s", "type": "text"}])
    );
    assert_eq!(no_rows.structured()["rows"], json!([]));
    assert_eq!(no_rows.structured()["row_count"], json!(0));

    for sql in [
        "SELECT 1;",
        "SELECT 1 -- the end",
        "SELECT 1 /* the end */ ; ",
        "  \n SELECT 1\n;\n",
        "VALUES (1)",
        "(SELECT 1)",
    ] {
        assert_eq!(
            client.query(sql, json!([])).await.structured()["rows"],
            json!([[1]]),
            "{sql}"
        );
    }
}

#[tokio::test]
async fn it_notices_that_a_table_has_changed() {
    let database = Database::with("CREATE TABLE t (a int); INSERT INTO t VALUES (1)").await;
    let server = Server::on(&database, &["--postgres-connections=1"]).await;
    let client = server.client();
    let sql = "SELECT * FROM t WHERE a::text = $1";
    assert_eq!(
        client.query(sql, json!(["1"])).await.structured()["rows"],
        json!([[1]])
    );
    assert_eq!(
        client.query(sql, json!(["2"])).await.structured()["columns"],
        json!([{"name": "a", "type": "integer"}])
    );
    crate::database::run(
        &mut database.connection().await,
        "ALTER TABLE t ALTER a TYPE text, ADD b date DEFAULT '2024-01-01'",
    )
    .await;
    assert_eq!(
        client.query(sql, json!(["1"])).await.structured()["rows"],
        json!([["1", "2024-01-01"]])
    );
    let columns = json!([{"name": "a", "type": "text"}, {"name": "b", "type": "date"}]);
    assert_eq!(
        client.query(sql, json!(["2"])).await.structured()["columns"],
        columns
    );
    crate::database::run(
        &mut database.connection().await,
        "DROP TABLE t; CREATE TABLE t (a bool); INSERT INTO t VALUES (true)",
    )
    .await;
    assert_eq!(
        client.query(sql, json!(["true"])).await.structured()["rows"],
        json!([[true]])
    );
}
