//! The PostgreSQL of the benchmark, with the tables that it reads.

use anyhow::Context as _;
use local_postgres::TestCluster;
use serde_json::json;
use tokio_postgres::NoTls;

/// The password of the superuser `postgres`, and of `reader`; the cluster listens on loopback and
/// lives as long as the benchmark.
pub const PASSWORD: &str = "benchmark";

/// A table of 1 000 rows and eight columns, as an agent reads them, and the role that reads it;
/// tables that are loaded from Spark, and the role that loads them.
const TABLES: &str = "
CREATE ROLE reader LOGIN PASSWORD 'benchmark';
GRANT SET ON PARAMETER log_min_messages TO reader;
CREATE TABLE orders AS
SELECT n::bigint AS id,
       (n % 97)::integer AS customer,
       'product ' || n % 50 AS product,
       n * 1.25::double precision AS price,
       n % 3 = 0 AS paid,
       'region ' || n % 7 AS region,
       timestamp '2026-01-01' + n * interval '1 minute' AS created,
       CASE WHEN n % 5 = 0 THEN NULL ELSE 'note of order ' || n END AS note
FROM generate_series(1, 1000) n;
GRANT SELECT ON orders TO reader;
CREATE ROLE loader LOGIN PASSWORD 'benchmark';
CREATE TABLE narrow (id bigint, customer integer, product text, price double precision,
                     created timestamptz);
CREATE TABLE wide (id bigint, amount numeric, discount numeric(12,2), exact numeric(38,10),
                   tags text[], counts integer[], document jsonb, note text, paid boolean,
                   day date, score double precision, created timestamptz);
CREATE TABLE narrow_of_jdbc (LIKE narrow);
CREATE TABLE wide_of_jdbc (LIKE wide);
ALTER TABLE narrow OWNER TO loader;
ALTER TABLE wide OWNER TO loader;
ALTER TABLE narrow_of_jdbc OWNER TO loader;
ALTER TABLE wide_of_jdbc OWNER TO loader;
GRANT SELECT ON narrow, wide, narrow_of_jdbc, wide_of_jdbc TO reader;
VACUUM ANALYZE orders;
";

/// Starts the cluster, prints its port as a line of JSON, and waits for whoever started it.
///
/// # Errors
/// The tables cannot be made.
pub async fn run() -> anyhow::Result<()> {
    let cluster = tokio::task::spawn_blocking(|| TestCluster::of_this_run(PASSWORD)).await?;
    let port = cluster.port();
    let login = format!("host=127.0.0.1 port={port} user=postgres password={PASSWORD}");
    let (client, connection) = tokio_postgres::connect(&login, NoTls)
        .await
        .context("cannot connect to the cluster")?;
    tokio::spawn(connection);
    for statement in TABLES.split_inclusive(";\n") {
        let statement = statement.trim();
        if !statement.is_empty() {
            client.batch_execute(statement).await.context(statement)?;
        }
    }
    println!("{}", json!({"port": port}));
    std::future::pending().await
}
