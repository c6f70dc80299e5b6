//! Queries run in parallel workers where all of their rows are asked for.

use serde_json::{Value, json};

use crate::client::Client;
use crate::database::{Database, run};
use crate::server::Server;

/// A table that PostgreSQL reads in parallel, whatever that costs.
const WIDE: &str = "CREATE TABLE wide AS SELECT n FROM generate_series(1, 200000) AS n; \
    ALTER TABLE wide SET (parallel_workers = 2); ANALYZE wide";

/// Settings by which every plan that may be parallel is.
const EAGER: &str = "ALTER DATABASE {database} SET parallel_setup_cost = 0; \
    ALTER DATABASE {database} SET parallel_tuple_cost = 0; \
    ALTER DATABASE {database} SET min_parallel_table_scan_size = 0; \
    ALTER DATABASE {database} SET max_parallel_workers_per_gather = 2";

/// One row that takes a while.
const COUNT: &str = "SELECT count(*) FROM wide WHERE length(repeat(md5(n::text), 200)) > 0";

const WORKERS: &str = "SELECT count(*) FROM pg_stat_activity \
    WHERE backend_type = 'parallel worker' AND datname = current_database() \
    AND query LIKE '%repeat(md5(%'";

/// Queries that a machine may answer before anybody has looked for their workers.
const TRIES: usize = 20;

/// Whether workers are seen while the query runs.
async fn runs_in_workers(database: &Database, client: &Client, arguments: &Value) -> bool {
    let mut connection = database.connection().await;
    // The look itself has none.
    run(&mut connection, "SET max_parallel_workers_per_gather = 0").await;
    let look = async {
        loop {
            let workers = sqlx::query_scalar(WORKERS).fetch_one(&mut connection).await;
            let workers: i64 = workers.expect("it counts");
            if workers > 0 {
                return;
            }
        }
    };
    let call = client.call("execute_query", arguments.clone());
    tokio::select! {
        () = look => true,
        answer = call => {
            assert_eq!(answer.structured()["rows"], json!([[200_000]]));
            false
        }
    }
}

#[tokio::test]
async fn it_lets_workers_run_a_query_unless_its_rows_are_cut_at_a_number() {
    let database = Database::with(WIDE).await;
    let eager = EAGER.replace("{database}", &database.name);
    run(&mut database.connection().await, &eager).await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();
    // PostgreSQL plans for workers then, too, and executes without them.
    let cut = json!({"sql": COUNT, "use_block_transport": false});
    for _ in 0..3 {
        assert!(!runs_in_workers(&database, &client, &cut).await);
    }
    let usual = json!({"sql": COUNT});
    let mut in_workers = false;
    for _ in 0..TRIES {
        in_workers |= runs_in_workers(&database, &client, &usual).await;
        if in_workers {
            break;
        }
    }
    assert!(in_workers);
}
