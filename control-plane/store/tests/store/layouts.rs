//! Stores of later and of earlier versions: upgrades, and upgrades that are taken back.

use store::{ConfigStore, OpenError, RevisionNumber, SqlStore};

use crate::places::Place;
use crate::samples::{append, by, revisions};

on_each_database!(
    it_works_on_a_store_beside_a_later_version_that_has_added_to_it,
    it_refuses_a_store_that_needs_a_later_version_and_leaves_it_alone,
);

impl Place {
    /// Takes a step that a later version knows.
    async fn take_later_step(&self, sql: &[&str]) {
        let (record, none) = match self {
            Self::File { .. } => ("_sqlx_migrations", "x''"),
            Self::Postgres(_) => ("migrations", "''::bytea"),
        };
        let taken = format!(
            "INSERT INTO {record} (version, description, success, checksum, execution_time) \
             VALUES (9999, 'later', true, {none}, 0)"
        );
        for statement in sql.iter().copied().chain([&*taken]) {
            self.execute(statement).await.expect("written");
        }
    }
}

async fn it_works_on_a_store_beside_a_later_version_that_has_added_to_it(place: Place) {
    let running = place.open().await;
    append(&running, 2).await;
    place
        .take_later_step(&[
            "CREATE TABLE later (number BIGINT)",
            "ALTER TABLE revision ADD COLUMN later TEXT NOT NULL DEFAULT 'nothing'",
        ])
        .await;
    // The one that runs goes on, and another one of its version may start.
    let two = Some(RevisionNumber(2));
    running.append(two, by("ada", "3")).await.expect("appended");
    let started = place.open().await;
    assert_eq!(revisions(&started).await, [3, 2, 1]);
    let three = Some(RevisionNumber(3));
    started
        .append(three, by("ada", "4"))
        .await
        .expect("appended");
    let later = "SELECT number FROM revision WHERE later = 'nothing' ORDER BY number";
    assert_eq!(place.numbers(later).await, [1, 2, 3, 4]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("backup.db");
    started.back_up(&file).await.expect("backed up");
    let copy = SqlStore::open(file.as_path()).await.expect("opened");
    assert_eq!(revisions(&copy).await, [4, 3, 2, 1]);
}

async fn it_refuses_a_store_that_needs_a_later_version_and_leaves_it_alone(place: Place) {
    let store = place.open().await;
    append(&store, 1).await;
    store.close().await;
    let later = "UPDATE layout SET needs = 9999";
    place.take_later_step(&[later]).await;
    let refused = SqlStore::open(place.address()).await.expect_err("too new");
    assert!(
        matches!(refused, OpenError::Newer { needs: 9999, .. }),
        "{refused}"
    );
    let said = refused.to_string();
    assert!(
        said.contains("run that version") && !said.contains("secret"),
        "{said}"
    );
    assert_eq!(place.numbers("SELECT number FROM revision").await, [1]);
    assert_eq!(place.numbers("SELECT needs FROM layout").await, [9999]);
}
