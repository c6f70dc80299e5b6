//! The strict gate for a Spark that has no check of its own: plain queries, word by word.
//!
//! It does not understand SQL and does not try: it takes a statement whose every word it knows to
//! be harmless, and refuses the rest, much that only reads included.

/// Words that open a statement that reads.
const OPENING: [&str; 8] = [
    "SELECT", "WITH", "VALUES", "TABLE", "FROM", "SHOW", "DESCRIBE", "DESC",
];

/// Words that stand in statements that do more than read, or that bring in other programs, files
/// and texts that are run.
const REFUSED: [&str; 48] = [
    "ADD",
    "ALTER",
    "ANALYZE",
    "BEGIN",
    "CACHE",
    "CALL",
    "CLEAR",
    "COMMENT",
    "COPY",
    "CREATE",
    "DECLARE",
    "DELETE",
    "DROP",
    "EXECUTE",
    "EXPORT",
    "FUNCTION",
    "GRANT",
    "IDENTIFIER",
    "IMMEDIATE",
    "IMPORT",
    "INSERT",
    "INTO",
    "JAR",
    "JAVA_METHOD",
    "LOAD",
    "LOCATION",
    "LOCK",
    "MAP",
    "MERGE",
    "MSCK",
    "OVERWRITE",
    "RECORDREADER",
    "RECORDWRITER",
    "REDUCE",
    "REFLECT",
    "REFRESH",
    "REPAIR",
    "REPLACE",
    "RESET",
    "REVOKE",
    "SERDE",
    "SET",
    "TRANSFORM",
    "TRUNCATE",
    "TRY_REFLECT",
    "UNCACHE",
    "UPDATE",
    "USE",
];

/// Functions that may be called; every other word before a bracket must be one of SQL's own.
const FUNCTIONS: [&str; 74] = [
    "ABS",
    "ANY_VALUE",
    "APPROX_COUNT_DISTINCT",
    "ARRAY",
    "AVG",
    "BROUND",
    "CAST",
    "CEIL",
    "CEILING",
    "COALESCE",
    "CONCAT",
    "CONCAT_WS",
    "CORR",
    "COUNT",
    "CURRENT_DATE",
    "CURRENT_TIMESTAMP",
    "DATE",
    "DATEDIFF",
    "DATE_ADD",
    "DATE_FORMAT",
    "DATE_SUB",
    "DATE_TRUNC",
    "DAY",
    "DENSE_RANK",
    "EXP",
    "EXPLODE",
    "EXTRACT",
    "FIRST",
    "FLOOR",
    "GREATEST",
    "HOUR",
    "IF",
    "IFNULL",
    "INSTR",
    "LAG",
    "LAST",
    "LEAD",
    "LEAST",
    "LEFT",
    "LENGTH",
    "LN",
    "LOG",
    "LOWER",
    "LPAD",
    "LTRIM",
    "MAX",
    "MEDIAN",
    "MIN",
    "MINUTE",
    "MONTH",
    "NTILE",
    "NULLIF",
    "NVL",
    "PERCENTILE",
    "PERCENT_RANK",
    "POWER",
    "RANGE",
    "RANK",
    "RIGHT",
    "ROUND",
    "ROW_NUMBER",
    "RTRIM",
    "SECOND",
    "SIZE",
    "SPLIT",
    "SQRT",
    "STDDEV",
    "SUBSTRING",
    "SUM",
    "TO_DATE",
    "TRIM",
    "UPPER",
    "VARIANCE",
    "YEAR",
];

/// SQL's own words that a bracket may follow.
const BEFORE_BRACKET: [&str; 27] = [
    "ALL",
    "AND",
    "ANY",
    "AS",
    "BETWEEN",
    "BY",
    "DISTINCT",
    "ELSE",
    "EXCEPT",
    "EXISTS",
    "FILTER",
    "FROM",
    "IN",
    "INTERSECT",
    "JOIN",
    "LATERAL",
    "NOT",
    "ON",
    "OR",
    "OVER",
    "SELECT",
    "SOME",
    "THEN",
    "UNION",
    "USING",
    "VALUES",
    "WHEN",
];

/// Formats whose files Spark would read as tables: `csv.data`.
const FORMATS: [&str; 10] = [
    "AVRO",
    "BINARYFILE",
    "CSV",
    "DELTA",
    "JDBC",
    "JSON",
    "ORC",
    "PARQUET",
    "TEXT",
    "XML",
];

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text,
    Symbol(char),
}

/// Whether a statement is plain enough to be run unchecked.
pub fn is_plain_query(sql: &str) -> bool {
    let Some(tokens) = tokens(sql) else {
        return false;
    };
    let opens = matches!(tokens.first(), Some(Token::Word(word)) if is_one_of(word, &OPENING));
    opens && tokens.windows(2).all(|pair| fits(&pair[0], &pair[1])) && tokens.iter().all(is_allowed)
}

fn is_allowed(token: &Token) -> bool {
    !matches!(token, Token::Word(word) if is_one_of(word, &REFUSED))
}

fn fits(token: &Token, next: &Token) -> bool {
    match (token, next) {
        (Token::Word(word), Token::Symbol('(')) => {
            is_one_of(word, &FUNCTIONS) || is_one_of(word, &BEFORE_BRACKET)
        }
        // A function of another schema.
        (Token::Word(word), Token::Symbol('.')) => !is_one_of(word, &FORMATS),
        // `USING 'program'`, and texts that are taken for names.
        (Token::Word(word), Token::Text) => !is_one_of(word, &["USING", "FROM", "JOIN", "TABLE"]),
        _ => true,
    }
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// The tokens of a statement, or `None` where it has anything but words, numbers, plain texts in
/// single quotes and operators: no comments, no other quotes, no second statement.
fn tokens(sql: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = sql.trim();
    while let Some(first) = rest.chars().next() {
        let taken = if first.is_ascii_alphanumeric() || first == '_' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let word = &rest[..end.unwrap_or(rest.len())];
            tokens.push(Token::Word(word.to_owned()));
            word.len()
        } else if first == '\'' {
            let end = rest[1..].find(['\'', '\\'])?;
            let is_closed = rest[1 + end..].starts_with('\'');
            // A quote in a text, and texts that are put together, are Spark's to read.
            let follows = rest[end + 2..].trim_start().starts_with('\'');
            if !is_closed || follows {
                return None;
            }
            tokens.push(Token::Text);
            end + 2
        } else if first.is_ascii_whitespace() {
            1
        } else if "()[],.+-*/%=<>!|".contains(first) {
            if rest.starts_with("--") || rest.starts_with("/*") || rest.starts_with("|>") {
                return None;
            }
            tokens.push(Token::Symbol(first));
            1
        } else {
            return None;
        };
        rest = &rest[taken..];
    }
    Some(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_plain_queries() {
        for sql in [
            "SELECT 1",
            "select count(*), avg(a.x) from a join b on a.id = b.id where a.n in ('x', 'y') group \
             by 1",
            "WITH a AS (SELECT 1 AS x) SELECT * FROM a WHERE x BETWEEN 1 AND 2 ORDER BY x LIMIT 5",
            "SELECT id, row_number() OVER (PARTITION BY a ORDER BY b) FROM shops",
            "SHOW TABLES",
            "DESCRIBE shops",
            "SELECT CAST(a AS DATE) FROM db.shops",
            "VALUES (1, 'a'), (2, 'b')",
        ] {
            assert!(is_plain_query(sql), "{sql}");
        }
    }

    #[test]
    fn it_refuses_whatever_it_does_not_know_to_be_harmless() {
        for sql in [
            "",
            "DROP TABLE shops",
            "SELECT 1; DROP TABLE shops",
            "SELECT reflect('java.lang.System', 'exit', 1)",
            "SELECT java_method('java.lang.Math', 'abs', -1)",
            "SELECT sys.reflect('a', 'b')",
            "SELECT `reflect`('a', 'b')",
            "SELECT re/**/flect('a', 'b')",
            "SELECT reflect ('a', 'b')",
            "SELECT my_function(1)",
            "SELECT * FROM text.`/etc/passwd`",
            "SELECT * FROM csv.data",
            "SELECT * FROM IDENTIFIER('text.x')",
            "SELECT \"a\"",
            "SELECT 'a\\' , reflect('",
            "SELECT 'a' 'b'",
            "SELECT TRANSFORM (id) USING 'touch x' AS (x) FROM shops",
            "FROM shops MAP id USING 'touch x' AS x",
            "WITH a AS (SELECT 1) INSERT INTO shops SELECT 3",
            "FROM shops INSERT INTO shops SELECT *",
            "EXECUTE IMMEDIATE 'SELECT 1'",
            "EXPLAIN SELECT 1",
            "SET x = 1",
            "BEGIN SELECT 1; END",
            "SELECT * FROM shops |> WHERE true",
            "SELECT 1 -- x",
            "SELECT ${x}",
            "SELECT é",
        ] {
            assert!(!is_plain_query(sql), "{sql}");
        }
    }
}
