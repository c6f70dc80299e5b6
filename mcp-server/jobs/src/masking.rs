//! Keeps what looks like a credential out of the registry and out of answers.

use std::sync::LazyLock;

use regex::Regex;

/// Stands in a credential's place.
const MASK: &str = "***";

/// A name that says that its value is a credential: `db_password`,
/// `spark.hadoop.fs.s3a.secret.key`, `AWS_SESSION_TOKEN`. All of AWS's variables but the regions
/// are taken for one.
const NAME: &str = concat!(
    r"(?:[\w.\-]*(?:pass(?:word|wd|phrase|code)|pwd|secret|token|credential|authorization|",
    r"cookie|signature|(?:access|api|private|account|storage|shared|encryption)[_.\-]?key)",
    r"[\w.\-]*|\bAWS_(?:[A-QS-Z]|R[A-DF-Z])\w*)",
);

/// A value in quotes.
const QUOTED: &str = r#"(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"#;

/// A value without, which `Authorization` opens with the kind of credential that follows.
const BARE: &str =
    r#"(?:(?:Bearer|Basic|Digest|Token|Negotiate|AWS4-HMAC-SHA256)[ \t]+)?[^\s"',;&)\]}]+"#;

static IS_NAME: LazyLock<Regex> = LazyLock::new(|| regex(&format!("^(?:-{{1,2}}|/)?{NAME}:?$")));

/// `name=value`, `"name": "value"`, `"--name", "value"`, `--name value`.
static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    let separated = format!(r#"{NAME}["']?[ \t]*[=:][ \t]*(?P<a>{QUOTED}|{BARE})"#);
    let listed = format!(r#"{NAME}["'][ \t]*,?[ \t]*(?P<b>{QUOTED})"#);
    let option = format!(r"(?:^|[\s])-{{1,2}}{NAME}[ \t]+(?P<c>{QUOTED}|{BARE})");
    regex(&format!("{separated}|{listed}|{option}"))
});

static PASSWORD_OF_URL: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"://[^\s:/@"']*:(?P<a>[^\s/"']*)@"#));

/// Credentials that are known by their own look: bearer tokens, keys of AWS, JSON Web Tokens, keys
/// in PEM.
static BY_LOOK: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r"Bearer[ \t]+(?P<a>[\w.~+/=\-]{8,})|",
        r"(?P<b>\b(?:AKIA|ASIA)[0-9A-Z]{12,}\b)|",
        r"(?P<c>\beyJ[\w\-]{4,}\.[\w\-]+\.[\w\-]*)|",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?P<d>[\s\S]*?)(?:-----END|\z)"
    ))
});

#[allow(clippy::expect_used)]
fn regex(pattern: &str) -> Regex {
    Regex::new(&format!("(?i){pattern}")).expect("a pattern of this file, which a test compiles")
}

/// Whether `name` says that its value is a credential.
pub(super) fn names_a_credential(name: &str) -> bool {
    IS_NAME.is_match(name)
}

/// The value of setting `name`, masked if the name says that it is a credential.
pub(super) fn setting(name: &str, value: &str) -> String {
    if names_a_credential(name) {
        MASK.to_owned()
    } else {
        text(value)
    }
}

/// A program's arguments, masked where they look like credentials or follow the name of one.
pub(super) fn arguments(arguments: &[String]) -> Vec<String> {
    let mut masked = Vec::with_capacity(arguments.len());
    let mut follows_name = false;
    for argument in arguments {
        masked.push(if follows_name {
            MASK.to_owned()
        } else {
            text(argument)
        });
        follows_name = !follows_name && names_a_credential(argument);
    }
    masked
}

/// `text` without the values of names that say that they are credentials, without the passwords of
/// URLs, and without what looks like a credential by itself.
pub(super) fn text(text: &str) -> String {
    let text = masked(&PASSWORD_OF_URL, text);
    let text = masked(&PAIR, &text);
    masked(&BY_LOOK, &text)
}

/// Puts a mask for each named group of each match, and keeps the quotes around it.
fn masked(pattern: &Regex, text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for found in pattern.captures_iter(text) {
        let groups = ["a", "b", "c", "d"].map(|group| found.name(group));
        for value in groups.into_iter().flatten() {
            let quote = value
                .as_str()
                .chars()
                .next()
                .filter(|c| matches!(c, '"' | '\''));
            let quote = quote.map(String::from).unwrap_or_default();
            masked.push_str(&text[done..value.start()]);
            masked.push_str(&quote);
            masked.push_str(MASK);
            masked.push_str(&quote);
            done = value.end();
        }
    }
    masked.push_str(&text[done..]);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_masks_credentials_and_leaves_the_rest() {
        for (given, expected) in [
            ("nothing here: 1 = 1", "nothing here: 1 = 1"),
            (
                "boom password=hunter2 at 10:30:00",
                "boom password=*** at 10:30:00",
            ),
            (
                "{\"api_token\": \"abc\", \"n\": 1}",
                "{\"api_token\": \"***\", \"n\": 1}",
            ),
            (
                "{'api_token': 'a\\'bc', 'n': 1}",
                "{'api_token': '***', 'n': 1}",
            ),
            (
                "jdbc:postgresql://bob:pw@db:5432/x",
                "jdbc:postgresql://bob:***@db:5432/x",
            ),
            (
                "see http://127.0.0.1:4040/jobs",
                "see http://127.0.0.1:4040/jobs",
            ),
            (
                "--conf spark.hadoop.fs.s3a.secret.key=abc x",
                "--conf spark.hadoop.fs.s3a.secret.key=*** x",
            ),
            ("DB_PASSWORD='x y' z", "DB_PASSWORD='***' z"),
            ("a\npasswd: x\nb", "a\npasswd: ***\nb"),
            ("a\npasswd:\nb", "a\npasswd:\nb"),
            ("--password hunter2 --rows 3", "--password *** --rows 3"),
            (r#""--password" "hunter2" "x""#, r#""--password" "***" "x""#),
            (r#"["--password", "hunter2"]"#, r#"["--password", "***"]"#),
            ("Authorization: Bearer abc.def x", "Authorization: *** x"),
            ("authorization=Basic dXNlcg==", "authorization=***"),
            (
                r#"{"Authorization": "Bearer abc"}"#,
                r#"{"Authorization": "***"}"#,
            ),
            ("curl -H 'X: Bearer abcdefgh1'", "curl -H 'X: Bearer ***'"),
            ("AWS_SECRET_ACCESS_KEY=abc/+d", "AWS_SECRET_ACCESS_KEY=***"),
            (
                "AWS_ACCESS_KEY_ID=x AWS_REGION=eu",
                "AWS_ACCESS_KEY_ID=*** AWS_REGION=eu",
            ),
            ("key AKIAIOSFODNN7EXAMPLE.", "key ***."),
            ("got eyJhbGciOi.eyJzdWIi.c2ln", "got ***"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----",
                "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----",
            ),
            ("the password is wrong", "the password is wrong"),
        ] {
            assert_eq!(text(given), expected);
        }
        assert_eq!(setting("spark.hadoop.fs.s3a.access.key", "AKIA"), "***");
        assert_eq!(setting("spark.executorEnv.AWS_PROFILE", "x"), "x");
        assert_eq!(setting("spark.cores.max", "2"), "2");
    }

    #[test]
    fn it_masks_an_argument_that_follows_the_name_of_a_credential() {
        let list = |words: &[&str]| {
            words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        for (given, expected) in [
            (
                &["--password", "x", "y"][..],
                &["--password", "***", "y"][..],
            ),
            (&["--db-password", "--x"], &["--db-password", "***"]),
            (&["--password=x", "y"], &["--password=***", "y"]),
            (
                &["AWS_SECRET_ACCESS_KEY", "x"],
                &["AWS_SECRET_ACCESS_KEY", "***"],
            ),
            (
                &["-H", "Authorization: Bearer x"],
                &["-H", "Authorization: ***"],
            ),
            (&["Authorization:", "Bearer x"], &["Authorization:", "***"]),
            (&["--rows", "3"], &["--rows", "3"]),
        ] {
            assert_eq!(arguments(&list(given)), list(expected));
        }
    }
}
