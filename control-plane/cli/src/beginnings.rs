//! Hashes by their beginnings, as lists show them: whoever types one need not type all of it.

use anyhow::bail;

/// The fewest digits that stand for a hash: a slip of the finger has fewer, and of a thousand
/// modules two begin with the same six by a chance of one in thirty.
const FEWEST: usize = 6;

/// The digits of a whole SHA-256.
const WHOLE: usize = 64;

/// Whether a text may be the beginning of a hash, and not all of it.
pub(crate) fn is_beginning(text: &str) -> bool {
    (FEWEST..WHOLE).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The one of these hashes that has this beginning. `what` is the word for one of them, `shown_by`
/// the command that shows all.
///
/// # Errors
/// When none or several have it.
pub(crate) fn the_one(
    beginning: &str,
    hashes: impl Iterator<Item = String>,
    what: &str,
    shown_by: &str,
) -> anyhow::Result<String> {
    let beginning = beginning.to_ascii_lowercase();
    let mut found: Vec<String> = hashes.filter(|hash| hash.starts_with(&beginning)).collect();
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => bail!("no {what} begins with `{beginning}`; `{shown_by}` shows those that there are"),
        [one, other, ..] => bail!(
            "several begin with `{beginning}`, `{one}` and `{other}` among them; write more of the \
             {what} that is meant"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_a_beginning_that_only_one_has() {
        let hashes = || ["0123456789ab", "0123456fffff", "fedcba987654"].map(str::to_owned);
        let one = |beginning: &str| {
            let found = the_one(
                beginning,
                hashes().into_iter(),
                "module",
                "portcullis modules list",
            );
            found.map_err(|error| error.to_string())
        };
        assert_eq!(one("FEDCBA"), Ok("fedcba987654".to_owned()));
        assert_eq!(one("0123456f"), Ok("0123456fffff".to_owned()));
        let several = one("012345").unwrap_err();
        assert!(
            several.contains("`0123456789ab` and `0123456fffff`"),
            "{several}"
        );
        let none = one("aaaaaa").unwrap_err();
        assert!(none.contains("`portcullis modules list`"), "{none}");
    }

    #[test]
    fn it_takes_nothing_else_for_a_beginning() {
        assert!(is_beginning("012345") && is_beginning("ABCDEF0"));
        for text in ["", "01234", "mcp-filter@0.1.0", "..", &"a".repeat(64)] {
            assert!(!is_beginning(text), "{text}");
        }
    }
}
