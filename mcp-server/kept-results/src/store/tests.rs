//! A kept result is found again by its owner alone, until it expires, whoever was killed meanwhile.

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::*;
use crate::cutting::Cut;
use crate::disk_room::DiskRoom;
use crate::folder::NODE;
use crate::{ResultHandle, UnreadBlock};

const MINUTE: Duration = Duration::from_secs(60);

fn store(folder: &TempDir, quota: u64, expiry: Duration) -> KeptResults {
    KeptResults::new(KeptResultsSettings {
        folder: folder.path().join("results"),
        node: None,
        quota,
        expiry,
    })
}

fn cut(offset: u64, end: u64) -> Cut {
    Cut {
        offset,
        end,
        first_row: offset,
        rows: 1,
        continues_row: false,
    }
}

fn draft(store: &KeptResults, owner: Option<&str>) -> ResultDraft {
    let purpose = Purpose::InsteadOfAnswer;
    let draft = store.begin(purpose, owner, "text/csv", json!([]));
    draft.expect("there is room")
}

fn keep(store: &KeptResults, owner: Option<&str>) -> ResultHandle {
    let mut draft = draft(store, owner);
    draft.append(cut(0, 3), b"abc").expect("there is room");
    let kept = draft.finish(cut(3, 5), b"de", 2);
    kept.expect("there is room")
}

fn files(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path().join("results")).expect("it is there");
    let names = entries.map(|entry| entry.expect("a file").file_name());
    let mut names: Vec<String> = names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name != NODE)
        .collect();
    names.sort();
    names
}

#[test]
fn it_gives_back_each_block_with_its_place_and_its_digest_after_a_restart_too() {
    let folder = tempfile::tempdir().expect("a disk");
    let handle = keep(&store(&folder, 10_000, MINUTE), None);
    let whole = hex::encode(Sha256::digest(b"abcde"));
    assert_eq!((handle.facts.bytes, handle.facts.blocks), (5, 2));
    assert_eq!(handle.facts.sha256, whole);
    let restarted = store(&folder, 10_000, MINUTE);
    let kept = restarted.open(&handle.uri, None).expect("it is kept");
    assert_eq!(kept.facts(), Some(&handle.facts));
    let first = kept.block(0).expect("a block");
    assert_eq!((first.bytes.as_slice(), first.next), (&b"abc"[..], Some(1)));
    assert_eq!(first.sha256, hex::encode(Sha256::digest(b"abc")));
    let last = kept.block(1).expect("a block");
    assert_eq!((last.bytes.as_slice(), last.next), (&b"de"[..], None));
    assert_eq!((last.offset, last.first_row), (3, 3));
    let beyond = kept.block(2).expect_err("two blocks");
    assert!(matches!(beyond, UnreadBlock::Beyond { blocks: 2 }));
}

#[test]
fn it_says_the_same_of_a_foreign_an_unknown_and_an_expired_result() {
    let folder = tempfile::tempdir().expect("a disk");
    let store = store(&folder, 10_000, MINUTE);
    let handle = keep(&store, Some("ada"));
    assert!(store.open(&handle.uri, Some("ada")).is_ok());
    let (node, id) = (handle.uri.node(), handle.uri.id());
    let unknown = ResultUri::new(node, id.replace(|c: char| c.is_ascii_digit(), "0"));
    let elsewhere = ResultUri::new(format!("x{node}"), id);
    let path = ResultUri::new(node, format!("{id}/../../x"));
    for (uri, owner) in [
        (&handle.uri, None),
        (&handle.uri, Some("eve")),
        (&unknown, Some("ada")),
        (&elsewhere, Some("ada")),
        (&path, Some("ada")),
    ] {
        let refused = store.open(uri, owner).expect_err("nobody's");
        assert_eq!(refused, UnknownResult);
    }
    let expired = KeptResults::new(KeptResultsSettings {
        expiry: Duration::ZERO,
        ..store.folder.settings.clone()
    });
    let handle = keep(&expired, Some("ada"));
    let refused = expired.open(&handle.uri, Some("ada"));
    assert_eq!(refused.expect_err("expired"), UnknownResult);
}

#[test]
fn it_knows_a_result_by_one_spelling_alone_while_it_is_written_and_when_it_is_complete() {
    let folder = tempfile::tempdir().expect("a disk");
    let store = store(&folder, 10_000, MINUTE);
    let draft = draft(&store, None);
    for uri in [draft.uri().clone(), keep(&store, None).uri] {
        assert!(store.open(&uri, None).is_ok(), "{uri}");
        let id: Uuid = uri.id().parse().expect("a UUID");
        for id in [
            id.hyphenated().to_string(),
            id.braced().to_string(),
            id.urn().to_string(),
            format!("{:X}", id.simple()),
            format!("{:X}", id.hyphenated()),
            format!("0{}", id.simple()),
        ] {
            let respelt = ResultUri::new(uri.node(), &id);
            assert_eq!(
                store.open(&respelt, None).err(),
                Some(UnknownResult),
                "{id}"
            );
        }
    }
}

#[test]
fn it_lets_the_blocks_of_an_unfinished_result_be_read_and_promises_no_last_one() {
    let folder = tempfile::tempdir().expect("a disk");
    let store = store(&folder, 10_000, MINUTE);
    let mut draft = draft(&store, None);
    let uri = draft.uri().clone();
    draft.append(cut(0, 3), b"abc").expect("there is room");
    let kept = store.open(&uri, None).expect("it is being written");
    assert_eq!(kept.facts(), None);
    let first = kept.block(0).expect("a block");
    assert_eq!((first.bytes.as_slice(), first.next), (&b"abc"[..], Some(1)));
    let early = kept.block(1).expect_err("one block");
    assert!(matches!(early, UnreadBlock::NotYet { blocks: 1 }));
    draft.finish(cut(3, 5), b"de", 2).expect("there is room");
    // Whoever has it open reads on; whoever opens it anew reads the same.
    assert_eq!(kept.block(0).expect("a block"), first);
    let kept = store.open(&uri, None).expect("it is kept");
    assert_eq!(kept.block(0).expect("a block"), first);
    assert_eq!(kept.block(1).expect("a block").next, None);
}

#[test]
fn it_removes_a_result_that_is_given_up() {
    let folder = tempfile::tempdir().expect("a disk");
    let store = store(&folder, 10_000, MINUTE);
    let mut draft = draft(&store, None);
    draft.append(cut(0, 3), b"abc").expect("there is room");
    let uri = draft.uri().clone();
    assert_eq!(files(&folder).len(), 1);
    drop(draft);
    assert_eq!(files(&folder), [""; 0]);
    assert_eq!(store.bytes(), 0);
    assert!(store.open(&uri, None).is_err());
}

#[test]
fn it_takes_back_what_has_expired_and_what_a_killed_process_left_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a disk");
    let expiring = store(&folder, 10_000, Duration::ZERO);
    keep(&expiring, None);
    let left_behind = folder.path().join("results").join("0.part");
    fs::write(&left_behind, b"half").expect("a disk");
    let lasting = store(&folder, 10_000, MINUTE);
    let kept = keep(&lasting, None);
    let under_way = draft(&lasting, None);
    assert_eq!(files(&folder).len(), 4);
    // Another process of the same folder, which knows nothing of these.
    let other = store(&folder, 10_000, MINUTE);
    other.sweep().expect("the folder is there");
    assert_eq!(files(&folder).len(), 2, "{:?}", files(&folder));
    assert!(other.open(&kept.uri, None).is_ok());
    let length = |name: &String| {
        let path = folder.path().join("results").join(name);
        fs::metadata(path).expect("it is there").len()
    };
    let used: u64 = files(&folder).iter().map(length).sum();
    assert_eq!(other.bytes(), used);
    let finished = under_way.finish(cut(0, 1), b"x", 1).expect("its own");
    assert!(other.open(&finished.uri, None).is_ok());
}

#[test]
fn it_takes_back_the_rest_when_one_entry_cannot_be_removed() {
    let folder = tempfile::tempdir().expect("a disk");
    let store = store(&folder, 10_000, MINUTE);
    let results = folder.path().join("results");
    let stuck = results.join("3.part");
    fs::create_dir_all(&stuck).expect("a disk");
    for number in 0..6 {
        let left_behind = results.join(format!("{number}.part"));
        if left_behind != stuck {
            fs::write(left_behind, b"half").expect("a disk");
        }
    }
    store.sweep().expect("the folder can be read");
    assert_eq!(files(&folder), ["3.part"]);
    let used = fs::metadata(stuck).expect("it is there").len();
    assert_eq!(store.bytes(), used);
}

#[test]
fn it_refuses_what_is_over_the_quota_and_leaves_nothing_of_it() {
    let folder = tempfile::tempdir().expect("a disk");
    let store = store(&folder, 1_000, MINUTE);
    let large = [0; 600];
    let mut too_large = draft(&store, None);
    let refused = too_large.append(cut(0, 600), &large);
    assert!(matches!(refused, Err(NotKept::TooLarge { most: 500 })));
    drop(too_large);
    let mut first = draft(&store, None);
    first.append(cut(0, 400), &large[..400]).expect("room");
    let mut second = draft(&store, None);
    second.append(cut(0, 400), &large[..400]).expect("room");
    let mut third = draft(&store, None);
    let refused = third.append(cut(0, 400), &large[..400]);
    assert!(matches!(refused, Err(NotKept::QuotaUsed { most: 1_000 })));
    let offer = store.begin(Purpose::BesideAnswer, None, "text/csv", json!([]));
    let refused = offer.expect("a disk").finish(cut(0, 1), b"x", 1);
    assert!(matches!(refused, Err(NotKept::QuotaUsed { .. })));
    drop((first, second, third));
    assert_eq!((files(&folder).len(), store.bytes()), (0, 0));
}

#[test]
fn it_leaves_room_on_the_disk_for_others() {
    let folder = tempfile::tempdir().expect("a disk");
    let mut store = store(&folder, 10_000, MINUTE);
    let nearly_full = |_: &Path| {
        Ok(DiskRoom {
            size: 1_000,
            free: 53,
        })
    };
    Arc::get_mut(&mut store.folder).expect("one's own").room = nearly_full;
    let mut fits = draft(&store, None);
    fits.append(cut(0, 3), b"abc").expect("there is room");
    let refused = fits.append(cut(3, 7), b"defg");
    assert!(matches!(refused, Err(NotKept::DiskNearlyFull)));
    drop(fits);
    assert_eq!((files(&folder).len(), store.bytes()), (0, 0));
    assert_eq!(store.counts().refused_by_disk, 1);
}

#[test]
fn it_counts_what_is_kept_read_and_refused() {
    let folder = tempfile::tempdir().expect("a disk");
    let store = store(&folder, 1_000, MINUTE);
    let handle = keep(&store, None);
    let kept = store.open(&handle.uri, None).expect("it is kept");
    for number in [0, 1, 1] {
        kept.block(number).expect("a block");
    }
    assert!(kept.block(2).is_err());
    let refused = draft(&store, None).append(cut(0, 600), &[0; 600]);
    assert!(refused.is_err());
    let expected = ResultCounts {
        kept: 1,
        blocks_written: 2,
        blocks_read: 3,
        over_quota: 1,
        refused_by_disk: 0,
    };
    assert_eq!(store.counts(), expected);
}

#[test]
fn it_says_that_the_disk_refuses() {
    let folder = tempfile::tempdir().expect("a disk");
    fs::write(folder.path().join("results"), b"a file").expect("a disk");
    let store = store(&folder, 1_000, MINUTE);
    let refused = store.begin(Purpose::InsteadOfAnswer, None, "text/csv", json!([]));
    assert!(matches!(refused, Err(NotKept::Disk(_))));
}
