//! Resources: what is listed, what a URI gives, and what is refused.

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::database::Database;
use crate::server::Server;

const SHOP: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, note text);
    INSERT INTO orders SELECT n, 'note ' || n FROM generate_series(1, 150) n;
    CREATE TABLE \"Odd name/%?\" (x int);
    CREATE SCHEMA stock;
    CREATE TABLE stock.items (sku text, price numeric);
    INSERT INTO stock.items VALUES ('a', 1.50);
    CREATE VIEW stock.cheap AS SELECT sku FROM stock.items WHERE price < 2;
    CREATE FUNCTION stock.total(kind text) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
    COMMENT ON FUNCTION stock.total IS 'all of it'";

async fn read(client: &Client, uri: &str) -> Answer {
    client.request("resources/read", json!({"uri": uri})).await
}

/// The JSON that a resource holds.
#[track_caller]
fn json_of(answer: &Answer) -> Value {
    let contents = &answer.result()["contents"][0];
    assert_eq!(
        contents["mimeType"],
        json!("application/json"),
        "{answer:?}"
    );
    serde_json::from_str(contents["text"].as_str().expect("text")).expect("JSON")
}

fn uris(list: &Value) -> Vec<&str> {
    let all = list.as_array().expect("a list").iter();
    all.filter_map(|entry| entry["uri"].as_str().or(entry["uriTemplate"].as_str()))
        .collect()
}

#[tokio::test]
async fn it_lists_what_there_is_and_how_to_name_the_rest() {
    let server = Server::on(&Database::with(SHOP).await, &[]).await;
    let client = server.client();
    let listed = client.request("resources/list", json!({})).await;
    let resources = uris(&listed.result()["resources"]);
    for uri in [
        "spark://cluster/info",
        "postgres://schema/public",
        "postgres://schema/stock",
        "postgres://tables/orders/data",
        "postgres://tables/stock.cheap/data",
        "postgres://tables/Odd%20name%2F%25%3F/data",
        "metrics://system",
    ] {
        assert!(resources.contains(&uri), "{uri} {resources:?}");
    }
    assert_eq!(listed.result()["cacheScope"], json!("private"));
    assert!(listed.result()["ttlMs"].is_u64(), "{listed:?}");
    for uri in resources.iter().filter(|uri| uri.starts_with("postgres")) {
        assert!(json_of(&read(&client, uri).await)["database"] == json!("default"));
    }
    let templates = client.request("resources/templates/list", json!({})).await;
    assert_eq!(
        uris(&templates.result()["resourceTemplates"]),
        [
            "spark://jobs/{job_id}",
            "postgres://schema/{schema_name}",
            "postgres://{database}/schema/{schema_name}",
            "postgres://tables/{table_name}/data",
            "postgres://{database}/tables/{table_name}/data",
            "result://{node}/{id}{?block}",
        ]
    );
    assert_eq!(templates.result()["cacheScope"], json!("public"));
}

#[tokio::test]
async fn it_pages_through_more_resources_than_fit_into_one_page() {
    let database = Database::with(
        "DO $$ BEGIN FOR n IN 1..230 LOOP EXECUTE format('CREATE TABLE t%s (x int)', n); \
         END LOOP; END $$",
    )
    .await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();
    let (mut seen, mut pages, mut cursor) = (Vec::new(), 0, Value::Null);
    loop {
        let params = match &cursor {
            Value::Null => json!({}),
            cursor => json!({"cursor": cursor}),
        };
        let page = client.request("resources/list", params).await;
        let resources = uris(&page.result()["resources"]);
        assert!(resources.len() <= 101, "{}", resources.len());
        seen.extend(resources.into_iter().map(ToOwned::to_owned));
        pages += 1;
        cursor = page.result()["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
        assert!(pages < 10, "{cursor}");
    }
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((seen.len(), pages), (count, 3), "none twice");
    let tables = seen.iter().filter(|uri| uri.contains("/tables/t")).count();
    assert_eq!(tables, 230);
    for cursor in [
        json!("x"),
        json!(""),
        json!(1),
        json!("WzksbnVsbF0"),
        json!("WzAsIngiXQ"),
    ] {
        let answer = client
            .request("resources/list", json!({"cursor": cursor}))
            .await;
        assert_eq!((answer.status, answer.error()), (200, -32602), "{cursor}");
    }
}

#[tokio::test]
async fn it_gives_the_first_hundred_rows_of_a_table() {
    let server = Server::on(&Database::with(SHOP).await, &[]).await;
    let client = server.client();
    let answer = read(&client, "postgres://tables/orders/data").await;
    assert_eq!(answer.result()["ttlMs"], json!(0));
    assert_eq!(answer.result()["cacheScope"], json!("private"));
    let orders = json_of(&answer);
    assert_eq!(orders["rows"].as_array().map(Vec::len), Some(100));
    assert_eq!(orders["rows"][0], json!([1, "note 1"]));
    assert_eq!(orders["truncated_by"], json!("rows"));
    assert_eq!(
        orders["columns"][0],
        json!({"name": "id", "type": "integer"})
    );
    for uri in [
        "postgres://tables/stock.items/data",
        "postgres://default/tables/stock.items/data",
        "postgres://tables/stock%2Eitems/data",
    ] {
        let items = json_of(&read(&client, uri).await);
        assert_eq!(items["rows"], json!([["a", "1.50"]]), "{uri}");
        assert_eq!(items["truncated"], json!(false), "{uri}");
    }
}

#[tokio::test]
async fn it_judges_what_a_view_does_before_it_reads_it() {
    let database = Database::with(
        "CREATE FUNCTION writes() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'; \
         CREATE VIEW trap AS SELECT writes() AS x",
    )
    .await;
    let server = Server::on(&database, &[]).await;
    let answer = read(&server.client(), "postgres://tables/trap/data").await;
    assert_eq!(
        answer.body["error"]["data"]["code"],
        json!("42501"),
        "{answer:?}"
    );
    drop(server);
    assert_eq!(database.calls_of_functions().await, Vec::<String>::new());
}

#[tokio::test]
async fn it_tells_the_tables_and_functions_of_a_schema() {
    let server = Server::on(&Database::with(SHOP).await, &[]).await;
    let client = server.client();
    for uri in ["postgres://schema/stock", "postgres://default/schema/stock"] {
        let stock = json_of(&read(&client, uri).await);
        let tables = stock["tables"].as_array().expect("a list").iter();
        let tables: Vec<_> = tables
            .map(|table| (&table["name"], &table["kind"]))
            .collect();
        let (view, table) = (json!("view"), json!("table"));
        assert_eq!(
            tables,
            [(&json!("cheap"), &view), (&json!("items"), &table)],
            "{uri}"
        );
        assert_eq!(
            stock["functions"],
            json!([{"name": "total", "kind": "function", "arguments": "kind text",
                "returns": "bigint", "language": "sql", "comment": "all of it"}])
        );
    }
}

#[tokio::test]
async fn it_shows_the_load_of_the_server_and_who_called_what() {
    let server = Server::on(&Database::with(SHOP).await, &[]).await;
    let client = server.client();
    client.query("select 1", json!([])).await.structured();
    client
        .query("select no_such_column", json!([]))
        .await
        .failure();
    let metrics = json_of(&read(&client, "metrics://system").await);
    let calls = &metrics["calls"]["execute_query"];
    assert_eq!(
        (&calls["ok"], &calls["failed"]),
        (&json!(1), &json!(1)),
        "{metrics}"
    );
    assert_eq!(metrics["calls"]["system-metrics"]["running"], json!(1));
    let pool = &metrics["postgres_pools"]["default"][0];
    assert_eq!(
        (&pool["purpose"], &pool["open"]),
        (&json!("queries"), &json!(1)),
        "{metrics}"
    );
    if cfg!(target_os = "linux") {
        assert!(
            metrics["process"]["memory_bytes"].as_u64() > Some(1 << 20),
            "{metrics}"
        );
        assert!(
            metrics["machine"]["memory_bytes"].as_u64() > Some(1 << 20),
            "{metrics}"
        );
    }
}

#[tokio::test]
async fn it_says_what_is_not_there_in_the_code_of_the_revision() {
    let server = Server::on(&Database::with(SHOP).await, &[]).await;
    let modern = server.client();
    let legacy = Client::legacy(&server.address, "2025-11-25").await;
    for uri in [
        "postgres://tables/order/data",
        "postgres://nowhere/tables/orders/data",
        "postgres://schema/nothing",
        "spark://jobs/1",
        "spark://cluster",
        "file:///etc/passwd",
        "",
    ] {
        let params = json!({"uri": uri});
        let missing = legacy.request("resources/read", params).await;
        assert_eq!((missing.status, missing.error()), (200, -32002), "{uri}");
        assert_eq!(missing.body["error"]["data"]["uri"], json!(uri));
        if !uri.is_empty() {
            let missing = read(&modern, uri).await;
            assert_eq!((missing.status, missing.error()), (200, -32602), "{uri}");
        }
    }
    let near = read(&modern, "postgres://tables/order/data").await;
    let message = near.body["error"]["message"].as_str().expect("a message");
    assert!(message.contains("`public.orders`"), "{message}");
}

#[tokio::test]
async fn it_fails_with_a_reason_when_what_is_behind_it_is_down() {
    let server = Server::at(1, "nowhere", &[]).await;
    let client = server.client();
    for uri in ["postgres://schema/public", "spark://cluster/info"] {
        let answer = read(&client, uri).await;
        assert_eq!((answer.status, answer.error()), (200, -32603), "{answer:?}");
        assert_eq!(
            answer.body["error"]["data"]["code"],
            json!("unavailable"),
            "{answer:?}"
        );
    }
    let listed = client.request("resources/list", json!({})).await;
    assert_eq!(
        uris(&listed.result()["resources"]),
        [
            "spark://cluster/info",
            "pipelines://active",
            "metrics://system"
        ]
    );
    let metrics = json_of(&read(&client, "metrics://system").await);
    assert_eq!(metrics["spark_jobs"], Value::Null);
}
