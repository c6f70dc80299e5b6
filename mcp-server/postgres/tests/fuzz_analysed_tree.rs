//! The reader of PostgreSQL's analysed trees, against whatever bytes.

use postgres::judge::tree::{self, Admitted, Layout, TreeFindings};

/// The words of a tree as a plain reading splits them; escapes stay as they are.
fn words(text: &[u8]) -> Vec<&[u8]> {
    let mut words = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b' ' | b'\n' | b'\t' | b'(' | b')' | b'{' | b'}' => {
                words.push(&text[start..at]);
                at += 1;
                start = at;
            }
            _ => at += 1,
        }
    }
    words.push(&text[start.min(text.len())..]);
    words.retain(|word| !word.is_empty());
    words
}

/// The function that advances a sequence, which a change may do.
const NEXTVAL: u32 = 1574;

#[test]
fn it_finds_every_function_of_a_tree_that_it_accepts() {
    fuzz::run("analysed-tree", |bytes| {
        for (version, admitted) in [
            (14, Admitted::Queries),
            (15, Admitted::Queries),
            (18, Admitted::Queries),
            (14, Admitted::Changes),
            (18, Admitted::Changes),
        ] {
            let mut found = TreeFindings::default();
            let read = tree::read_admitted(bytes, Layout::Folded, version, admitted, &mut found);
            if read.is_err() {
                continue;
            }
            let words = words(bytes);
            for window in words.windows(3) {
                let [before, field, value] = window else {
                    continue;
                };
                let function = str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse().ok());
                // After another field's name the word is that field's value.
                if *field == b":funcid" && !before.starts_with(b":") {
                    let function: u32 = function.expect("it was accepted");
                    assert!(
                        function == 0
                            || found.called.contains(&function)
                            || admitted == Admitted::Changes
                                && function == NEXTVAL
                                && !found.sequences.is_empty(),
                        "{function}"
                    );
                }
            }
        }
    });
}

#[test]
fn it_accepts_the_trees_that_postgresql_wrote() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/fuzz/corpus/analysed-tree"
    );
    let mut read = 0;
    for file in std::fs::read_dir(folder).expect("there is a corpus") {
        let bytes = std::fs::read(file.expect("a file").path()).expect("it is read");
        if bytes.starts_with(b"({QUERY") {
            let mut found = TreeFindings::default();
            tree::read(&bytes, Layout::Folded, 15, &mut found).expect("PostgreSQL 15 wrote it");
            assert!(!found.types.is_empty());
            read += 1;
        }
    }
    assert!(read >= 5);
}
