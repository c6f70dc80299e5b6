//! Runs that are over go after their time, or when there are too many; others stay.

use std::time::Duration;

use orchestrator::store::Retention;
use serde_json::json;

use super::{Records, database};

#[tokio::test]
async fn it_takes_back_old_and_surplus_runs_that_are_over_and_no_others() {
    let records = Records::new().await;
    let open = records.submit(json!([{"name": "a", "kind": "note"}])).await;
    let mut connection = records.database.connection().await;
    let copies = "INSERT INTO portcullis.pipeline_runs
             (id, pipeline, owner, parameters, state, created_at, ended_at)
         SELECT gen_random_uuid(), pipeline, owner, parameters, 'succeeded', now(),
             now() - age * interval '1 day'
         FROM portcullis.pipeline_runs, generate_series(1, 700) AS age,
             (VALUES (NULL), ('ann')) AS owners (owner)";
    let copies = copies.replace(
        "pipeline, owner, parameters, 'succ",
        "pipeline, owners.owner, parameters, 'succ",
    );
    database::run(&mut connection, &copies).await;
    let retain = async |days: u64, runs: u32| {
        let age = Duration::from_hours(24 * days);
        let gone = records.store.retain(Retention { age, runs }).await;
        gone.expect("it is written")
    };
    assert_eq!(retain(600, 1000).await, 2 * 101);
    assert_eq!(retain(1000, 100).await, 2 * 499);
    assert_eq!(retain(1000, 100).await, 0);
    assert!(records.store.run(open, None).await.expect("read").is_some());
}
