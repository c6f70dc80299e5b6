//! Overwriting takes all rows of a table out: it is done where that is meant, and to that table
//! alone.

use serde_json::{Value, json};

use crate::client::Client;
use crate::pipelines::{Pipelines, create, execute, over};

const TABLES: &str = "
CREATE TABLE plain (id int PRIMARY KEY, above int REFERENCES plain ON DELETE CASCADE);
INSERT INTO plain VALUES (1, NULL), (2, 1);
CREATE TABLE cascades (id int PRIMARY KEY);
CREATE TABLE below (id int REFERENCES cascades ON DELETE CASCADE);
CREATE TABLE nulls (id int PRIMARY KEY);
CREATE TABLE beside (id int REFERENCES nulls ON DELETE SET NULL);
CREATE TABLE defaults (id int PRIMARY KEY);
CREATE TABLE aside (id int DEFAULT NULL REFERENCES defaults ON DELETE SET DEFAULT);
CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY LIST (id);
CREATE TABLE part PARTITION OF parted DEFAULT;
CREATE TABLE behind (id int REFERENCES parted ON DELETE CASCADE);
CREATE TABLE inherited (id int);
CREATE TABLE heir () INHERITS (inherited);
INSERT INTO cascades VALUES (1); INSERT INTO below VALUES (1);
INSERT INTO nulls VALUES (1); INSERT INTO beside VALUES (1);
INSERT INTO defaults VALUES (1); INSERT INTO aside VALUES (1);
INSERT INTO parted VALUES (1); INSERT INTO behind VALUES (1);
INSERT INTO heir VALUES (1);";

/// Tables with those whose rows would go or change when theirs go.
const HANGING: [(&str, &str); 6] = [
    ("cascades", "below"),
    ("nulls", "beside"),
    ("defaults", "aside"),
    ("parted", "behind"),
    ("part", "behind"),
    ("inherited", "heir"),
];

const KEPT: &str = "SELECT count(*) FROM (TABLE below UNION ALL TABLE beside UNION ALL TABLE aside
    UNION ALL TABLE behind UNION ALL TABLE heir) AS others WHERE id = 1";

fn stages(table: &str) -> Value {
    json!([{"name": "s", "source": {"type": "postgres", "sql": "SELECT 7 AS id"},
        "destination": {"type": "postgres", "table": table, "mode": "overwrite"}}])
}

async fn load(client: &Client, table: &str, confirm: bool) -> (String, String) {
    let load = json!({"sql": "SELECT 7 AS id", "table": table, "mode": "overwrite",
        "confirm": confirm});
    let answer = client.call("bulk_load_from_spark", load).await;
    let (code, message) = answer.failure();
    (code.to_owned(), message.to_owned())
}

#[tokio::test]
async fn it_empties_a_table_only_where_that_is_confirmed() {
    let pipelines = Pipelines::with(TABLES).await;
    let client = pipelines.client();
    let (code, message) = load(&client, "plain", false).await;
    assert_eq!(code, "not_confirmed");
    assert!(message.contains(r#""public"."plain""#), "{message}");
    // Confirmed, it goes on to Spark, which is nowhere here.
    assert_eq!(load(&client, "plain", true).await.0, "unavailable");

    let pipeline = json!({"name": "p", "stages": stages("plain")});
    let refused = client.call("create_etl_pipeline", pipeline).await;
    assert_eq!(refused.failure().0, "not_confirmed");
    let seen = pipelines.finish(stages("plain"), json!({})).await;
    assert_eq!(seen["status"], "succeeded", "{seen}");
    let count = "SELECT count(*) FROM plain WHERE id = 7";
    pipelines.database.wait_for_count(count, 1).await;
}

#[tokio::test]
async fn it_empties_no_table_with_whose_rows_those_of_others_go_or_change() {
    let pipelines = Pipelines::with(TABLES).await;
    let client = pipelines.client();
    for (table, other) in HANGING {
        let (code, message) = load(&client, table, true).await;
        assert_eq!(code, "not_loadable", "{table}: {message}");
        assert!(message.contains(&format!("public.{other}")), "{message}");
        create(&client, stages(table)).await;
        let seen = over(&client, &execute(&client, json!({"name": "p"})).await).await;
        let error = &seen["stages"][0]["error"];
        assert_eq!(error["code"], "not_loadable", "{table}: {seen}");
    }
    pipelines.database.wait_for_count(KEPT, 5).await;
    // Rows may come to it all the same.
    let mut appended = stages("cascades");
    appended[0]["destination"]["mode"] = json!("append");
    let seen = pipelines.finish(appended, json!({})).await;
    assert_eq!(seen["status"], "succeeded", "{seen}");
}
