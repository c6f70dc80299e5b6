//! The process is killed, the machine goes down, the disk is full.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use store::{AppendError, ConfigStore, SqlStore, StoreAddress};

use crate::places::Place;
use crate::samples::{append, by, revisions};

/// The name of the variable that turns this test program into a writer to the store there.
const VICTIM: &str = "STORE_TEST_APPEND_TO";

/// The test of this program that is turned into the writer.
const WRITER: &str = "crashes::on_sqlite::\
                      it_loses_nothing_that_was_answered_when_the_process_is_killed";

/// The bytes of the writer's documents: a small disk is full of them soon.
const DOCUMENT: usize = 20_000;

on_each_database!(it_loses_nothing_that_was_answered_when_the_process_is_killed);

async fn it_loses_nothing_that_was_answered_when_the_process_is_killed(place: Place) {
    if let Some(address) = std::env::var_os(VICTIM) {
        append_until_refused(address.into()).await;
        return;
    }
    let mut writer = writer(Command::new(this_program()), &place);
    let mut answered = 0;
    for line in lines_of(&mut writer) {
        if let Some(number) = line.strip_prefix("answered ") {
            answered = number.parse().expect("a number");
            if answered == 20 {
                writer.kill().expect("killed");
            }
        }
    }
    writer.wait().expect("ended");
    assert!(answered >= 20);

    let store = place.open().await;
    let stored = revisions(&store).await;
    assert!(stored[0] >= answered);
    assert_eq!(stored.len() as u64, stored[0]);
    let audit = store.audit(None, u32::MAX).await.expect("read");
    assert_eq!(audit.len(), stored.len());
}

#[tokio::test]
async fn it_has_each_write_whole_or_not_at_all_wherever_the_process_is_killed_in_it() {
    let place = Place::file();
    let Place::File { file, .. } = &place else {
        unreachable!("it is a file");
    };
    let store = place.open().await;
    let begun = fs::read(log_of(file)).expect("the store is open").len();
    append(&store, 3).await;
    // Whatever a process writes goes to the end of the log: wherever it is killed, a beginning of
    // these bytes is there.
    let (whole, log) = (
        fs::read(file).expect("read"),
        fs::read(log_of(file)).expect("read"),
    );
    let mut seen = Vec::new();
    for end in (begun..log.len()).step_by(1_000).chain([log.len()]) {
        let killed = Place::file();
        let Place::File { file, .. } = &killed else {
            unreachable!("it is a file");
        };
        fs::create_dir_all(file.parent().expect("it has one")).expect("created");
        fs::write(file, &whole).expect("written");
        fs::write(log_of(file), &log[..end]).expect("written");
        let store = killed.open().await;
        let stored = revisions(&store).await;
        let audit = store.audit(None, u32::MAX).await.expect("read");
        assert_eq!(audit.len(), stored.len(), "after {end} bytes");
        assert!(stored.iter().rev().copied().eq(1..=stored.len() as u64));
        seen.push(stored.len());
    }
    assert!(seen.is_sorted(), "{seen:?}");
    seen.dedup();
    assert_eq!(seen, [0, 1, 2, 3]);
}

#[tokio::test]
async fn it_refuses_what_a_full_disk_cannot_hold_and_goes_on_when_there_is_room() {
    let place = Place::file();
    place.open().await.close().await;
    let mut limited = Command::new("sh");
    // As on a full disk the system refuses to let a file grow, here beyond 2 MB.
    let begin = "trap '' XFSZ; ulimit -f 4000; exec \"$0\" \"$@\"";
    limited.args(["-c", begin]).arg(this_program());
    let mut writer = writer(limited, &place);
    let said: Vec<String> = lines_of(&mut writer).collect();
    assert!(writer.wait().expect("ended").success(), "{said:?}");
    let last = |what: &str| {
        let mut found = said.iter().filter_map(|line| line.strip_prefix(what));
        found.next_back().map(str::to_owned)
    };
    let refused = last("refused ").expect("the disk was full");
    assert!(refused.contains("could not store a revision"), "{refused}");
    let answered: u64 = last("answered ")
        .expect("there was room")
        .parse()
        .expect("a number");
    assert_eq!(last("head "), Some(answered.to_string()));

    let store = place.open().await;
    assert_eq!(revisions(&store).await[0], answered);
    let head = store
        .head()
        .await
        .expect("read")
        .map(|head| head.summary.number);
    let next = store.append(head, by("ada", "{}")).await.expect("appended");
    assert_eq!(next.summary.number.0, answered + 1);
}

/// Turns the command of this program into a writer that appends until it is refused or stopped.
fn writer(mut program: Command, place: &Place) -> Child {
    let address = match place.address() {
        StoreAddress::File(file) => file.into_os_string(),
        StoreAddress::Postgres(url) => url.into(),
        StoreAddress::InFile(_) => unreachable!("no place is named so"),
    };
    program
        .args(["--exact", "--nocapture", WRITER])
        .env(VICTIM, address)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts")
}

fn this_program() -> PathBuf {
    std::env::current_exe().expect("this program")
}

fn lines_of(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let output = BufReader::new(child.stdout.take().expect("piped"));
    output.lines().map(|line| line.expect("text"))
}

async fn append_until_refused(address: StoreAddress) {
    let store = SqlStore::open(address).await.expect("the store opens");
    let document = "x".repeat(DOCUMENT);
    let mut head = None;
    loop {
        match store.append(head, by("ada", &document)).await {
            Ok(revision) => {
                head = Some(revision.summary.number);
                println!("answered {}", revision.summary.number);
            }
            Err(AppendError::Store(error)) => {
                println!("refused {error}");
                let head = store.head().await.expect("read").expect("there is one");
                println!("head {}", head.summary.number);
                return;
            }
            Err(conflict) => panic!("{conflict}"),
        }
    }
}

fn log_of(file: &Path) -> PathBuf {
    let mut log = file.as_os_str().to_owned();
    log.push(OsStr::new("-wal"));
    PathBuf::from(log)
}
