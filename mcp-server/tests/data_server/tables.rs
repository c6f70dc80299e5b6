//! Tests of the tools `list_tables` and `get_table_schema`.

use serde_json::{Value, json};

use crate::database::{Database, run};
use crate::server::Server;

const SHOP: &str = "
CREATE TABLE customers (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL
    UNIQUE, born date);
COMMENT ON TABLE customers IS 'who buys';
COMMENT ON COLUMN customers.born IS 'may be unknown';
CREATE TABLE orders (
    id bigint, customer int NOT NULL REFERENCES customers (id), total numeric(10,2) DEFAULT 0
    CHECK (total >= 0),
    vat numeric GENERATED ALWAYS AS (total * 0.2) STORED, at timestamptz DEFAULT now(),
    PRIMARY KEY (id, customer)
);
CREATE INDEX orders_at ON orders (at DESC);
INSERT INTO customers (email) SELECT n || '@example.com' FROM generate_series(1, 50) n;
CREATE VIEW adults AS SELECT * FROM customers WHERE born < '2000-01-01';
CREATE MATERIALIZED VIEW totals AS SELECT customer, sum(total) FROM orders GROUP BY 1;
CREATE TABLE events (at date, what text) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO events SELECT '2024-05-05', 'x' FROM generate_series(1, 1000);
CREATE TYPE mood AS ENUM ('calm', 'busy', 'odd, one');
CREATE DOMAIN moods AS mood;
CREATE EXTENSION btree_gist;
CREATE TABLE stays (
    room int, during tstzrange, mood moods DEFAULT 'calm', moods mood[],
    next_room int, next_during tstzrange, UNIQUE (room, during),
    FOREIGN KEY (next_room, next_during) REFERENCES stays (room, during),
    EXCLUDE USING gist (room WITH =, during WITH &&)
);
CREATE SCHEMA \"Other one\";
CREATE TABLE \"Other one\".\"Odd \"\"name\" (\"a b\" int);
ANALYZE;
";

fn find<'a>(tables: &'a Value, name: &str) -> &'a Value {
    let tables = tables.as_array().expect("a list");
    tables
        .iter()
        .find(|table| table["name"] == json!(name))
        .unwrap_or_else(|| panic!("{name} in {tables:?}"))
}

#[tokio::test]
async fn it_describes_tables_while_some_of_them_are_altered() {
    let database = Database::with(SHOP).await;
    let server = Server::on(&database, &[]).await;
    let mut connection = database.connection().await;
    run(
        &mut connection,
        "BEGIN; LOCK TABLE customers, events_2024 IN ACCESS EXCLUSIVE MODE",
    )
    .await;
    let answer = server.client().call("list_tables", json!({})).await;
    let tables = &answer.structured()["tables"];
    for locked in ["customers", "events", "events_2024"] {
        assert_eq!(find(tables, locked)["bytes"], Value::Null, "{locked}");
    }
    assert!(find(tables, "orders")["bytes"].is_number(), "{tables}");
    let schema = |table: &'static str| {
        let client = server.client();
        async move {
            client
                .call("get_table_schema", json!({"table": table}))
                .await
        }
    };
    let columns = schema("orders").await.structured()["columns"].clone();
    assert_eq!(columns[0]["name"], json!("id"));
    let answer = schema("customers").await;
    assert_eq!(answer.failure().0, "55P03");
    let said = answer.body.to_string();
    assert!(said.contains("somebody alters the table"), "{said}");
}

#[tokio::test]
async fn it_lists_every_kind_of_table() {
    let database = Database::with(SHOP).await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();
    let answer = client.call("list_tables", json!({})).await;
    let tables = &answer.structured()["tables"];
    assert_eq!(answer.structured()["next_cursor"], Value::Null);
    let check = |name: &str, kind: &str, partition_of: Value, rows: Value| {
        let table = find(tables, name);
        assert_eq!(
            (
                &table["kind"],
                &table["partition_of"],
                &table["rows_estimate"]
            ),
            (&json!(kind), &partition_of, &rows),
            "{table}"
        );
    };
    check("customers", "table", Value::Null, json!(50));
    check("adults", "view", Value::Null, Value::Null);
    check("totals", "materialized view", Value::Null, json!(0));
    check("events", "partitioned table", Value::Null, json!(1000));
    check("events_2024", "table", json!("public.events"), json!(1000));
    check("Odd \"name", "table", Value::Null, json!(0));
    assert_eq!(find(tables, "customers")["comment"], json!("who buys"));
    assert_eq!(
        find(tables, "events")["bytes"],
        find(tables, "events_2024")["bytes"]
    );
    assert!(
        find(tables, "events")["bytes"]
            .as_i64()
            .is_some_and(|bytes| bytes > 8192)
    );

    let other = client
        .call("list_tables", json!({"schema": "Other one"}))
        .await;
    assert_eq!(
        other.structured()["tables"].as_array().map(Vec::len),
        Some(1)
    );
    let none = client
        .call("list_tables", json!({"schema": "nowhere"}))
        .await;
    assert_eq!(none.structured()["tables"], json!([]));
    let system = client
        .call(
            "list_tables",
            json!({"schema": "pg_catalog", "limit": 1000}),
        )
        .await;
    find(&system.structured()["tables"], "pg_class");
}

#[tokio::test]
async fn it_gives_every_table_once_over_all_pages() {
    let database = Database::with(SHOP).await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();
    let all = client.call("list_tables", json!({})).await;
    let mut paged = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let arguments = match &cursor {
            Value::Null => json!({"limit": 2}),
            cursor => json!({"limit": 2, "cursor": cursor}),
        };
        let page = client.call("list_tables", arguments).await;
        paged.extend(
            page.structured()["tables"]
                .as_array()
                .expect("a list")
                .clone(),
        );
        cursor = page.structured()["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(Value::Array(paged), all.structured()["tables"]);
}

#[tokio::test]
async fn it_tells_a_model_what_it_tells_a_program() {
    let database = Database::with(SHOP).await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();
    let listed = client.call("list_tables", json!({})).await;
    let text = listed.texts()[0];
    let customers = text.lines().find(|line| line.contains(".customers: "));
    let customers = customers.expect("its line");
    assert!(customers.ends_with(" bytes (who buys)"), "{customers}");
    let table = json!({"table": "customers"});
    let described = client.call("get_table_schema", table).await;
    let text = described.texts()[0];
    for part in [
        "public.customers (table), about 50 rows, ",
        "\nwho buys\n",
        "\nborn date (may be unknown)\n",
        "\nCREATE UNIQUE INDEX customers_email_key ON public.customers ",
        "\nreferenced by public.orders (customer)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn it_keeps_the_text_of_lists_and_tables_within_its_budget() {
    let database = Database::with(SHOP).await;
    let server = Server::on(&database, &["--text-bytes=200"]).await;
    let client = server.client();
    for (tool, arguments, rest) in [
        (
            "list_tables",
            json!({}),
            "call again with a smaller `limit`",
        ),
        (
            "get_table_schema",
            json!({"table": "stays"}),
            "they are in structuredContent",
        ),
    ] {
        let answer = client.call(tool, arguments).await;
        let text = answer.texts()[0];
        let (shown, told) = text.split_once("\n… ").expect("more lines than have room");
        assert!(shown.len() <= 200 && shown.lines().count() > 1, "{text}");
        assert!(told.contains(" more lines have no place here: "), "{told}");
        assert!(told.contains(rest), "{told}");
    }
}

#[tokio::test]
async fn it_describes_a_table() {
    let database = Database::with(SHOP).await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();
    let answer = client
        .call("get_table_schema", json!({"table": "orders"}))
        .await;
    let orders = answer.structured();
    let column = |name: &str, kind: &str, nullable: bool, default: Value| {
        json!({"name": name, "type": kind, "nullable": nullable, "default": default,
        "enum_values": null, "comment": null})
    };
    assert_eq!(
        orders["columns"],
        json!([
            column("id", "bigint", false, Value::Null),
            column("customer", "integer", false, Value::Null),
            column("total", "numeric(10,2)", true, json!("0")),
            column(
                "vat",
                "numeric",
                true,
                json!("generated always as ((total * 0.2)) stored")
            ),
            column("at", "timestamp with time zone", true, json!("now()")),
        ])
    );
    assert_eq!(orders["primary_key"], json!(["id", "customer"]));
    let foreign = json!([{"name": "orders_customer_fkey", "columns": ["customer"],
        "references": "public.customers", "referenced_columns": ["id"]}]);
    assert_eq!(orders["foreign_keys"], foreign);
    assert_eq!(
        orders["checks"],
        json!([{"name": "orders_total_check", "definition": "CHECK ((total >= (0)::numeric))"}])
    );
    assert_eq!(orders["indexes"].as_array().map(Vec::len), Some(2));

    let answer = client
        .call(
            "get_table_schema",
            json!({"table": "customers", "schema": "public"}),
        )
        .await;
    let customers = answer.structured();
    assert_eq!(customers["comment"], json!("who buys"));
    assert_eq!(customers["rows_estimate"], json!(50));
    assert_eq!(
        customers["unique"],
        json!([{"name": "customers_email_key", "columns": ["email"]}])
    );
    assert_eq!(
        customers["columns"][0]["default"],
        json!("generated always as identity")
    );
    assert_eq!(customers["columns"][2]["comment"], json!("may be unknown"));

    let view = client
        .call("get_table_schema", json!({"table": "adults"}))
        .await;
    assert_eq!(view.structured()["kind"], json!("view"));
    let odd = client
        .call(
            "get_table_schema",
            json!({"table": "Odd \"name", "schema": "Other one"}),
        )
        .await;
    assert_eq!(odd.structured()["columns"][0]["name"], json!("a b"));
    let qualified = client
        .call("get_table_schema", json!({"table": "public.orders"}))
        .await;
    assert_eq!(qualified.structured(), orders);
}

#[tokio::test]
async fn it_tells_what_a_table_has_beside_its_columns() {
    let database = Database::with(SHOP).await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();
    let schema = async |table: &str| {
        let answer = client.call("get_table_schema", json!({"table": table}));
        answer.await.structured().clone()
    };
    let stays = schema("stays").await;
    let values = json!(["calm", "busy", "odd, one"]);
    assert_eq!(stays["columns"][2]["enum_values"], values);
    assert_eq!(stays["columns"][3]["enum_values"], values);
    assert_eq!(stays["columns"][0]["enum_values"], Value::Null);
    assert_eq!(stays["exclusions"].as_array().map(Vec::len), Some(1));
    let exclusion = &stays["exclusions"][0]["definition"];
    assert_eq!(
        exclusion,
        "EXCLUDE USING gist (room WITH =, during WITH &&)"
    );
    let itself = &stays["referenced_by"][0];
    assert_eq!(itself["table"], "public.stays");
    assert_eq!(itself["columns"], json!(["next_room", "next_during"]));
    assert_eq!(itself["referenced_columns"], json!(["room", "during"]));
    assert_eq!(stays["definition"], Value::Null);

    let customers = schema("customers").await;
    let expected = json!([{"name": "orders_customer_fkey", "table": "public.orders",
        "columns": ["customer"], "referenced_columns": ["id"]}]);
    assert_eq!(customers["referenced_by"], expected);
    assert!(customers["bytes"].as_i64().is_some_and(|bytes| bytes > 0));

    let definition = schema("adults").await["definition"].clone();
    let definition = definition.as_str().expect("a query");
    assert!(
        definition.contains("WHERE (customers.born < '2000-01-01'::date)"),
        "{definition}"
    );
    let mut connection = database.connection().await;
    run(
        &mut connection,
        "BEGIN; LOCK TABLE customers IN ACCESS EXCLUSIVE MODE",
    )
    .await;
    assert_eq!(schema("adults").await["definition"], Value::Null);
}

#[tokio::test]
async fn it_lists_the_tables_of_one_kind_and_those_whose_name_holds_a_part() {
    let database = Database::with(SHOP).await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();
    for (arguments, names) in [
        (json!({"kind": "view"}), json!(["adults"])),
        (json!({"kind": "materialized view"}), json!(["totals"])),
        (json!({"name": "EVENT"}), json!(["events", "events_2024"])),
        (
            json!({"name": "event", "kind": "table"}),
            json!(["events_2024"]),
        ),
        (json!({"name": "%"}), json!([])),
        (
            json!({"name": "odd", "schema": "Other one"}),
            json!(["Odd \"name"]),
        ),
    ] {
        let answer = client.call("list_tables", arguments.clone()).await;
        let tables = answer.structured()["tables"]
            .as_array()
            .expect("a list")
            .clone();
        let found: Vec<Value> = tables.iter().map(|table| table["name"].clone()).collect();
        assert_eq!(json!(found), names, "{arguments}");
    }
    let first = client
        .call("list_tables", json!({"name": "event", "limit": 1}))
        .await;
    let cursor = &first.structured()["next_cursor"];
    let arguments = json!({"name": "event", "limit": 1, "cursor": cursor});
    let second = client.call("list_tables", arguments).await;
    assert_eq!(
        second.structured()["tables"][0]["name"],
        json!("events_2024")
    );
    assert_eq!(second.structured()["next_cursor"], Value::Null);
}

#[tokio::test]
async fn it_offers_similar_names() {
    let database = Database::with(SHOP).await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();
    for (asked, offered) in [
        ("ordres", "`public.orders`"),
        ("Customer", "`public.customers`"),
        ("nowhere.event", "`public.events`"),
    ] {
        let answer = client
            .call("get_table_schema", json!({"table": asked}))
            .await;
        assert_eq!(answer.failure().0, "not_found", "{asked}");
        let hint = answer.result()["structuredContent"]["error"]["hint"]
            .as_str()
            .expect("a hint");
        assert!(hint.contains(offered), "{asked}: {hint}");
    }
    let answer = client
        .call("get_table_schema", json!({"table": "zzzzzzzz"}))
        .await;
    assert_eq!(
        answer.result()["structuredContent"]["error"]["hint"],
        json!("list_tables names the tables there are")
    );
}
