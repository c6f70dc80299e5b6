//! Runs fuzz targets inside ordinary tests: first every file of a corpus, then mutations of them.
//!
//! A target is a test in the crate whose code it attacks, in a file `tests/fuzz_<thing>.rs`. It
//! hands [`run`] a check that panics on a finding. The same seed makes the same inputs on every
//! machine, so `make test` is no lottery; `make fuzz` runs fresh seeds with larger counts. An input
//! that was found becomes a file of the corpus and stays.
//!
//! The harness knows nothing of what it attacks, and it never decides what a finding is.
//!
//! ```no_run
//! fuzz::run("decimal", |bytes| {
//!     if let Ok(text) = std::str::from_utf8(bytes) {
//!         let read: Option<u64> = text.parse().ok();
//!         assert!(read.is_none_or(|number| text.ends_with(&number.to_string())));
//!     }
//! });
//! ```

mod corpus;
mod finding;
mod mutation;
mod settings;

use std::path::Path;

use corpus::Corpus;
use finding::Finding;
use mutation::Mutator;
use settings::Settings;

/// Runs `check` on each file of `tests/fuzz/corpus/<target>`, then on mutations of those files.
///
/// `FUZZ_SEED` chooses the mutations and `FUZZ_COUNT` how many there are; without them both are
/// fixed. An input on which `check` panics is written to the temporary folder.
///
/// # Panics
/// When `check` panics, with the input and how to run it again; when the corpus is missing or
/// empty, or a variable is no number.
pub fn run(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let outcome = Corpus::read(&folder)
        .and_then(|corpus| Ok((corpus, Settings::from_environment()?)))
        .map(|(corpus, settings)| first_finding(&corpus, settings, &check));
    match outcome {
        Ok(None) => {}
        Ok(Some(finding)) => panic!("{}", finding.report(target, &std::env::temp_dir())),
        Err(problem) => panic!("{target}: {problem}"),
    }
}

fn first_finding(corpus: &Corpus, settings: Settings, check: &impl Fn(&[u8])) -> Option<Finding> {
    let files = corpus.files.iter().find_map(|(name, bytes)| {
        Finding::of(bytes, check).map(|finding| finding.came_from(format!("the file `{name}`")))
    });
    files.or_else(|| {
        let mut mutator = Mutator::new(corpus, settings.seed);
        (0..settings.count).find_map(|number| {
            let input = mutator.next_input();
            Finding::of(&input, check).map(|finding| {
                finding.came_from(format!("mutation {number} of FUZZ_SEED={}", settings.seed))
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn corpus(texts: &[&str]) -> Corpus {
        let file = |text: &&str| ((*text).to_owned(), text.as_bytes().to_vec());
        Corpus {
            files: texts.iter().map(file).collect(),
        }
    }

    fn inputs(seed: u64, count: u32) -> Vec<Vec<u8>> {
        let seen = RefCell::new(Vec::new());
        let record = |bytes: &[u8]| seen.borrow_mut().push(bytes.to_vec());
        let corpus = corpus(&[r#"{"method":"tools/call"}"#, "[1,2]"]);
        assert!(first_finding(&corpus, Settings { seed, count }, &record).is_none());
        seen.into_inner()
    }

    #[test]
    fn it_runs_the_corpus_first_and_then_as_many_mutations_as_asked() {
        let inputs = inputs(7, 100);
        assert_eq!(inputs.len(), 102);
        assert_eq!(inputs[1], b"[1,2]");
    }

    #[test]
    fn it_makes_the_same_inputs_from_the_same_seed_and_others_from_another() {
        assert_eq!(inputs(7, 500), inputs(7, 500));
        assert_ne!(inputs(7, 500), inputs(8, 500));
    }

    #[test]
    fn it_stops_at_the_first_input_on_which_the_check_panics() {
        let settings = Settings {
            seed: 1,
            count: 100_000,
        };
        let deep = |bytes: &[u8]| assert!(!bytes.starts_with(b"[["), "too deep");
        let finding = first_finding(&corpus(&["[1]", "[2,3]"]), settings, &deep).unwrap();
        assert!(finding.input.starts_with(b"[["));
        assert_eq!(finding.message, "too deep");
    }

    #[test]
    fn it_reports_a_finding_in_the_corpus_by_its_file() {
        let settings = Settings { seed: 1, count: 0 };
        let finding = first_finding(&corpus(&["good", "bad"]), settings, &|bytes| {
            assert_ne!(bytes, b"bad");
        });
        assert_eq!(finding.unwrap().origin, "the file `bad`");
    }

    #[test]
    #[should_panic(expected = "no-such-target")]
    fn it_refuses_a_target_without_a_corpus() {
        run("no-such-target", |_| {});
    }
}
