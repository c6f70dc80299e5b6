//! The revision that a document in a file was made from: the first line of what `portcullis get
//! config` prints, so that `portcullis apply` overwrites no change that its author has not seen.

const BEFORE: &str = "# revision ";
const AFTER: &str = ", as it was read: `portcullis apply` refuses when there is a later one";

/// The document with the line that says which revision it is.
pub(super) fn mark(document: &str, revision: u64) -> String {
    format!("{BEFORE}{revision}{AFTER}\n{document}")
}

/// The revision that the first line names, if it is such a line.
pub(super) fn read(text: &str) -> Option<u64> {
    let line = text.lines().next()?.strip_prefix(BEFORE)?;
    let digits = line.split(|letter: char| !letter.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_the_revision_that_it_wrote_and_takes_no_other_line_for_one() {
        let marked = mark("servers: {}", 17);
        assert!(marked.lines().all(|line| line.len() <= 100), "{marked}");
        assert_eq!(read(&marked), Some(17));
        for text in [
            "",
            "servers: {}",
            "# revision",
            "# revision of mine",
            "\n# revision 1",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
