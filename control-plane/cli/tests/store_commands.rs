//! `portcullis store` on a real file: what it writes, what it refuses, and its exit status.

use std::path::Path;
use std::process::{Command, Output};

use store::{ConfigStore, NewRevision, SqlStore};

async fn store_with(file: &Path, revisions: u64) -> SqlStore {
    let store = SqlStore::open(file).await.unwrap();
    for number in 1..=revisions {
        append(&store, number).await;
    }
    store
}

/// Appends the revision of this number.
async fn append(store: &SqlStore, number: u64) {
    let before = store.head().await.unwrap();
    let revision = NewRevision {
        document: format!("{{\"number\":{number}}}"),
        author: "ada".to_owned(),
        reason: String::new(),
        action: "PUT /api/v1/config".to_owned(),
        origin: String::new(),
        modules: Vec::new(),
    };
    let before = before.map(|head| head.summary.number);
    store.append(before, revision).await.unwrap();
}

async fn revisions(store: &SqlStore) -> usize {
    store.revisions(None, u32::MAX).await.unwrap().len()
}

/// Runs `portcullis store` with these arguments, on the store in `data`.
fn run(folder: &Path, data: &str, arguments: &[&str]) -> Output {
    command(folder, data, arguments).output().unwrap()
}

fn command(folder: &Path, data: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .arg("store")
        .args(arguments)
        .current_dir(folder)
        .env("PORTCULLIS_DATA", folder.join(data))
        .env_remove("CONTROL_PLANE_STORE");
    command
}

fn words(output: &Output) -> String {
    assert!(output.stdout.is_empty(), "words are for standard error");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn it_backs_a_store_up_and_restores_it_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let used = folder.path().join("used/control-plane.db");
    // It is open all the while, as by a control plane.
    let store = store_with(&used, 3).await;
    let output = run(folder.path(), "used", &["backup", "copy.db"]);
    assert!(output.status.success(), "{}", words(&output));

    let output = run(folder.path(), "other", &["restore", "copy.db"]);
    assert!(output.status.success(), "{}", words(&output));
    let other = SqlStore::open(folder.path().join("other/control-plane.db"));
    let other = other.await.unwrap();
    assert_eq!(other.head().await.unwrap(), store.head().await.unwrap());

    let output = run(folder.path(), "other", &["restore", "copy.db"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains("`--replace`"), "{}", words(&output));
    append(&other, 4).await;
    let arguments = ["restore", "--replace", "copy.db", "--author", "ada"];
    let arguments: Vec<&str> = arguments.into_iter().chain(["--reason", "a try"]).collect();
    let output = run(folder.path(), "other", &arguments);
    assert!(output.status.success(), "{}", words(&output));
    assert_eq!(revisions(&other).await, 3);
    let newest = other.audit(None, 1).await.unwrap().remove(0).entry;
    assert_eq!(
        [newest.who, newest.origin, newest.reason],
        ["ada", "copy.db", "a try"]
    );
    let about = "versions up to 3 in the place of those up to 4";
    assert_eq!(newest.what, format!("portcullis store restore {about}"));
}

#[tokio::test]
async fn it_names_the_backup_that_cannot_be_read_and_no_other_file() {
    let folder = tempfile::tempdir().unwrap();
    store_with(&folder.path().join("data/control-plane.db"), 1).await;
    std::fs::write(folder.path().join("notes.txt"), "no database").unwrap();
    std::fs::create_dir(folder.path().join("folder.db")).unwrap();
    for (file, part) in [
        ("notes.txt", "is no backup that can be read: "),
        ("folder.db", "cannot copy to or from"),
        ("not-there.db", "there is no backup"),
    ] {
        let output = run(folder.path(), "data", &["restore", "--replace", file]);
        let words = words(&output);
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(
            words.contains(part) && words.contains(&format!("`{file}`")),
            "{words}"
        );
        let temporary = std::env::temp_dir();
        assert!(!words.contains(&*temporary.to_string_lossy()), "{words}");
    }
}

#[tokio::test]
async fn it_prunes_what_it_is_told_to_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_with(&folder.path().join("data/control-plane.db"), 5).await;
    let output = run(folder.path(), "data", &["prune"]);
    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
    let output = run(folder.path(), "data", &["prune", "--keep-revisions", "0"]);
    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
    assert_eq!(revisions(&store).await, 5);

    let output = run(
        folder.path(),
        "data",
        &["prune", "--keep-revisions", "2", "--author", "a\nb"],
    );
    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
    assert_eq!(revisions(&store).await, 5);

    let arguments = [
        "--keep-revisions",
        "2",
        "--author",
        "ada",
        "--reason",
        "room",
    ];
    let arguments: Vec<&str> = ["prune"].into_iter().chain(arguments).collect();
    let output = run(folder.path(), "data", &arguments);
    assert!(output.status.success(), "{}", words(&output));
    assert!(words(&output).starts_with("3 revisions, 0 audit"));
    assert_eq!(revisions(&store).await, 2);
    let newest = store.audit(None, 1).await.unwrap().remove(0).entry;
    assert_eq!(
        [newest.who, newest.what, newest.reason],
        [
            "ada",
            "portcullis store prune versions up to 3 (3 of them)",
            "room"
        ]
    );
    // As a timer runs it.
    let output = command(folder.path(), "data", &["prune", "--keep-audit-days", "0"])
        .env_remove("USER")
        .env_remove("LOGNAME")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", words(&output));
    let left = store.audit(None, 10).await.unwrap();
    let left: Vec<&str> = left.iter().map(|record| &*record.entry.what).collect();
    assert_eq!(left.len(), 2);
    assert_eq!(left[0], "portcullis store prune audit up to 5 (5 of them)");
    let newest = store.audit(None, 1).await.unwrap().remove(0).entry;
    let login = Command::new("id").arg("-un").output().unwrap().stdout;
    assert_eq!(newest.who, String::from_utf8(login).unwrap().trim());
}

#[test]
fn it_names_a_store_that_is_not_there_instead_of_making_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["backup", "copy.db"][..],
        &["prune", "--keep-audit-days", "1"],
    ] {
        let output = run(folder.path(), "data", arguments);
        assert_eq!(output.status.code(), Some(1));
        let words = words(&output);
        assert!(words.contains("there is no configuration store"), "{words}");
    }
    assert!(!folder.path().join("data").exists());
}
