//! Completion of the names of databases, schemas, tables and jobs.

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::database::Database;
use crate::server::Server;

const SHOP: &str = "
    CREATE TABLE orders (id int); CREATE TABLE order_lines (id int); CREATE TABLE shops (id int);
    CREATE SCHEMA stock; CREATE SCHEMA sales; CREATE TABLE stock.items (sku text)";

async fn complete(client: &Client, of: Value, name: &str, value: &str) -> Answer {
    let argument = json!({"name": name, "value": value});
    let params = json!({"ref": of, "argument": argument});
    client.request("completion/complete", params).await
}

fn resource(template: &str) -> Value {
    json!({"type": "ref/resource", "uri": template})
}

fn prompt(name: &str) -> Value {
    json!({"type": "ref/prompt", "name": name})
}

#[tokio::test]
async fn it_completes_names_in_uris_and_prompts() {
    let server = Server::on(&Database::with(SHOP).await, &[]).await;
    let table = || resource("postgres://tables/{table_name}/data");
    let of_database = || resource("postgres://{database}/tables/{table_name}/data");
    for client in [
        server.client(),
        Client::legacy(&server.address, "2025-06-18").await,
    ] {
        for (of, name, value, expected) in [
            (
                table(),
                "table_name",
                "order",
                &["order_lines", "orders"][..],
            ),
            (table(), "table_name", "stock.", &["stock.items"]),
            (table(), "table_name", "ORDER%", &[]),
            (
                resource("postgres://schema/{schema_name}"),
                "schema_name",
                "s",
                &["sales", "stock"],
            ),
            (of_database(), "database", "", &["default"]),
            (prompt("data_pipeline_template"), "source", "sh", &["shops"]),
            (prompt("sql_best_practices"), "database", "d", &["default"]),
            (prompt("sql_best_practices"), "sql", "select", &[]),
        ] {
            let answer = complete(&client, of, name, value).await;
            let completion = &answer.result()["completion"];
            assert_eq!(completion["values"], json!(expected), "{name} {value}");
            assert_eq!(completion["hasMore"], json!(false));
        }
    }
}

#[tokio::test]
async fn it_gives_a_hundred_names_and_says_that_there_are_more() {
    let database = Database::with(
        "DO $$ BEGIN FOR n IN 1..120 LOOP EXECUTE format('CREATE TABLE t%s (x int)', n); \
         END LOOP; END $$",
    )
    .await;
    let server = Server::on(&database, &[]).await;
    let of = resource("postgres://tables/{table_name}/data");
    let answer = complete(&server.client(), of, "table_name", "t").await;
    let completion = &answer.result()["completion"];
    assert_eq!(completion["values"].as_array().map(Vec::len), Some(100));
    assert_eq!(completion["hasMore"], json!(true));
}

#[tokio::test]
async fn it_refuses_to_complete_what_it_does_not_have() {
    let server = Server::on(&Database::with(SHOP).await, &[]).await;
    let client = server.client();
    for (of, name) in [
        (resource("file:///{path}"), "path"),
        (resource("postgres://tables/{table_name}/data"), "database"),
        (prompt("no_such_prompt"), "source"),
        (prompt("sql_best_practices"), "source"),
    ] {
        let answer = complete(&client, of, name, "").await;
        assert_eq!((answer.status, answer.error()), (200, -32602), "{answer:?}");
    }
    let of = prompt("sql_best_practices");
    let argument = json!({"name": "table", "value": ""});
    let context = json!({"arguments": {"database": "nowhere"}});
    let params = json!({"ref": of, "argument": argument, "context": context});
    let answer = client.request("completion/complete", params).await;
    assert_eq!((answer.status, answer.error()), (200, -32602), "{answer:?}");
}
