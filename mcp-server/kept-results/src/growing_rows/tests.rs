//! Where a result goes by its size, and that its blocks together are the whole of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::*;
use crate::{BlockLimits, KeptResult, KeptResults, KeptResultsSettings, NotKept, ResultHandle};

const LIMITS: Limits = Limits {
    rows: 10,
    bytes: 1_000,
};

struct Kept {
    store: Arc<KeptResults>,
    _folder: TempDir,
}

impl Kept {
    fn new(quota: u64) -> Self {
        let folder = tempfile::tempdir().expect("a disk");
        let settings = KeptResultsSettings {
            folder: folder.path().join("results"),
            node: Some("n1".to_owned()),
            quota,
            expiry: Duration::from_secs(60),
        };
        Self {
            store: Arc::new(KeptResults::new(settings)),
            _folder: folder,
        }
    }

    fn keeping(&self, answer_bytes: u64) -> Keeping {
        Keeping {
            store: Arc::clone(&self.store),
            owner: None,
            limits: BlockLimits {
                answer_bytes,
                block_bytes: 256,
                offered_block_bytes: 100,
                block_rows: None,
            },
            listener: None,
        }
    }

    fn open(&self, handle: &ResultHandle) -> KeptResult {
        self.store.open(&handle.uri, None).expect("it is kept")
    }

    /// The bytes of all blocks, each of which is as its record says.
    fn whole(&self, handle: &ResultHandle) -> String {
        let kept = self.open(handle);
        let (mut whole, mut next, mut rows) = (Vec::new(), Some(0), 0);
        while let Some(number) = next {
            let block = kept.block(number).expect("a block");
            assert!(block.bytes.len() <= 256, "{}", block.bytes.len());
            assert_eq!((block.offset, block.first_row), (whole.len() as u64, rows));
            assert_eq!(block.sha256, hex::encode(Sha256::digest(&block.bytes)));
            std::str::from_utf8(&block.bytes).expect("whole characters");
            rows += u64::from(block.rows);
            whole.extend(block.bytes);
            next = block.next;
        }
        assert_eq!(handle.facts.sha256, hex::encode(Sha256::digest(&whole)));
        assert_eq!(handle.facts.rows, rows);
        String::from_utf8(whole).expect("UTF-8")
    }
}

fn rows(form: RowForm, keeping: Option<Keeping>, texts: &[&str]) -> GrownRows {
    let mut sink = GrowingRows::new(form, LIMITS, TextForModels::new(200), keeping);
    let column = Column {
        name: "a".to_owned(),
        type_name: "text".to_owned(),
    };
    sink.columns(&[column]).expect("memory");
    for text in texts {
        sink.cell(Cell::Text(text)).expect("memory");
        if sink.end_row().expect("memory") != Room::More {
            break;
        }
    }
    sink.finish()
}

fn lines(texts: &[&str]) -> String {
    let lines = texts.iter().map(|text| format!("[\"{text}\"]\n"));
    lines.collect()
}

#[test]
fn it_puts_a_small_result_into_the_answer_alone() {
    let kept = Kept::new(100_000);
    let grown = rows(RowForm::Lines, Some(kept.keeping(500)), &["x"; 5]);
    assert_eq!(grown.first, lines(&["x"; 5]).as_bytes());
    assert_eq!((grown.result.first_rows, grown.result.rows), (5, 5));
    assert!(grown.result.handle.is_none() && grown.result.truncation.is_none());
    assert_eq!(kept.store.bytes(), 0);
}

#[test]
fn it_offers_a_result_that_the_text_does_not_show_whole_in_blocks_for_a_model() {
    let kept = Kept::new(100_000);
    let texts = ["0123456789012345"; 30];
    let grown = rows(RowForm::Lines, Some(kept.keeping(5_000)), &texts);
    assert_eq!((grown.result.first_rows, grown.result.rows), (30, 30));
    let handle = grown.result.handle.expect("it is offered");
    assert_eq!(kept.whole(&handle), lines(&texts));
    let first = kept.open(&handle).block(0).expect("a block");
    assert!(first.bytes.len() <= 100, "{}", first.bytes.len());
    // The limits on rows and bytes are for results without blocks.
    assert!(grown.result.truncation.is_none() && grown.first.len() > 500);
}

#[test]
fn it_keeps_a_large_result_in_blocks_and_gives_the_rows_that_the_text_shows() {
    let kept = Kept::new(100_000);
    let texts = ["0123456789012345"; 100];
    for form in [RowForm::Lines, RowForm::Csv] {
        let grown = rows(form, Some(kept.keeping(500)), &texts);
        let handle = grown.result.handle.expect("it is kept");
        let whole = kept.whole(&handle);
        assert_eq!(
            whole.lines().filter(|line| line.contains("01")).count(),
            100
        );
        assert!(whole.as_bytes().starts_with(&grown.first), "{form:?}");
        assert_eq!(grown.result.rows, 100);
        assert!(
            (1..=10).contains(&grown.result.first_rows),
            "{}",
            grown.result.first_rows
        );
        assert!(handle.facts.blocks > 5, "{}", handle.facts.blocks);
        assert_eq!(kept.open(&handle).mime_type(), form.mime_type());
    }
}

#[test]
fn it_ends_blocks_after_so_many_rows_where_the_caller_says_so() {
    let kept = Kept::new(100_000);
    let mut keeping = kept.keeping(0);
    keeping.limits.block_rows = Some(3);
    let grown = rows(RowForm::Lines, Some(keeping), &["x"; 8]);
    let handle = grown.result.handle.expect("it is kept");
    let opened = kept.open(&handle);
    let counts = [0, 1, 2].map(|at| opened.block(at).expect("a block").rows);
    assert_eq!((counts, handle.facts.blocks), ([3, 3, 2], 3));
}

#[test]
fn it_cuts_at_the_limits_where_blocks_are_not_wanted_and_says_by_which() {
    for (texts, count, truncation, oversized) in [
        (vec!["x"; 11], 10, Some(Truncation::Rows), None),
        (vec!["x"; 10], 10, None, None),
        (
            vec!["y".repeat(490).leak(); 3],
            2,
            Some(Truncation::Bytes),
            None,
        ),
        (
            vec!["x", "y".repeat(1_000).leak()],
            1,
            Some(Truncation::Bytes),
            Some(1_000),
        ),
    ] {
        let grown = rows(RowForm::Lines, None, &texts);
        let expected = lines(&texts[..count]);
        assert_eq!(grown.first, expected.as_bytes());
        assert_eq!(
            (grown.result.first_rows, grown.result.rows),
            (count as u64, count as u64)
        );
        assert_eq!(grown.result.truncation, truncation);
        assert_eq!(grown.result.oversized.map(|cell| cell.bytes), oversized);
        assert!(grown.result.not_kept.is_none());
    }
}

#[test]
fn it_gives_what_an_answer_holds_where_blocks_cannot_be_had_and_says_why() {
    let kept = Kept::new(2_000);
    let texts = ["0123456789012345"; 100];
    let grown = rows(RowForm::Lines, Some(kept.keeping(500)), &texts);
    assert_eq!(grown.first, lines(&texts[..10]).as_bytes());
    assert_eq!((grown.result.first_rows, grown.result.rows), (10, 10));
    assert_eq!(grown.result.truncation, Some(Truncation::Rows));
    let why = grown
        .result
        .not_kept
        .expect("half the quota is less than it needs");
    assert!(matches!(why, NotKept::TooLarge { most: 1_000 }));
    assert_eq!(kept.store.bytes(), 0);
}

#[test]
fn it_takes_a_cell_in_parts_without_holding_it() {
    let kept = Kept::new(10 << 20);
    let text = TextForModels::new(200);
    let mut sink = GrowingRows::new(RowForm::Lines, LIMITS, text, Some(kept.keeping(500)));
    let column = Column {
        name: "a".to_owned(),
        type_name: "text".to_owned(),
    };
    sink.columns(&[column]).expect("memory");
    let part = "\"é".repeat(300);
    sink.cell(Cell::Text("before")).expect("memory");
    sink.end_row().expect("memory");
    let mut most = 0;
    for at in 0..1_000 {
        let part = CellPart {
            text: &part,
            is_first: at == 0,
            is_last: at == 999,
            cell_bytes: 900_000,
        };
        assert!(sink.takes_parts());
        sink.part(part).expect("memory");
        most = most.max(sink.bytes.buffer().capacity());
    }
    sink.end_row().expect("memory");
    sink.cell(Cell::Text("after")).expect("memory");
    assert_eq!(sink.end_row().expect("memory"), Room::More);
    assert!(most < 10_000, "{most} bytes are held");
    let grown = sink.finish();
    let handle = grown.result.handle.expect("it is kept");
    let escaped = "\\\"é".repeat(300_000);
    let expected = format!("[\"before\"]\n[\"{escaped}\"]\n[\"after\"]\n");
    assert!(
        kept.whole(&handle) == expected,
        "the blocks are not the whole"
    );
    assert_eq!(grown.first, b"[\"before\"]\n");
    let kept = kept.open(&handle);
    let continued = (0..kept.blocks()).filter(|at| kept.block(*at).expect("one").continues_row);
    assert!(continued.count() > 1_000);
}

#[test]
fn it_tells_of_blocks_that_can_be_read_before_the_whole_is_there() {
    let kept = Kept::new(100_000);
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut keeping = kept.keeping(500);
    let (listener, store) = (Arc::clone(&told), Arc::clone(&kept.store));
    keeping.listener = Some(Arc::new(move |blocks| {
        let draft = store.open(&blocks.uri, None);
        let draft = draft.expect("it is being written");
        let last = blocks.blocks as u64 - 1;
        assert_eq!(draft.block(last).expect("a block").next, Some(last + 1));
        listener.lock().expect("nobody panics").push(blocks.blocks);
    }));
    let grown = rows(RowForm::Lines, Some(keeping), &["0123456789012345"; 100]);
    let blocks = grown.result.handle.expect("it is kept").facts.blocks;
    let told = told.lock().expect("nobody panics");
    assert!(told.is_sorted() && told.len() > 3, "{told:?}");
    assert_eq!(told.last().copied(), Some(blocks as usize - 1));
}

#[test]
fn it_keeps_no_other_task_of_its_thread_waiting_while_it_writes() {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(1).build().expect("threads");
    let kept = Kept::new(100_000);
    let (told, hears) = std::sync::mpsc::channel();
    let hears = Mutex::new(hears);
    let listener = move |_| {
        let (tell, hears) = (told.clone(), hears.lock().expect("alone"));
        // It runs only where somebody else drives the tasks of this thread.
        tokio::spawn(async move { tell.send(()).expect("it is waited for") });
        let other = hears.recv_timeout(Duration::from_secs(60));
        other.expect("the other task runs");
    };
    let keeping = Keeping {
        listener: Some(Arc::new(listener)),
        ..kept.keeping(100)
    };
    let writing = runtime.spawn(async move {
        let texts = ["0123456789012345"; 30];
        rows(RowForm::Lines, Some(keeping), &texts).result
    });
    let grown = runtime.block_on(writing).expect("it ends");
    assert_eq!((grown.rows, grown.handle.is_some()), (30, true));
}
