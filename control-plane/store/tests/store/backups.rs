//! Backups, from and into either database.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sqlx::Connection as _;
use store::{
    AuditEntry, AuditFilter, BackupError, ConfigStore, DefinitionReview, Input, Leadership,
    ReviewState, RevisionNumber, SqlStore, StoreError, StoredRejection, StoredRejectionChange,
    WithheldInput,
};
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::answers::answer;
use crate::places::Place;
use crate::rollouts::rollout;
use crate::samples::{accepted, append, by, catalogue, deed, revisions};

/// The name of the variable that turns this test program into a maker of backups in that folder.
const VICTIM: &str = "STORE_TEST_BACK_UP_INTO";

on_each_database!(
    it_restores_everything_into_either_database,
    it_copies_every_row_of_every_table,
    it_restores_into_an_empty_store_or_in_the_place_of_what_is_there,
    it_numbers_on_after_what_was_restored,
    it_makes_a_running_leader_start_anew_from_what_was_restored,
);

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A store with something in every table.
async fn full(place: &Place) -> SqlStore {
    let store = place.open().await;
    append(&store, 3).await;
    let mut data = catalogue(
        "data",
        &[("a", "{\"name\":\"a\"}"), ("b", "{\"n\": 1.0e+2}")],
    );
    data.reviews.push(DefinitionReview {
        tool: data.tools[0].clone(),
        state: ReviewState::Rejected,
        author: "ada".to_owned(),
        reason: "it writes".to_owned(),
        at: data.seen_at,
    });
    store.put_catalogue(&data).await.expect("put");
    let mut generation = accepted("g", 3);
    generation
        .lists
        .insert("data".to_owned(), data.to_generation_list());
    store.add_accepted(&generation).await.expect("added");
    let module = store::Module {
        sha256: "ab".repeat(32),
        bytes: 1,
        path: PathBuf::from("/modules/ab.wasm"),
        since: OffsetDateTime::UNIX_EPOCH,
    };
    let uploaded = deed("POST /api/v1/modules");
    let kept = store.keep_module(&module, b"\0asm", &uploaded);
    kept.await.expect("kept");
    let rejected = StoredRejectionChange::Rejected(StoredRejection {
        node: "envoy".to_owned(),
        type_url: "listener".to_owned(),
        name: "mcp".to_owned(),
        version: "1".to_owned(),
        message: "port in use".to_owned(),
        run_on: Some("0".to_owned()),
        at: OffsetDateTime::UNIX_EPOCH,
    });
    store.change_rejections(&[rejected]).await.expect("changed");
    let withheld = WithheldInput {
        input: Input::Revision(RevisionNumber(2)),
        reason: "port in use".to_owned(),
        at: OffsetDateTime::UNIX_EPOCH,
        is_in_force: false,
    };
    store.withhold(&withheld).await.expect("withheld");
    store.put_rollout(&rollout("r", 0)).await.expect("put");
    let kept = store.keep_generation("r", &generation).await;
    kept.expect("kept");
    store.put_answer(&answer("key", 3600)).await.expect("put");
    store.version_key(&[7; 32]).await.expect("stored");
    store
}

/// The deed of whoever restores.
fn restoring() -> AuditEntry {
    deed("portcullis store restore")
}

/// Everything that the store tells, but for what was restored.
async fn content(store: &SqlStore) -> String {
    let mut told = Vec::new();
    for summary in store.revisions(None, u32::MAX).await.expect("read") {
        let revision = store.revision(summary.number).await.expect("read");
        told.push(format!("{revision:?}"));
    }
    told.push(format!("{:?}", store.catalogues().await.expect("read")));
    told.push(format!("{:?}", store.modules().await.expect("read")));
    told.push(format!("{:?}", store.accepted().await.expect("read")));
    told.push(format!("{:?}", store.rejections().await.expect("read")));
    told.push(format!("{:?}", store.withheld().await.expect("read")));
    told.push(format!("{:?}", store.rollouts().await.expect("read")));
    let tried = store.generation_of("r").await.expect("read");
    told.push(format!("{tried:?}"));
    told.push(format!("{:?}", store.answer("key").await.expect("read")));
    let mut audit = store.audit(None, u32::MAX).await.expect("read");
    audit.retain(|record| !record.entry.what.starts_with(&restoring().what));
    told.push(format!("{audit:?}"));
    told.join("\n")
}

async fn it_restores_everything_into_either_database(place: Place) {
    let folder = folder();
    let file = folder.path().join("backup.db");
    let before = full(&place).await;
    let rows = before.back_up(&file).await.expect("backed up");
    let told = content(&before).await;
    for place in [Place::file(), Place::postgres().await] {
        let store = place.open().await;
        assert_eq!(
            store
                .restore(&file, false, &restoring())
                .await
                .expect("restored"),
            rows
        );
        assert_eq!(content(&store).await, told);
    }
    // One file, which nobody else can read, and nothing beside it.
    let left: Vec<PathBuf> = fs::read_dir(folder.path())
        .expect("readable")
        .map(|file| file.expect("readable").path())
        .collect();
    assert_eq!(left, [file.as_path()]);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(&file).expect("it exists").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

async fn it_copies_every_row_of_every_table(place: Place) {
    let folder = folder();
    let file = folder.path().join("backup.db");
    full(&place).await.back_up(&file).await.expect("backed up");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let mut backup = sqlx::SqliteConnection::connect_with(&options)
        .await
        .expect("opened");
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_master WHERE type = 'table' \
         AND name NOT LIKE 'sqlite_%' \
         AND name NOT IN ('_sqlx_migrations', 'leader', 'layout')",
    )
    .fetch_all(&mut backup)
    .await
    .expect("read");
    assert!(tables.len() > 10, "{tables:?}");
    for table in &tables {
        let counted = format!("SELECT count(*) FROM {table}");
        let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(&*counted))
            .fetch_one(&mut backup)
            .await
            .expect("counted");
        assert_eq!(place.numbers(&counted).await, [rows], "{table}");
        assert!(rows > 0, "nothing in `{table}`");
    }
}

async fn it_restores_into_an_empty_store_or_in_the_place_of_what_is_there(place: Place) {
    let folder = folder();
    let file = folder.path().join("backup.db");
    let source = Place::file();
    let before = full(&source).await;
    before.back_up(&file).await.expect("backed up");

    let store = place.open().await;
    store
        .append(None, by("grace", "1"))
        .await
        .expect("appended");
    let refused = store
        .restore(&file, false, &restoring())
        .await
        .expect_err("not empty");
    assert!(matches!(refused, BackupError::NotEmpty(1)), "{refused}");
    assert_eq!(revisions(&store).await, [1]);
    store
        .restore(&file, true, &restoring())
        .await
        .expect("restored");
    assert_eq!(content(&store).await, content(&before).await);
    // The trail is the backup's, and says so.
    let about = AuditFilter {
        kind: Some("versions".to_owned()),
        ..AuditFilter::default()
    };
    let newest = store.find_audit(&about, None, 1).await.expect("read");
    assert_eq!(
        newest[0].entry,
        AuditEntry {
            what: "portcullis store restore versions up to 3 in the place of those up to 1".into(),
            revision: Some(RevisionNumber(3)),
            ..restoring()
        }
    );
    // Revisions are as safe as ever.
    place
        .execute("DELETE FROM revision")
        .await
        .expect_err("refused");
}

async fn it_numbers_on_after_what_was_restored(place: Place) {
    let folder = folder();
    let file = folder.path().join("backup.db");
    full(&Place::file())
        .await
        .back_up(&file)
        .await
        .expect("backed up");
    let store = place.open().await;
    store
        .restore(&file, false, &restoring())
        .await
        .expect("restored");
    let audit = store.audit(None, 1).await.expect("read");
    let last = audit[0].sequence;
    let three = Some(RevisionNumber(3));
    store.append(three, by("ada", "4")).await.expect("appended");
    let audit = store.audit(None, 1).await.expect("read");
    assert_eq!(audit[0].sequence, last + 1);
    let next = accepted("h", 4);
    store.add_accepted(&next).await.expect("added");
    assert_eq!(store.accepted().await.expect("read")[0], next);
}

async fn it_makes_a_running_leader_start_anew_from_what_was_restored(place: Place) {
    let folder = folder();
    let file = folder.path().join("backup.db");
    full(&Place::file())
        .await
        .back_up(&file)
        .await
        .expect("backed up");
    let (leader, command) = (place.open().await, place.open().await);
    let lease = std::time::Duration::from_secs(3600);
    let led = leader.lead("leader", lease).await.expect("answered");
    assert!(matches!(led, Leadership::Leader(_)));
    command
        .restore(&file, true, &restoring())
        .await
        .expect("restored");
    let refused = leader.lead("leader", lease).await.expect_err("refused");
    assert!(matches!(refused, StoreError::Superseded), "{refused}");
}

#[tokio::test]
async fn it_names_a_file_that_is_there_already_and_a_backup_that_is_not() {
    let folder = folder();
    let store = full(&Place::file()).await;
    let file = folder.path().join("backup.db");
    fs::write(&file, "mine").expect("written");
    let refused = store.back_up(&file).await.expect_err("there already");
    assert!(matches!(refused, BackupError::Exists(_)), "{refused}");
    assert_eq!(fs::read_to_string(&file).expect("readable"), "mine");

    let refused = store
        .restore(&file, true, &restoring())
        .await
        .expect_err("no backup");
    let is_named = matches!(&refused, BackupError::Unreadable { path, .. } if *path == file);
    assert!(is_named, "{refused}");
    let missing = folder.path().join("missing.db");
    let refused = store
        .restore(&missing, true, &restoring())
        .await
        .expect_err("missing");
    assert!(matches!(refused, BackupError::Missing(_)), "{refused}");
    let empty = folder.path().join("empty.db");
    let place = Place::file();
    place.open().await.back_up(&empty).await.expect("backed up");
    let refused = store
        .restore(&empty, true, &restoring())
        .await
        .expect_err("empty");
    assert!(matches!(refused, BackupError::Empty(_)), "{refused}");
    assert_eq!(revisions(&store).await, [3, 2, 1]);
}

#[tokio::test]
async fn it_leaves_a_whole_backup_or_none_when_it_is_killed() {
    if let Some(folder) = std::env::var_os(VICTIM) {
        back_up_until_killed(Path::new(&folder)).await;
    }
    let folder = folder();
    let mut maker = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "--nocapture",
            "backups::it_leaves_a_whole_backup_or_none_when_it_is_killed",
        ])
        .env(VICTIM, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let output = BufReader::new(maker.stdout.take().expect("piped"));
    let mut made = 0;
    for line in output.lines() {
        made += usize::from(line.expect("text").starts_with("backed up"));
        if made == 5 {
            maker.kill().expect("killed");
        }
    }
    maker.wait().expect("ended");
    let mut whole = 0;
    for file in fs::read_dir(folder.path()).expect("readable") {
        let file = file.expect("readable").path();
        if file.extension().is_some_and(|extension| extension == "db") {
            let store = Place::file().open().await;
            store
                .restore(&file, false, &restoring())
                .await
                .expect("restored");
            assert_eq!(revisions(&store).await, [3, 2, 1]);
            whole += 1;
        }
    }
    assert!(whole >= made, "{whole} of {made}");
    // What it was killed in is in nobody's way.
    let store = full(&Place::file()).await;
    let again = folder.path().join(format!("{whole:04}.db"));
    store.back_up(&again).await.expect("backed up");
}

async fn back_up_until_killed(folder: &Path) -> ! {
    let store = full(&Place::file()).await;
    for number in 0.. {
        let file = folder.join(format!("{number:04}.db"));
        store.back_up(&file).await.expect("backed up");
        println!("backed up {number}");
    }
    unreachable!("there is always a next number")
}
