//! The inputs of a target that are kept: one file each.

use std::fs;
use std::path::Path;

/// The files of one target's corpus, in the order of their names.
pub(crate) struct Corpus {
    /// Name and content of each file.
    pub(crate) files: Vec<(String, Vec<u8>)>,
}

impl Corpus {
    /// Reads every file of `folder`.
    ///
    /// # Errors
    /// When the folder cannot be read or holds no file, in words for the person who runs the test.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let unreadable =
            |error| format!("cannot read the corpus in `{}`: {error}", folder.display());
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            files.push((name.into_owned(), fs::read(&path).map_err(unreadable)?));
        }
        if files.is_empty() {
            return Err(format!(
                "the corpus in `{}` is empty: put at least one good input there",
                folder.display()
            ));
        }
        // The order of a folder differs between machines; the mutations must not.
        files.sort();
        Ok(Self { files })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_files_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "a", "c"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let files = Corpus::read(folder.path()).unwrap().files;
        let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn it_refuses_an_empty_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Corpus::read(folder.path()).is_err_and(|problem| problem.contains("is empty")));
    }
}
