//! The words of a statement's text, outside of its quotes and comments: the part of its session
//! that it is about to change, for a sentence. No right and no question rests on them.
//!
//! Spark's own verdict could tell it better, of scripts and of texts that are run. It is not asked:
//! a statement that is confirmed already would cost one more question to Spark, a Spark without the
//! check would need the words all the same, and what goes wrong by a wrong guess is a sentence that
//! is missing. A statement that changes a session unnoticed runs, and what it has set is gone with
//! the session, as it is for every client of Spark.

/// A word of a statement, in capitals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    text: String,
}

/// The words of a statement.
pub(super) fn words(sql: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut rest = sql;
    let mut is_in_word = false;
    while let Some(letter) = rest.chars().next() {
        // In Spark's grammar `r` before a quote makes a literal in which nothing is escaped.
        let is_raw = is_in_word && words.last().is_some_and(|word| word.text == "R");
        let skipped = match letter {
            '\'' | '"' => quoted_length(rest, letter, !is_raw),
            '`' => quoted_length(rest, letter, false),
            '-' if rest.starts_with("--") => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            _ => 0,
        };
        if skipped > 0 {
            is_in_word = false;
            rest = &rest[skipped..];
            continue;
        }
        if letter.is_alphanumeric() || letter == '_' {
            let text = letter.to_uppercase().to_string();
            match words.last_mut().filter(|_| is_in_word) {
                Some(word) => word.text.push_str(&text),
                None => words.push(Word { text }),
            }
            is_in_word = true;
        } else {
            is_in_word = false;
        }
        rest = &rest[letter.len_utf8()..];
    }
    words
}

/// The bytes from a quote to the one that closes it. A doubled one is passed over, and an escaped
/// one where the literal has escapes.
fn quoted_length(text: &str, quote: char, has_escapes: bool) -> usize {
    let mut is_escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if has_escapes => is_escaped = true,
            // Of a doubled quote the second opens the next text, which is passed over, too.
            _ if letter == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The part of a session that a statement changes, and that the statements after it find in the
/// same session alone.
pub(super) fn changed_of_session(words: &[Word]) -> Option<&'static str> {
    let word = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    let after_create = match (word(1), word(2)) {
        ("OR", "REPLACE") => word(3),
        (second, _) => second,
    };
    match word(0) {
        "CREATE" | "DROP" if ["TEMP", "TEMPORARY"].contains(&after_create) => {
            Some("a temporary view, function or variable")
        }
        "CACHE"
            if words
                .iter()
                .any(|word| ["AS", "SELECT"].contains(&word.text.as_str())) =>
        {
            Some("a temporary view")
        }
        "DECLARE" => Some("a variable"),
        "SET" | "RESET" => Some("a setting"),
        "USE" => Some("the current catalogue or schema"),
        "ADD" => Some("files or code of its own"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_what_changes_nothing_but_its_session() {
        for (sql, expected) in [
            ("CREATE TEMPORARY VIEW v AS SELECT 1", true),
            ("create or replace temp view v as select 1", true),
            ("CREATE GLOBAL TEMPORARY VIEW v AS SELECT 1", false),
            ("CREATE OR REPLACE VIEW v AS SELECT 1", false),
            ("SET spark.sql.ansi.enabled = false", true),
            ("USE sales", true),
            ("CACHE TABLE t", false),
            ("CACHE TABLE t AS SELECT 1", true),
            ("SELECT 'set'", false),
            ("BEGIN SET a = 1; END", false),
        ] {
            assert_eq!(changed_of_session(&words(sql)).is_some(), expected, "{sql}");
        }
    }
}
