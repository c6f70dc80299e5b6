//! The SQLite store through its trait, on real files.
//!
//! Invariant 8 of `docs/architecture.md`.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use sqlx::Connection;
use store::{
    AcceptedGeneration, AppendError, AuditEntry, Catalogue, ConfigStore, Input, ListHash, Module,
    NewRevision, OpenError, RawTool, RevisionNumber, SqliteStore, StoreError, StoredRejection,
    StoredRejectionChange, StoredResource, WithheldInput,
};
use tempfile::TempDir;
use time::OffsetDateTime;

struct Place {
    // Deleted with everything in it when dropped.
    _folder: TempDir,
    file: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("state").join("control-plane.db");
    Place {
        _folder: folder,
        file,
    }
}

async fn open(file: &Path) -> SqliteStore {
    SqliteStore::open(file).await.expect("the store opens")
}

fn by(author: &str, document: &str) -> NewRevision {
    NewRevision {
        document: document.to_owned(),
        author: author.to_owned(),
        reason: format!("{author} had one"),
        action: "PUT /api/v1/config".to_owned(),
        origin: "127.0.0.1".to_owned(),
    }
}

fn catalogue(server: &str, tools: &[(&str, &str)]) -> Catalogue {
    let tools = tools
        .iter()
        .map(|(name, json)| RawTool {
            name: (*name).to_owned(),
            json: (*json).to_owned(),
        })
        .collect();
    let seen_at = OffsetDateTime::from_unix_timestamp(1_795_000_000).expect("a time");
    Catalogue::new(server.to_owned(), "2026-07-28".to_owned(), seen_at, tools)
}

#[tokio::test]
async fn it_has_nothing_in_an_empty_store() {
    let place = place();
    let store = open(&place.file).await;
    assert_eq!(store.head().await.expect("read"), None);
    assert_eq!(store.revision(RevisionNumber(1)).await.expect("read"), None);
    assert_eq!(store.revisions(None, 10).await.expect("read"), []);
    assert_eq!(store.catalogues().await.expect("read"), BTreeMap::new());
    assert_eq!(store.modules().await.expect("read"), []);
    assert_eq!(store.audit(None, 10).await.expect("read"), []);
    assert_eq!(store.accepted().await.expect("read"), []);
}

#[tokio::test]
async fn it_has_everything_again_when_the_file_is_opened_again() {
    let place = place();
    let first = open(&place.file).await;
    let revision = first
        .append(None, by("ada", r#"{"servers":{}}"#))
        .await
        .expect("appended");
    let data = catalogue("data", &[("list_tables", r#"{ "name":"list_tables" }"#)]);
    first.put_catalogue(&data).await.expect("put");
    let module = Module {
        sha256: "ab".repeat(32),
        bytes: 370_000,
        path: PathBuf::from("/modules/ab.wasm"),
        first_seen: OffsetDateTime::from_unix_timestamp(1_795_000_000).expect("a time"),
    };
    first.put_module(&module).await.expect("put");
    let accepted = AcceptedGeneration {
        generation: "g".to_owned(),
        revision: revision.summary.number,
        catalogues: BTreeMap::from([("data".to_owned(), data.hash.clone())]),
        module: module.sha256.clone(),
        resources: vec![resource("cluster", 1), resource("listener", 1)],
    };
    first.add_accepted(&accepted).await.expect("added");
    let rejection = StoredRejection {
        node: "envoy".to_owned(),
        type_url: "listener".to_owned(),
        name: "mcp".to_owned(),
        version: "2".to_owned(),
        message: "port in use".to_owned(),
        at: module.first_seen,
    };
    let rejected = StoredRejectionChange::Rejected(rejection.clone());
    first.change_rejections(&[rejected]).await.expect("changed");
    let inputs = [
        Input::List {
            server: "data".to_owned(),
            hash: data.hash.clone(),
        },
        Input::Module(module.sha256.clone()),
        Input::Revision(RevisionNumber(2)),
    ];
    let withheld = inputs.map(|input| WithheldInput {
        is_in_force: matches!(input, Input::Revision(_)),
        input,
        reason: "port in use".to_owned(),
        at: module.first_seen,
    });
    for one in &withheld {
        first.withhold(one).await.expect("withheld");
    }
    drop(first);

    let second = open(&place.file).await;
    assert_eq!(second.head().await.expect("read"), Some(revision.clone()));
    assert_eq!(
        second.revision(RevisionNumber(1)).await.expect("read"),
        Some(revision)
    );
    assert_eq!(
        second.catalogues().await.expect("read"),
        BTreeMap::from([("data".to_owned(), data)])
    );
    assert_eq!(
        second.module(&module.sha256).await.expect("read"),
        Some(module)
    );
    assert_eq!(second.accepted().await.expect("read"), [accepted]);
    assert_eq!(second.rejections().await.expect("read"), [rejection]);
    assert_eq!(second.withheld().await.expect("read"), withheld);
    let audit = second.audit(None, 10).await.expect("read");
    assert_eq!(audit.len(), 1);
    assert_eq!(audit[0].entry.revision, Some(RevisionNumber(1)));
}

#[tokio::test]
async fn it_refuses_a_revision_built_on_an_old_head_and_says_who_changed_it() {
    let place = place();
    let store = open(&place.file).await;
    store.append(None, by("ada", "1")).await.expect("appended");
    let two = store
        .append(Some(RevisionNumber(1)), by("grace", "2"))
        .await
        .expect("appended");

    let refused = store
        .append(Some(RevisionNumber(1)), by("ada", "3"))
        .await
        .expect_err("the head has moved");
    let AppendError::Conflict { expected, actual } = &refused else {
        panic!("{refused}");
    };
    assert_eq!(*expected, Some(RevisionNumber(1)));
    assert_eq!(*actual, Some(two.summary.clone()));
    let sentence = refused.to_string();
    assert!(
        sentence.contains("`grace` has stored revision 2"),
        "{sentence}"
    );
    assert_eq!(store.head().await.expect("read"), Some(two));
    assert_eq!(store.audit(None, 10).await.expect("read").len(), 2);
}

#[tokio::test]
async fn it_lets_exactly_one_of_many_writers_win_each_round() {
    let place = place();
    let one = Arc::new(open(&place.file).await);
    let another = Arc::new(open(&place.file).await);
    let mut head = None;
    for round in 1..=5 {
        let mut writers = Vec::new();
        for writer in 0..8 {
            let store = Arc::clone(if writer % 2 == 0 { &one } else { &another });
            writers.push(tokio::spawn(async move {
                store
                    .append(head, by(&format!("writer {writer}"), "{}"))
                    .await
            }));
        }
        let mut winners = Vec::new();
        for writer in writers {
            match writer.await.expect("no panic") {
                Ok(revision) => winners.push(revision),
                Err(AppendError::Conflict { actual, .. }) => {
                    assert_eq!(
                        actual.map(|summary| summary.number),
                        Some(RevisionNumber(round))
                    );
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(winners.len(), 1);
        head = Some(winners[0].summary.number);
        assert_eq!(head, Some(RevisionNumber(round)));
    }
}

#[tokio::test]
async fn it_lists_revisions_newest_first_and_by_page() {
    let place = place();
    let store = open(&place.file).await;
    let mut head = None;
    for document in ["1", "2", "3"] {
        let revision = store
            .append(head, by("ada", document))
            .await
            .expect("appended");
        head = Some(revision.summary.number);
    }
    let numbers = async |before, limit| -> Vec<u64> {
        let page = store.revisions(before, limit).await.expect("read");
        page.iter().map(|summary| summary.number.0).collect()
    };
    assert_eq!(numbers(None, 2).await, [3, 2]);
    assert_eq!(numbers(Some(RevisionNumber(2)), 2).await, [1]);
}

#[tokio::test]
async fn it_lets_no_stored_revision_be_changed_or_deleted() {
    let place = place();
    let store = open(&place.file).await;
    store.append(None, by("ada", "1")).await.expect("appended");
    store.close().await;
    for statement in ["UPDATE revision SET document = '2'", "DELETE FROM revision"] {
        let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", place.file.display()))
            .await
            .expect("opens");
        let refused = sqlx::query(statement)
            .execute(&pool)
            .await
            .expect_err("refused");
        assert!(refused.to_string().contains("never"), "{refused}");
    }
}

#[tokio::test]
async fn it_keeps_tools_byte_for_byte_and_in_order() {
    let place = place();
    let store = open(&place.file).await;
    let odd = "{\"name\":\"z\",\n\t\"n\": 1.0e+2, \"u\":\"\\u00e9 é \\u0000\"  }";
    let data = catalogue(
        "data",
        &[("z", odd), ("a", "{}"), ("z", "{\"again\":true}")],
    );
    store.put_catalogue(&data).await.expect("put");
    let read = store.catalogues().await.expect("read");
    assert_eq!(read["data"].tools, data.tools);
    assert_eq!(read["data"].tools[0].json.as_bytes(), odd.as_bytes());
}

#[tokio::test]
async fn it_remembers_since_when_each_tool_was_listed_and_which_endpoint_answered() {
    let place = place();
    let (a, b, c) = (
        ("a", "{\"name\":\"a\"}"),
        ("b", "{\"name\":\"b\"}"),
        ("c", "{\"name\":\"c\"}"),
    );
    let first = catalogue("data", &[a, b]);
    let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("a time");
    let second = Catalogue {
        since: BTreeMap::from([
            ("b".to_owned(), at(1_795_000_060)),
            ("c".to_owned(), at(1_795_000_060)),
        ]),
        ..catalogue("data", &[b, c])
    }
    .from_endpoint("http://127.0.0.1:8000/mcp".to_owned())
    .following(&first);
    {
        let store = open(&place.file).await;
        store.put_catalogue(&first).await.expect("put");
        store.put_catalogue(&second).await.expect("put");
    }
    let store = open(&place.file).await;
    let read = store.catalogues().await.expect("read");
    assert_eq!(read["data"], second);
    assert_eq!(read["data"].since["b"], first.seen_at);
    assert_eq!(read["data"].since["c"], at(1_795_000_060));

    // What was forgotten is new when it comes again.
    store.remove_catalogue("data").await.expect("removed");
    let again = catalogue("data", &[b, c]);
    store.put_catalogue(&again).await.expect("put");
    let read = store.catalogues().await.expect("read");
    assert_eq!(read["data"], again);
}

#[tokio::test]
async fn it_keeps_the_lists_of_the_accepted_generation_while_the_server_moves_on() {
    let place = place();
    let store = open(&place.file).await;
    store.append(None, by("ada", "1")).await.expect("appended");
    let old = catalogue("data", &[("a", "{}")]);
    store.put_catalogue(&old).await.expect("put");
    let accepted = AcceptedGeneration {
        generation: "g".to_owned(),
        revision: RevisionNumber(1),
        catalogues: BTreeMap::from([("data".to_owned(), old.hash.clone())]),
        module: "ab".repeat(32),
        resources: Vec::new(),
    };
    store.add_accepted(&accepted).await.expect("added");
    let new = catalogue("data", &[("a", "{}"), ("b", "{}")]);
    store.put_catalogue(&new).await.expect("put");
    store.remove_catalogue("data").await.expect("removed");

    assert_eq!(store.catalogues().await.expect("read"), BTreeMap::new());
    assert_eq!(
        store.tool_list(&old.hash).await.expect("read"),
        Some(old.tools)
    );
}

fn resource(kind: &str, version: u8) -> StoredResource {
    StoredResource {
        type_url: kind.to_owned(),
        version: version.to_string(),
        value: vec![version, 0, 255],
    }
}

#[tokio::test]
async fn it_keeps_the_last_three_accepted_generations_and_no_content_beyond_them() {
    let place = place();
    let store = open(&place.file).await;
    store.append(None, by("ada", "1")).await.expect("appended");
    let accepted = |number: u8| AcceptedGeneration {
        generation: number.to_string(),
        revision: RevisionNumber(1),
        catalogues: BTreeMap::new(),
        module: String::new(),
        resources: vec![resource("cluster", 1), resource("listener", number)],
    };
    for number in 1..=5 {
        store.add_accepted(&accepted(number)).await.expect("added");
    }
    let newest = [accepted(5), accepted(4), accepted(3)];
    assert_eq!(store.accepted().await.expect("read"), newest);
    // One that is accepted again and again takes the place of none.
    for _ in 0..3 {
        store.add_accepted(&accepted(5)).await.expect("added");
    }
    assert_eq!(store.accepted().await.expect("read"), newest);
    store.remove_accepted("5").await.expect("removed");
    assert_eq!(store.accepted().await.expect("read"), newest[1..]);
    store.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&place.file);
    let mut file = sqlx::SqliteConnection::connect_with(&options)
        .await
        .expect("opened");
    let contents: i64 = sqlx::query_scalar("SELECT count(*) FROM content")
        .fetch_one(&mut file)
        .await
        .expect("counted");
    assert_eq!(contents, 3);
}

#[tokio::test]
async fn it_keeps_one_rejection_of_each_resource_until_it_is_told_that_it_is_over() {
    let place = place();
    let store = open(&place.file).await;
    let rejection = |name: &str, version: &str| StoredRejection {
        node: "envoy".to_owned(),
        type_url: "listener".to_owned(),
        name: name.to_owned(),
        version: version.to_owned(),
        message: String::new(),
        at: OffsetDateTime::UNIX_EPOCH,
    };
    let rejected = [
        rejection("a", "1"),
        rejection("a", "2"),
        rejection("b", "1"),
    ]
    .map(StoredRejectionChange::Rejected);
    store.change_rejections(&rejected).await.expect("changed");
    let kept = [rejection("a", "2"), rejection("b", "1")];
    assert_eq!(store.rejections().await.expect("read"), kept);
    let ended = StoredRejectionChange::Ended {
        node: "envoy".to_owned(),
        type_url: "listener".to_owned(),
        name: "a".to_owned(),
    };
    store.change_rejections(&[ended]).await.expect("changed");
    assert_eq!(store.rejections().await.expect("read"), kept[1..]);
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

#[tokio::test]
async fn it_tells_an_empty_list_from_an_unknown_one() {
    let place = place();
    let store = open(&place.file).await;
    let empty = catalogue("data", &[]);
    assert_eq!(store.tool_list(&empty.hash).await.expect("read"), None);
    store.put_catalogue(&empty).await.expect("put");
    assert_eq!(
        store.tool_list(&empty.hash).await.expect("read"),
        Some(Vec::new())
    );
}

#[tokio::test]
async fn it_accepts_no_generation_of_an_unknown_revision() {
    let place = place();
    let store = open(&place.file).await;
    let accepted = AcceptedGeneration {
        generation: "g".to_owned(),
        revision: RevisionNumber(7),
        catalogues: BTreeMap::new(),
        module: String::new(),
        resources: Vec::new(),
    };
    let refused = store.add_accepted(&accepted).await.expect_err("refused");
    assert!(matches!(refused, StoreError::Database { .. }), "{refused}");
    assert_eq!(store.accepted().await.expect("read"), []);
}

#[test]
fn it_hashes_a_list_by_where_definitions_end_and_by_their_order() {
    let hash = |definitions: &[&str]| {
        let tools: Vec<_> = definitions
            .iter()
            .map(|json| RawTool {
                name: String::new(),
                json: (*json).to_owned(),
            })
            .collect();
        ListHash::of(&tools)
    };
    assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
    assert_ne!(hash(&["a", "b"]), hash(&["b", "a"]));
    assert_eq!(hash(&["a", "b"]), hash(&["a", "b"]));
}

#[tokio::test]
async fn it_keeps_the_time_at_which_a_module_was_first_seen() {
    let place = place();
    let store = open(&place.file).await;
    let first = Module {
        sha256: "ab".repeat(32),
        bytes: 1,
        path: PathBuf::from("/old/ab.wasm"),
        first_seen: OffsetDateTime::from_unix_timestamp(1_000).expect("a time"),
    };
    let moved = Module {
        path: PathBuf::from("/new/ab.wasm"),
        first_seen: OffsetDateTime::from_unix_timestamp(2_000).expect("a time"),
        ..first.clone()
    };
    store.put_module(&first).await.expect("put");
    store.put_module(&moved).await.expect("put");
    assert_eq!(
        store.modules().await.expect("read"),
        [Module {
            first_seen: first.first_seen,
            ..moved
        }]
    );
}

#[tokio::test]
async fn it_reads_audit_records_newest_first_and_by_page() {
    let place = place();
    let store = open(&place.file).await;
    let entry = |what: &str| AuditEntry {
        who: "ada".to_owned(),
        what: what.to_owned(),
        revision: None,
        origin: "10.0.0.7".to_owned(),
        reason: String::new(),
    };
    let first = store.record(&entry("first")).await.expect("recorded");
    let second = store.record(&entry("second")).await.expect("recorded");
    let place_of_second = second.sequence;
    assert_eq!(store.audit(None, 1).await.expect("read"), [second]);
    assert_eq!(
        store.audit(Some(place_of_second), 5).await.expect("read"),
        [first]
    );
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
    let refused = SqliteStore::open(&place.file)
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
    let refused = SqliteStore::open(&place.file).await.expect_err("damaged");
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
        let refused = SqliteStore::open(&path)
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

#[tokio::test]
async fn it_refuses_a_file_of_a_later_version() {
    let place = place();
    let store = open(&place.file).await;
    store.close().await;
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", place.file.display()))
        .await
        .expect("opens");
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', 1, x'00', 0)",
    )
    .execute(&pool)
    .await
    .expect("written");
    pool.close().await;
    let refused = SqliteStore::open(&place.file).await.expect_err("too new");
    assert!(matches!(refused, OpenError::Layout { .. }), "{refused}");
}

/// The name of the variable that turns this test program into the writer that is killed.
const VICTIM: &str = "STORE_TEST_APPEND_TO";

#[tokio::test]
async fn it_loses_nothing_that_was_answered_when_the_process_is_killed() {
    if let Some(file) = std::env::var_os(VICTIM) {
        append_until_killed(Path::new(&file)).await;
        return;
    }
    let place = place();
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "--nocapture",
            "it_loses_nothing_that_was_answered_when_the_process_is_killed",
        ])
        .env(VICTIM, &place.file)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let answered = {
        use std::io::BufRead;
        let output = child.stdout.take().expect("piped");
        let mut answered = 0;
        for line in std::io::BufReader::new(output).lines() {
            let line = line.expect("text");
            if let Some(number) = line.strip_prefix("answered ") {
                answered = number.parse().expect("a number");
                if answered == 20 {
                    child.kill().expect("killed");
                }
            }
        }
        answered
    };
    child.wait().expect("ended");
    assert!(answered >= 20);

    let store = open(&place.file).await;
    let head = store.head().await.expect("read").expect("there is one");
    assert!(head.summary.number.0 >= answered);
    let revisions = store.revisions(None, u32::MAX).await.expect("read");
    let audit = store.audit(None, u32::MAX).await.expect("read");
    assert_eq!(revisions.len() as u64, head.summary.number.0);
    assert_eq!(audit.len(), revisions.len());
}

async fn append_until_killed(file: &Path) {
    let store = open(file).await;
    let mut head = None;
    loop {
        let revision = store.append(head, by("ada", "{}")).await.expect("appended");
        head = Some(revision.summary.number);
        println!("answered {}", revision.summary.number);
    }
}
