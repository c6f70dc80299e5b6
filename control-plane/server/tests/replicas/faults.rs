//! Faults in the middle of a write: the process is killed, the disk is full, the PostgreSQL is gone
//! and back. What was answered is there; what was not is there whole, or not at all.

use std::path::Path;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use store::SqlStore;

use crate::database::{Database, PASSWORD};
use crate::replica::{Replica, until};
use crate::way::Way;

/// Checks that each accepted revision says what its author was told: the time-out of all tools.
async fn check_all_there(control_plane: &Replica, accepted: &[(u64, u32)]) {
    for (revision, seconds) in accepted {
        let path = format!("/api/v1/versions/{revision}");
        let (status, version) = control_plane.get(&path).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{version}");
        let timeout = &version["document"]["tools"][0]["timeout"];
        // Whole minutes are written as such.
        let told = match seconds % 60 {
            0 => format!("{}m", seconds / 60),
            _ => format!("{seconds}s"),
        };
        assert_eq!(*timeout, told, "{version}");
    }
}

fn revision_of(report: &Value) -> u64 {
    report["revision"].as_u64().unwrap()
}

/// Makes two changes that are accepted.
async fn write_twice(control_plane: &Replica, first: u32) -> Vec<(u64, u32)> {
    let mut accepted = Vec::new();
    for seconds in first..first + 2 {
        let (status, report) = control_plane.set_timeout(seconds).await;
        assert_eq!(status, StatusCode::OK, "{report}");
        accepted.push((revision_of(&report), seconds));
    }
    accepted
}

/// The bytes of a page of SQLite in the log that is written first: a header, and the page.
const FRAME: u64 = 24 + 4_096;

/// The signal to a process that has a file grow beyond its limit (`signal(7)`).
const SIGXFSZ: i32 = 25;

/// The most pages that one change writes; more are a fault of this test.
const MOST_FRAMES: u64 = 200;

#[tokio::test]
async fn it_has_every_accepted_change_wherever_in_a_write_it_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = path.to_str().unwrap();
    let log = folder.path().join("store.db-wal");
    let mut all = Vec::new();
    let mut kills = 0;
    // Each round ends the process at the next page that a change writes, until the change is
    // answered; the last one has room for every page.
    loop {
        // What was written ahead is in the store then, so that the log begins anew.
        SqlStore::open(path.as_path()).await.unwrap().close().await;
        assert!(!log.exists());
        let mut control_plane = Replica::start(store, folder.path());
        let version = control_plane.until_it_leads().await;
        check_all_there(&control_plane, &all).await;
        let last = all.last().map_or(1, |(revision, _)| *revision);
        // The write that was not answered is there, or is not.
        let newest = version["newest_revision"].as_u64().unwrap();
        assert!([last, last + 1].contains(&newest), "{newest} after {last}");
        let first = 1 + 100 * u32::try_from(kills).unwrap();
        all.extend(write_twice(&control_plane, first).await);
        // Where a file would grow beyond this, the kernel ends whoever writes (`setrlimit(2)`).
        let written = std::fs::metadata(&log).unwrap().len();
        control_plane.limit_files(&(written + kills * FRAME).to_string());
        let answer = control_plane.try_timeout(first + 2).await;
        if let Some((status, report)) = answer {
            assert_eq!(status, StatusCode::OK, "{report}");
            all.push((revision_of(&report), first + 2));
            control_plane.limit_files("unlimited");
            check_all_there(&control_plane, &all).await;
            break;
        }
        let signal = control_plane.signal_of_its_end().await;
        assert_eq!(signal, Some(SIGXFSZ), "at page {kills}");
        kills += 1;
        assert!(kills < MOST_FRAMES, "the change is never answered");
    }
    // A revision, its record, its policy and their indexes are on pages of their own.
    assert!(kills >= 5, "{kills} pages");
}

#[tokio::test]
async fn it_refuses_changes_while_its_disk_is_full_and_takes_them_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.db");
    let control_plane = Replica::start_with_growing_files(store.to_str().unwrap(), folder.path());
    control_plane.until_it_leads().await;
    let (status, report) = control_plane.set_timeout(1).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    let before = revision_of(&report);
    // No file may grow, as on a disk that is full.
    control_plane.limit_files("1");
    let (status, problem) = control_plane.set_timeout(2).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    assert_eq!(problem["type"], "urn:portcullis:store", "{problem}");
    let (status, version) = control_plane.get("/api/v1/version").await.unwrap();
    assert_eq!(
        (status, &version["newest_revision"]),
        (StatusCode::OK, &before.into())
    );
    control_plane.limit_files("unlimited");
    let (status, report) = until(async || {
        let (status, report) = control_plane.set_timeout(3).await;
        (status != StatusCode::SERVICE_UNAVAILABLE).then_some((status, report))
    })
    .await;
    assert_eq!(
        (status, revision_of(&report)),
        (StatusCode::OK, before + 1),
        "{report}"
    );
    check_all_there(&control_plane, &[(before, 1), (before + 1, 3)]).await;
}

#[tokio::test]
async fn it_has_every_accepted_change_when_its_postgresql_goes_away_in_the_middle_of_writes() {
    let folder = tempfile::tempdir().unwrap();
    let Database { port, name } = Database::with("").await;
    let mut way = Way::to(port).await;
    let store = format!("postgres://postgres:{PASSWORD}@{}/{name}", way.address);
    let mut all = Vec::new();
    let mut control_plane = started(&store, folder.path()).await;
    for round in 0..4 {
        let first = 1 + 100 * u32::try_from(round).unwrap();
        for seconds in first..first + 2 {
            let written = until(async || {
                match control_plane.try_timeout(seconds).await {
                    Some((StatusCode::OK, report)) => return Some(revision_of(&report)),
                    // Where the answer to a write was lost it ends, to start from the store.
                    _ if control_plane.has_ended() => {
                        control_plane = started(&store, folder.path()).await;
                    }
                    _ => {}
                }
                None
            });
            all.push((written.await, seconds));
        }
        check_all_there(&control_plane, &all).await;
        let cutting = async {
            // Another moment of the third write in each round.
            tokio::time::sleep(Duration::from_millis(5 * round)).await;
            way.cut().await;
        };
        let ((), answer) = tokio::join!(cutting, control_plane.try_timeout(first + 2));
        let accepted = answer.filter(|(status, _)| status.is_success());
        all.extend(accepted.map(|(_, report)| (revision_of(&report), first + 2)));
        way.mend().await;
    }
}

async fn started(store: &str, folder: &Path) -> Replica {
    let control_plane = Replica::start(store, folder);
    control_plane.until_it_leads().await;
    control_plane
}
