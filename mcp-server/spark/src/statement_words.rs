//! The words of a statement's text, outside of its quotes and comments: what it is about to do, for
//! questions and for sentences. No right rests on them; those are judged in Spark.

/// A word in capitals, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    text: String,
    at: usize,
}

/// Words without one of which Spark's grammar destroys nothing, or which hide a statement in a
/// text or a procedure.
const DESTROYING: [&str; 12] = [
    "CALL",
    "DELETE",
    "DROP",
    "EXECUTE",
    "MERGE",
    "OVERWRITE",
    "PURGE",
    "REPLACE",
    "RESTORE",
    "TRUNCATE",
    "UPDATE",
    "VACUUM",
];

/// Words that open a statement that gives rows and does nothing else.
const OPENING_A_READ: [&str; 7] = [
    "DESC", "DESCRIBE", "EXPLAIN", "SELECT", "SHOW", "TABLE", "VALUES",
];

/// The words of a statement.
pub(super) fn words(sql: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut rest = sql;
    let mut is_in_word = false;
    while let Some(letter) = rest.chars().next() {
        let at = sql.len() - rest.len();
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
                None => words.push(Word { text, at }),
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

/// The part of a statement that could destroy something, to its end; nothing where none of its
/// words does. A statement that only reads may have such a word, too: as a name, or a function.
pub(super) fn destroying_part<'a>(sql: &'a str, words: &[Word]) -> Option<&'a str> {
    let is_destroying = |word: &&Word| DESTROYING.contains(&word.text.as_str());
    let found = words.iter().find(is_destroying)?;
    // The table that `ALTER TABLE … DROP` names stands before the word.
    let whole = words
        .first()
        .filter(|first| !["WITH", "FROM"].contains(&first.text.as_str()));
    Some(sql[whole.unwrap_or(found).at..].trim_end_matches([';', ' ', '\n']))
}

/// Whether the statement begins as one that gives rows and does nothing else.
pub(super) fn opens_a_read(words: &[Word]) -> bool {
    let opens = |first: &Word| OPENING_A_READ.contains(&first.text.as_str());
    words.first().is_some_and(opens)
}

/// Whether a command of Spark's, of which it gives the name (`drop table`), destroys something. Of
/// an insert and of a create the name does not tell whether they replace what there is.
pub(super) fn is_destroying_command(command: &str, words: &[Word]) -> bool {
    let command = command.to_uppercase();
    let named = command.split(' ').any(|word| DESTROYING.contains(&word));
    let replaces = words.windows(2).any(|pair| {
        let [before, after] = [&pair[0].text, &pair[1].text].map(String::as_str);
        before == "OVERWRITE"
            || after == "OVERWRITE"
            || (before, after) == ("OR", "REPLACE")
            || (before == "REPLACE" && ["TABLE", "USING", "WHERE"].contains(&after))
    });
    named || replaces
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
    fn it_finds_what_a_statement_could_destroy() {
        for (sql, expected) in [
            ("DROP TABLE u_t;", Some("DROP TABLE u_t")),
            (
                " -- drop it\n alter table t drop column a",
                Some("alter table t drop column a"),
            ),
            (
                "WITH a AS (SELECT 1) INSERT OVERWRITE t SELECT * FROM a",
                Some("OVERWRITE t SELECT * FROM a"),
            ),
            (
                "/* DROP */ SELECT 'drop table', \"it's; delete\", `truncate`",
                None,
            ),
            ("SELECT 'it\\'s', 'drop'", None),
            ("INSERT INTO t VALUES (1)", None),
            ("-- a comment\rDROP TABLE t", Some("DROP TABLE t")),
            (
                "WITH a AS (SELECT r'\\') INSERT OVERWRITE t SELECT 1",
                Some("OVERWRITE t SELECT 1"),
            ),
            ("SELECT R\"\\\", 'drop'", None),
            ("SELECT bar'\\', drop'", None),
            (
                "EXECUTE IMMEDIATE 'drop table t'",
                Some("EXECUTE IMMEDIATE 'drop table t'"),
            ),
        ] {
            assert_eq!(destroying_part(sql, &words(sql)), expected, "{sql}");
        }
    }

    #[test]
    fn it_knows_the_commands_that_destroy_by_their_names_and_an_overwrite_by_its_text() {
        for (command, sql, expected) in [
            ("drop table", "DROP TABLE t", true),
            ("delete from table", "DELETE FROM t WHERE a = 1", true),
            (
                "alter table drop partition",
                "ALTER TABLE t DROP PARTITION (a = 1)",
                true,
            ),
            (
                "insert into hadoop fs relation",
                "INSERT OVERWRITE t SELECT 1",
                true,
            ),
            (
                "insert into hadoop fs relation",
                "INSERT INTO t SELECT replace(a, 'b')",
                false,
            ),
            ("create view", "CREATE OR REPLACE VIEW v AS SELECT 1", true),
            ("create view", "CREATE VIEW v AS SELECT 1 AS update", false),
        ] {
            assert_eq!(
                is_destroying_command(command, &words(sql)),
                expected,
                "{sql}"
            );
        }
    }

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
