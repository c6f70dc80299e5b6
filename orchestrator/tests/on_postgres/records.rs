//! Pipelines and runs as they are stored: versions, keys, owners, bounds, fencing.

use std::time::Duration;

use orchestrator::store::{CreateError, LeaseError, Renewal, RunFilter, Submission, SubmitError};
use orchestrator::{Outcome, RunState, StepOutput, StepProgress, bounds};
use serde_json::{Value, json};

use super::database::{Database, run};
use super::{Records, pipeline, store};

const KINDS: [&str; 1] = ["note"];
const LEASE: Duration = Duration::from_secs(30);

fn one_step() -> Value {
    json!([{"name": "a", "kind": "note"}])
}

#[tokio::test]
async fn it_makes_a_version_of_each_change_and_none_of_a_repeat() {
    let records = Records::new().await;
    let create = async |steps: Value| {
        let created = records.store.create(None, &pipeline("p", &steps)).await;
        created.expect("it is stored").version
    };
    assert_eq!(create(one_step()).await, 1);
    assert_eq!(create(one_step()).await, 1);
    let other = json!([{"name": "a", "kind": "note", "config": {"sql": "SELECT 1.0"}}]);
    assert_eq!(create(other.clone()).await, 2);
    assert_eq!(create(other).await, 2);
    assert_eq!(create(one_step()).await, 3);
    let listed = records.store.pipelines(None, None, 10).await;
    let listed: Vec<i32> = listed
        .expect("it is read")
        .iter()
        .map(|it| it.version)
        .collect();
    assert_eq!(listed, [3]);
    let many = (0..20).map(|number| {
        let store = records.store.clone();
        let steps = json!([{"name": format!("s{number}"), "kind": "note"}]);
        tokio::spawn(async move { store.create(None, &pipeline("race", &steps)).await })
    });
    let mut versions = Vec::new();
    for created in many.collect::<Vec<_>>() {
        match created.await.expect("no panic") {
            Ok(stored) => versions.push(stored.version),
            Err(CreateError::Busy) => {}
            Err(error) => panic!("{error}"),
        }
    }
    versions.sort_unstable();
    let counted: Vec<i32> = (1..).take(versions.len()).collect();
    assert_eq!(versions, counted);
}

#[tokio::test]
async fn it_keeps_a_bounded_number_of_versions_that_no_run_needs() {
    let records = Records::new().await;
    records.submit(one_step()).await;
    let most = i32::try_from(bounds::VERSIONS).expect("a small number");
    for number in 0..most + 5 {
        let steps = json!([{"name": format!("s{number}"), "kind": "note"}]);
        let stored = records.store.create(None, &pipeline("p", &steps)).await;
        stored.expect("it is stored");
    }
    let sql = "SELECT count(*) FROM portcullis.pipelines";
    records
        .database
        .wait_for_count(sql, bounds::VERSIONS + 1)
        .await;
    let needed = records.store.pipeline(None, "p", Some(1)).await;
    assert!(needed.expect("it is read").is_some(), "its run needs it");
}

#[tokio::test]
async fn it_accepts_one_run_for_one_key_however_often_it_is_submitted() {
    let records = Records::new().await;
    let stored = records
        .store
        .create(None, &pipeline("p", &one_step()))
        .await;
    stored.expect("it is stored");
    let submit = || {
        let store = records.store.clone();
        tokio::spawn(async move {
            let submission = Submission {
                pipeline: "p",
                key: Some("monday"),
                ..Submission::default()
            };
            store.submit(submission).await.expect("it is accepted")
        })
    };
    let mut runs = Vec::new();
    let submitted: Vec<_> = (0..10).map(|_| submit()).collect();
    for submitted in submitted {
        runs.push(submitted.await.expect("no panic"));
    }
    assert_eq!(runs.iter().filter(|run| run.is_new).count(), 1);
    assert!(runs.iter().all(|run| run.run == runs[0].run));
    let changed = pipeline("p", &json!([{"name": "b", "kind": "note"}]));
    records.store.create(None, &changed).await.expect("stored");
    let submission = Submission {
        pipeline: "p",
        key: Some("monday"),
        ..Submission::default()
    };
    let refused = records.store.submit(submission).await;
    assert!(matches!(refused, Err(SubmitError::KeyOfAnother(run)) if run == runs[0].run));
}

#[tokio::test]
async fn it_shows_and_cancels_nothing_of_another_owner() {
    let records = Records::new().await;
    let store = &records.store;
    let stored = store.create(Some("ann"), &pipeline("p", &one_step())).await;
    stored.expect("it is stored");
    let submission = |owner| Submission {
        owner,
        pipeline: "p",
        ..Submission::default()
    };
    let run = store.submit(submission(Some("ann"))).await;
    let run = run.expect("it is accepted").run;
    for other in [None, Some("bob")] {
        let refused = store.submit(submission(other)).await;
        assert!(matches!(refused, Err(SubmitError::NoPipeline { .. })));
        assert_eq!(store.run(run, other).await.expect("it is read"), None);
        assert!(!store.cancel(run, other).await.expect("it is read"));
        let filter = RunFilter::default();
        assert_eq!(store.runs(other, &filter, 10).await.expect("read"), []);
        assert_eq!(store.pipelines(other, None, 10).await.expect("read"), []);
    }
    assert!(store.cancel(run, Some("ann")).await.expect("it is written"));
    let seen = store.run(run, Some("ann")).await.expect("it is read");
    assert_eq!(seen.expect("there is one").state, RunState::Cancelled);
}

#[tokio::test]
async fn it_hears_only_the_latest_lease_of_a_step() {
    let records = Records::new().await;
    let run = records.submit(one_step()).await;
    let lease = async |length| {
        let leased = records.store.lease(&KINDS, "test", length).await;
        leased.expect("it is read").expect("a step is due").lease
    };
    let dead = lease(Duration::ZERO).await;
    let alive = lease(LEASE).await;
    assert!(alive.token > dead.token);
    let renewed = records.store.renew(dead, LEASE, None).await;
    assert!(matches!(renewed, Err(LeaseError::Fenced(_))));
    let late = Outcome::Succeeded(StepOutput {
        value: json!("late"),
        rows: None,
    });
    for outcome in [late, Outcome::Cancelled] {
        let reported = records.store.report(dead, outcome).await;
        assert!(matches!(reported, Err(LeaseError::Fenced(_))));
    }
    let released = records.store.release(dead).await;
    assert!(matches!(released, Err(LeaseError::Fenced(_))));
    let progress = StepProgress {
        percent: Some(10),
        ..StepProgress::default()
    };
    let renewed = records.store.renew(alive, LEASE, Some(&progress)).await;
    assert_eq!(renewed.expect("it is theirs"), Renewal::GoOn);
    let outcome = Outcome::Succeeded(StepOutput {
        value: json!("in time"),
        rows: Some(7),
    });
    let reported = records.store.report(alive, outcome.clone()).await;
    reported.expect("it is theirs");
    let again = records.store.report(alive, outcome).await;
    assert!(matches!(again, Err(LeaseError::Fenced(_))));
    let seen = records.store.run(run, None).await.expect("it is read");
    let seen = seen.expect("there is one");
    let step = &seen.steps[0];
    assert_eq!((seen.state, step.losses), (RunState::Succeeded, 1));
    assert_eq!(
        (&step.output, step.rows),
        (&Some(json!("in time")), Some(7))
    );
}

#[tokio::test]
async fn it_refuses_what_is_beyond_the_bounds_in_a_sentence() {
    let records = Records::new().await;
    records.submit(one_step()).await;
    let submit = async |key: Option<&str>| {
        let submission = Submission {
            pipeline: "p",
            key,
            ..Submission::default()
        };
        records.store.submit(submission).await
    };
    for key in ["", "a\0b", &"x".repeat(201)] {
        let refused = submit(Some(key)).await.expect_err("no key").to_string();
        assert!(refused.contains("from 1 to 200 bytes"), "{refused}");
    }
    let mut connection = records.database.connection().await;
    let copies = format!(
        "INSERT INTO portcullis.pipeline_runs (id, pipeline, parameters, state)
         SELECT gen_random_uuid(), pipeline, parameters, state
         FROM portcullis.pipeline_runs, generate_series(2, {})",
        bounds::OPEN_RUNS
    );
    run(&mut connection, &copies).await;
    let refused = submit(None).await.expect_err("it is full").to_string();
    assert!(
        refused.starts_with("1000 of your runs are not over"),
        "{refused}"
    );
}

#[tokio::test]
async fn it_makes_its_tables_also_when_nobody_waits_for_them_any_more() {
    let database = Database::with("CREATE SCHEMA portcullis").await;
    let store = store(&database.name, database.port);
    // The migration waits in its middle for somebody who makes a table of the same name.
    let mut other = database.connection().await;
    run(&mut other, "BEGIN; CREATE TABLE portcullis.pipelines ()").await;
    let first = tokio::spawn(async move { store.pipelines(None, None, 1).await });
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
         AND datname = current_database()";
    database.wait_for_count(waiting, 1).await;
    first.abort();
    first.await.expect_err("it was aborted");
    run(&mut other, "ROLLBACK").await;
    let made = "SELECT count(*) FROM pg_tables WHERE tablename = 'pipeline_steps'";
    database.wait_for_count(made, 1).await;
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    database.wait_for_count(locks, 0).await;
}
