//! The particulars of a store in a file.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use store::{ConfigStore, OpenError, SqlStore, StoredRejection, StoredRejectionChange};
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::samples::by;

struct FilePlace {
    // Deleted with everything in it when dropped.
    _folder: TempDir,
    file: PathBuf,
}

fn place() -> FilePlace {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("state").join("control-plane.db");
    FilePlace {
        _folder: folder,
        file,
    }
}

async fn open(file: &Path) -> SqlStore {
    SqlStore::open(file).await.expect("the store opens")
}

#[tokio::test]
async fn it_makes_files_for_this_user_only() {
    let place = place();
    let store = open(&place.file).await;
    store.append(None, by("ada", "1")).await.expect("appended");
    let folder = place.file.parent().expect("it has one");
    assert_eq!(mode(folder), 0o700);
    let mut seen = 0;
    for file in fs::read_dir(folder).expect("readable") {
        assert_eq!(mode(&file.expect("readable").path()), 0o600);
        seen += 1;
    }
    assert!(seen >= 2, "the write-ahead log lies beside the file");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it exists").permissions().mode() & 0o777
}

#[tokio::test]
async fn it_calls_a_file_that_is_no_database_damaged_and_leaves_it_alone() {
    let place = place();
    fs::create_dir_all(place.file.parent().expect("it has one")).expect("created");
    let content = "shopping list\n".repeat(200);
    fs::write(&place.file, &content).expect("written");
    let refused = SqlStore::open(place.file.as_path())
        .await
        .expect_err("no database");
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
    assert!(
        refused.to_string().contains("control-plane.db"),
        "{refused}"
    );
    assert_eq!(fs::read_to_string(&place.file).expect("readable"), content);
}

#[tokio::test]
async fn it_calls_a_file_with_overwritten_pages_damaged() {
    let place = place();
    let store = open(&place.file).await;
    let long = "x".repeat(200_000);
    store
        .append(None, by("ada", &long))
        .await
        .expect("appended");
    store.close().await;
    let mut bytes = fs::read(&place.file).expect("readable");
    for byte in &mut bytes[4096..] {
        *byte = 0xa5;
    }
    fs::write(&place.file, bytes).expect("written");
    let refused = SqlStore::open(place.file.as_path())
        .await
        .expect_err("damaged");
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
}

#[tokio::test]
async fn it_names_a_path_that_cannot_be_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    let dangling = folder.path().join("dangling");
    symlink("/proc/nowhere/control-plane.db", &dangling).expect("linked");
    for path in [folder.path().to_owned(), file.join("below.db"), dangling] {
        let refused = SqlStore::open(path.as_path())
            .await
            .expect_err("cannot be opened");
        assert!(
            matches!(refused, OpenError::Inaccessible { .. }),
            "{refused}"
        );
        assert!(
            refused.to_string().contains(&*path.to_string_lossy()),
            "{refused}"
        );
    }
}

/// How many transactions have written to a store since its log began: each ends with a frame that
/// says how large the file is now (SQLite's file format, section 4.1).
fn commits(file: &Path) -> usize {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let log = fs::read(log).expect("the store is open");
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().expect("four bytes"));
    let frame = 24 + number(8) as usize;
    (32..log.len())
        .step_by(frame)
        .filter(|start| number(start + 4) > 0)
        .count()
}

#[tokio::test]
async fn it_takes_in_the_rejections_of_a_whole_fleet_in_one_transaction() {
    let place = place();
    let store = open(&place.file).await;
    let changes: Vec<StoredRejectionChange> = (0..100)
        .map(|number| {
            StoredRejectionChange::Rejected(StoredRejection {
                node: format!("envoy {number:03}"),
                type_url: "listener".to_owned(),
                name: "mcp".to_owned(),
                version: "1".to_owned(),
                message: "port in use".to_owned(),
                run_on: None,
                at: OffsetDateTime::UNIX_EPOCH,
            })
        })
        .collect();
    let before = commits(&place.file);
    store.change_rejections(&changes).await.expect("changed");
    assert_eq!(commits(&place.file), before + 1);
    assert_eq!(store.rejections().await.expect("read").len(), 100);
    // There is nothing to write where nothing has changed.
    store.change_rejections(&[]).await.expect("changed");
    assert_eq!(commits(&place.file), before + 1);
}
