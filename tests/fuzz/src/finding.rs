//! An input on which a check panicked, and how it is reported.

use std::any::Any;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// The most bytes of an input that a report shows; the file holds all of them.
const SHOWN: usize = 400;

/// An input on which a check panicked.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) input: Vec<u8>,
    /// The text of the panic.
    pub(crate) message: String,
    /// Where the input comes from, in words.
    pub(crate) origin: String,
}

impl Finding {
    /// Runs `check` on `input`; a finding if it panicked.
    pub(crate) fn of(input: &[u8], check: &impl Fn(&[u8])) -> Option<Self> {
        let panic = catch_unwind(AssertUnwindSafe(|| check(input))).err()?;
        Some(Self {
            input: input.to_vec(),
            message: message_of(&*panic),
            origin: String::new(),
        })
    }

    pub(crate) fn came_from(mut self, origin: String) -> Self {
        self.origin = origin;
        self
    }

    /// Writes the input into `folder` and says what was found, where, and how to keep it.
    pub(crate) fn report(&self, target: &str, folder: &Path) -> String {
        let mut hasher = DefaultHasher::new();
        self.input.hash(&mut hasher);
        let file = folder.join(format!("fuzz-{target}-{:016x}", hasher.finish()));
        let written = match fs::write(&file, &self.input) {
            Ok(()) => format!("the input is in `{}`", file.display()),
            Err(error) => format!("the input could not be written: {error}"),
        };
        let shown = &self.input[..self.input.len().min(SHOWN)];
        format!(
            "{target}: {}: {}\n{written}; once mended, keep it in `tests/fuzz/corpus/{target}`\n\
             {} bytes: {}",
            self.origin,
            self.message,
            self.input.len(),
            shown.escape_ascii(),
        )
    }
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without a text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_writes_the_input_and_names_target_origin_and_panic() {
        let folder = tempfile::tempdir().unwrap();
        let finding = Finding::of(b"{\"a\"\xff", &|_| panic!("two readings"))
            .unwrap()
            .came_from("mutation 3 of FUZZ_SEED=9".to_owned());
        let report = finding.report("reader", folder.path());
        assert!(
            report.starts_with("reader: mutation 3 of FUZZ_SEED=9: two readings\n"),
            "{report}"
        );
        assert!(
            report.ends_with(r#"5 bytes: {\"a\"\xff"#) && report.contains("corpus/reader"),
            "{report}"
        );
        let (file, rest) = (fs::read_dir(folder.path()).unwrap().next(), &finding.input);
        assert_eq!(&fs::read(file.unwrap().unwrap().path()).unwrap(), rest);
    }

    #[test]
    fn it_finds_nothing_when_the_check_returns() {
        assert!(Finding::of(b"x", &|_| {}).is_none());
    }
}
