//! `create_table`: what it makes, what it refuses, and what stays as it was.

use serde_json::{Value, json};

use crate::attacks::VICTIM;
use crate::change_attacks;
use crate::changes::{all_rows, ordinary_server, writing_server};
use crate::database::{Database, run};
use crate::read_only::check_unchanged;
use crate::server::Server;
use crate::table_attacks::{READ_BY_A_CHECK, TABLES, attacks};

async fn victim() -> Database {
    let database = Database::with(VICTIM).await;
    let mut connection = database.connection().await;
    run(&mut connection, change_attacks::TABLES).await;
    run(&mut connection, TABLES).await;
    database
}

/// Sends every attack; each is refused by the judge or by PostgreSQL, and changes nothing.
async fn check_attacks(database: &Database, server: Server) {
    let client = server.client();
    let before = all_rows(database).await;
    let mut let_through = Vec::new();
    for attack in attacks() {
        let answer = client.call("create_table", attack.clone()).await;
        // Some do not even fit the schema of the arguments.
        let result = &answer.body["result"];
        if result["isError"] == json!(false) {
            let_through.push(attack);
        }
        let text = answer.body.to_string();
        assert!(!text.contains("root:x:0:0"), "{text}");
    }
    check_unchanged(&before, &all_rows(database).await);
    assert!(let_through.is_empty(), "{let_through:#?}");
    drop(server);
    assert_eq!(database.calls_of_functions().await, Vec::<String>::new());
}

#[tokio::test]
async fn it_makes_no_table_that_an_attack_describes_as_a_superuser() {
    let database = victim().await;
    let server = writing_server(&database, &[]).await;
    check_attacks(&database, server).await;
}

#[tokio::test]
async fn it_makes_no_table_that_an_attack_describes_as_an_ordinary_role() {
    let database = victim().await;
    let server = ordinary_server(&database).await;
    check_attacks(&database, server).await;
}

#[tokio::test]
async fn it_writes_nothing_while_the_literal_of_a_default_is_read() {
    let database = victim().await;
    let server = writing_server(&database, &[]).await;
    let before = all_rows(&database).await;
    let columns = json!([{"name": "a", "type": "text", "default": READ_BY_A_CHECK}]);
    let arguments = json!({"table": "made", "columns": columns});
    let refused = server.client().call("create_table", arguments).await;
    assert_eq!(refused.failure().0, "25006");
    check_unchanged(&before, &all_rows(&database).await);
}

/// Expressions that people give columns as defaults, each with the type of its column.
const DEFAULTS: &[(&str, &str)] = &[
    ("int", "0"),
    ("int", "-1 + 2 * (3 - 1)"),
    ("text", "'it''s; DROP TABLE x -- not'"),
    ("text", "$$a, b) c]$$"),
    ("text", "E'tab\\t' || 'x' -- a comment"),
    ("text", "lower('ABC') || current_user"),
    ("text", "NULL"),
    ("timestamptz", "now()"),
    ("timestamptz", "clock_timestamp() + interval '1 day'"),
    ("date", "current_date"),
    ("date", "'2024-01-31'"),
    ("uuid", "gen_random_uuid()"),
    ("jsonb", "'{\"a\": [1, 2]}'"),
    ("jsonb", "jsonb_build_object('a', 1)"),
    ("text[]", "'{}'"),
    ("text[]", "ARRAY['a', 'b]']"),
    ("int[]", "ARRAY[[1, 2], [3, 4]]"),
    ("numeric(12, 2)", "round(1.005, 2)"),
    ("boolean", "true"),
    ("mood", "'calm'"),
    ("share", "50"),
    ("double precision", "random()"),
    ("interval day to second (3)", "'1 day'"),
    ("timestamp (3) with time zone", "date_trunc('day', now())"),
    (
        "character varying(10)",
        "CASE WHEN 1 < 2 THEN 'x' ELSE 'y' END",
    ),
    ("int4range", "int4range(1, 5)"),
    ("bytea", "decode('00ff', 'hex')"),
    ("numeric", "half(10)"),
];

const OBJECTS: &str = "
CREATE TYPE mood AS ENUM ('calm', 'busy');
CREATE DOMAIN share AS numeric CHECK (VALUE BETWEEN 0 AND 100);
CREATE FUNCTION half(n numeric) RETURNS numeric LANGUAGE sql IMMUTABLE RETURN n / 2;
CREATE TABLE shops (id int PRIMARY KEY, city text, UNIQUE (id, city));
";

#[tokio::test]
async fn it_makes_columns_with_the_types_and_defaults_that_people_give() {
    let database = Database::with(OBJECTS).await;
    let server = writing_server(&database, &[]).await;
    let client = server.client();
    let columns: Vec<Value> = DEFAULTS
        .iter()
        .enumerate()
        .map(|(at, (type_name, default))| {
            json!({"name": format!("c{at}"), "type": type_name, "default": default})
        })
        .collect();
    let arguments = json!({"table": "made", "columns": columns});
    let made = client.call("create_table", arguments).await;
    assert_eq!(made.structured()["created"], json!(true));
    let row = json!({"sql": "INSERT INTO made DEFAULT VALUES RETURNING *"});
    let row = client.call("execute_dml", row).await;
    let values = row.structured()["rows"][0]
        .as_array()
        .expect("a row")
        .clone();
    assert_eq!(values.len(), DEFAULTS.len());
    assert_eq!(values[2], json!("it's; DROP TABLE x -- not"));
    assert_eq!(values[15], json!(["a", "b]"]));
}

#[tokio::test]
async fn it_makes_keys_checks_and_references_under_any_name() {
    let database = Database::with(OBJECTS).await;
    let server = writing_server(&database, &[]).await;
    let client = server.client();
    let name = "odd \"name; DROP TABLE shops";
    let arguments = json!({
        "table": name,
        "columns": [
            {"name": "id", "type": "bigint", "identity": true},
            {"name": "select", "type": "text", "not_null": true},
            {"name": "shop", "type": "int"},
            {"name": "price", "type": "numeric(8,2)", "default": "1"},
        ],
        "primary_key": ["id"],
        "unique": [["shop", "select"]],
        "checks": ["price > 0", "length(\"select\") BETWEEN 1 AND 10 -- letters"],
        "foreign_keys": [{"columns": ["shop"], "table": "shops", "on_delete": "cascade"}],
    });
    let mut rehearsal = arguments.clone();
    rehearsal["dry_run"] = json!(true);
    let rehearsed = client.call("create_table", rehearsal).await;
    assert_eq!(rehearsed.structured()["created"], json!(false));
    let made = client.call("create_table", arguments.clone()).await;
    assert_eq!(made.structured()["created"], json!(true), "{made:?}");
    let again = client.call("create_table", arguments.clone()).await;
    assert_eq!(again.failure().0, "42P07");
    assert!(again.texts()[0].contains("`if_not_exists`"), "{again:?}");
    let mut unless = arguments;
    unless["if_not_exists"] = json!(true);
    let unless = client.call("create_table", unless).await;
    assert_eq!(unless.structured()["created"], json!(false));

    let described = client
        .call("get_table_schema", json!({"table": name}))
        .await;
    let described = described.structured();
    assert_eq!(described["primary_key"], json!(["id"]));
    assert_eq!(described["unique"][0]["columns"], json!(["shop", "select"]));
    assert_eq!(
        described["foreign_keys"][0]["references"],
        json!("public.shops")
    );
    assert_eq!(described["checks"].as_array().map(Vec::len), Some(2));
    for (price, code) in [("0", "23514"), ("2", "23503")] {
        let sql = format!(
            "INSERT INTO \"odd \"\"name; DROP TABLE shops\" (\"select\", shop, price) \
             VALUES ('x', 9, {price})"
        );
        let refused = client.call("execute_dml", json!({"sql": sql})).await;
        assert_eq!(refused.failure().0, code);
    }
}

#[tokio::test]
async fn it_says_what_is_wrong_with_a_table_that_it_does_not_make() {
    let database = Database::with(OBJECTS).await;
    let server = writing_server(&database, &[]).await;
    let client = server.client();
    let column = |column: Value| json!({"table": "made", "columns": [column]});
    for (arguments, code, sentence) in [
        (
            column(json!({"name": "a", "type": "bigserial"})),
            "42704",
            "the column `a` has the type `bigserial`",
        ),
        (
            column(json!({"name": "a", "type": "numeric("})),
            "42704",
            "the column `a` has the type `numeric(`",
        ),
        (
            json!({"table": "made", "columns": [{"name": "a", "type": "int"}],
                "primary_key": ["b"]}),
            "invalid_arguments",
            "a key names the column `b`, and the table has `a`",
        ),
        (
            column(json!({"name": "a", "type": "int", "default": "'x'"})),
            "22P02",
            "the default of `a`",
        ),
        (
            column(json!({"name": "a", "type": "int", "default": "b + 1"})),
            "42703",
            "column \"b\" does not exist",
        ),
        (
            column(json!({"name": "a", "type": "int", "default": "1, 2"})),
            "42846",
            "the default of `a`",
        ),
        (
            json!({"table": "made", "columns": [{"name": "a", "type": "int"}],
                "checks": ["a > 0)"]}),
            "42601",
            "the check `a > 0)`",
        ),
        (
            json!({"schema": "absent", "table": "made", "columns": [{"name": "a", "type": "int"}]}),
            "3F000",
            "schema \"absent\" does not exist",
        ),
        (
            json!({"schema": "portcullis", "table": "made",
                "columns": [{"name": "a", "type": "int"}]}),
            "42501",
            "belongs to PostgreSQL or to this server",
        ),
    ] {
        let answer = client.call("create_table", arguments.clone()).await;
        let (found, message) = answer.failure();
        assert!(
            found == code && message.contains(sentence),
            "{arguments}: {found} {message}"
        );
    }
    let reading = Server::on(&database, &[]).await;
    let arguments = column(json!({"name": "a", "type": "int"}));
    let answer = reading.client().call("create_table", arguments).await;
    assert_eq!(answer.failure().0, "25006");
}

#[tokio::test]
async fn it_fires_event_triggers_only_when_the_operator_allows_them() {
    let database = Database::with(
        "CREATE FUNCTION told() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('CREATE TABLE')
         EXECUTE FUNCTION told();
         CREATE EVENT TRIGGER other ON ddl_command_end WHEN TAG IN ('CREATE VIEW')
         EXECUTE FUNCTION told()",
    )
    .await;
    let arguments = json!({"table": "made", "columns": [{"name": "a", "type": "int"}]});
    let strict = writing_server(&database, &[]).await;
    let refused = strict
        .client()
        .call("create_table", arguments.clone())
        .await;
    let (code, message) = refused.failure();
    assert!(
        code == "42501" && message.contains("`watch`") && message.contains("`public.told()`"),
        "{message}"
    );
    let allowing = ["--postgres-allowed-functions=public.told()"];
    let told = writing_server(&database, &allowing).await;
    let made = told.client().call("create_table", arguments).await;
    assert_eq!(made.structured()["created"], json!(true));
}
