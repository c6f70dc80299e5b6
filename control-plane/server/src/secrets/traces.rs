//! Traces of a credential in the words of a server that was shown it.
//!
//! A server that repeats what it was shown must not make it readable in a log, an event or an
//! answer. Its words are looked through as they came, as JSON strings, percent-decoded and without
//! line breaks, for the credential as it is, in base64 and in hexadecimal digits. A server that
//! hides it from that on purpose could as well tell it to anybody.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use memchr::memmem;
use percent_encoding::percent_decode;

/// So many bytes of a credential in a row are no accident, and whoever reads fewer has learnt
/// little. A credential that is shorter cannot be told from other words.
const TELLING: usize = 8;
/// A credential that is shorter may be a part of another word by accident, as `database` is of
/// `databases`: it is looked for between borders of words. Tokens that a machine made have 16
/// characters and more.
const LIKE_A_WORD: usize = 16;

/// The forms in which a credential may be repeated.
pub(crate) struct Traces {
    /// None where the credential is too short.
    forms: Vec<Form>,
    /// Whether a part of the credential cannot be told from other words.
    has_short_part: bool,
}

/// One form in which a credential may be repeated.
struct Form {
    bytes: Vec<u8>,
    /// Whether it counts only where no letter, digit or `_` stands beside it.
    is_word: bool,
}

/// Shows nothing of it.
impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Traces(…)")
    }
}

impl Traces {
    /// The traces of a credential.
    pub(crate) fn of(credential: &str) -> Self {
        let mut traces = Self {
            forms: Vec::new(),
            has_short_part: false,
        };
        traces.add(credential.as_bytes());
        let Some((_, token)) = credential.split_once(' ') else {
            return traces;
        };
        // A server may repeat it without the scheme, such as `Bearer`, that stands before it.
        traces.add(token.as_bytes());
        // Some schemes have the token as a parameter (RFC 9110, 11.2): `Token token="…"`.
        if let Some((_, value)) = token.split_once('=')
            && !value.trim_start_matches('=').is_empty()
        {
            traces.add(value.trim_matches('"').as_bytes());
        }
        // Basic authentication (RFC 7617) shows a name and a password in base64, and so do others.
        let pair = STANDARD.decode(token).ok().map(String::from_utf8);
        if let Some(Ok(pair)) = pair
            && !pair.contains(char::is_control)
            && let Some((_, password)) = pair.split_once(':')
        {
            traces.add(pair.as_bytes());
            traces.add(password.as_bytes());
        }
        traces
    }

    fn add(&mut self, credential: &[u8]) {
        if credential.len() < TELLING {
            self.has_short_part = true;
            return;
        }
        self.forms.push(Form {
            bytes: credential.to_vec(),
            is_word: credential.len() < LIKE_A_WORD,
        });
        let mut add = |bytes: &[u8]| {
            self.forms.push(Form {
                bytes: bytes.to_vec(),
                is_word: false,
            });
        };
        add(hex::encode(credential).as_bytes());
        add(hex::encode_upper(credential).as_bytes());
        // What stands before it moves its bits by none, two or four of the six of a character.
        for before in 0..3_usize {
            let moved = [&[0; 2][..before.min(2)], credential].concat();
            let encoded = STANDARD_NO_PAD.encode(&moved);
            // The first characters have bits of what stands before it, the last one of what comes
            // after it.
            let first = (before * 8).div_ceil(6);
            let last = encoded.len() - usize::from(!moved.len().is_multiple_of(3));
            let own = &encoded[first..last];
            add(own.as_bytes());
            if own.contains(['+', '/']) {
                add(own.replace('+', "-").replace('/', "_").as_bytes());
            }
        }
    }

    /// Whether the whole credential is in there, in some form. Never for one that is too short to
    /// be told from other words.
    pub(crate) fn are_in(&self, text: &[u8]) -> bool {
        let finders = self.forms.iter();
        let finders: Vec<_> = finders
            .map(|form| (form, memmem::Finder::new(&form.bytes)))
            .collect();
        any_view(text, |view| {
            finders.iter().any(|(form, finder)| {
                let mut places = finder.find_iter(view);
                places.any(|at| !form.is_word || is_apart(view, at, form.bytes.len()))
            })
        })
    }

    /// A server's words, if they can be shown; else why they cannot be.
    pub(crate) fn without(&self, words: String) -> String {
        if self.has_short_part {
            return "(its words are not shown: its credential is too short to be told from them; \
                    give it one of 8 characters or more)"
                .to_owned();
        }
        let has_part = any_view(words.as_bytes(), |view| {
            let mut parts = view.windows(TELLING);
            parts.any(|part| {
                let mut forms = self.forms.iter();
                forms.any(|form| memmem::find(&form.bytes, part).is_some())
            })
        });
        if has_part {
            return WITHHELD.to_owned();
        }
        words
    }
}

/// The words in the place of those that have a credential in them.
pub(crate) const WITHHELD: &str =
    "(its words are not shown: they repeat a part of the credential that it is shown)";

/// Whether what is at this place of a text is a word by itself.
fn is_apart(text: &[u8], at: usize, length: usize) -> bool {
    let is_border = |byte: Option<&u8>| {
        byte.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_' && byte.is_ascii())
    };
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    is_border(before) && is_border(text.get(at + length))
}

/// Whether one of the readings of a text is as wanted.
fn any_view(text: &[u8], mut is_wanted: impl FnMut(&[u8]) -> bool) -> bool {
    let mut has = |text: &[u8]| {
        let decoded: Cow<'_, [u8]> = percent_decode(text).into();
        is_wanted(text) || (matches!(decoded, Cow::Owned(_)) && is_wanted(&decoded))
    };
    // JSON in a JSON string is escaped twice.
    let once = unescaped(text);
    let twice = unescaped(&once);
    let joined: Vec<u8> = twice
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    has(text)
        || (matches!(once, Cow::Owned(_)) && has(&once))
        || (matches!(twice, Cow::Owned(_)) && has(&twice))
        || (joined.len() < twice.len() && has(&joined))
}

/// A text with the escapes of JSON strings resolved, as far as a credential can have them: it is
/// ASCII.
fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    let mut rest = text;
    let mut out = Vec::new();
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain);
        let (length, byte) = match escape.get(1) {
            Some(b'u') => match code(escape.get(2..6)) {
                Some(code) => (6, code),
                None => (1, b'\\'),
            },
            Some(b'n') => (2, b'\n'),
            Some(b'r') => (2, b'\r'),
            Some(b't') => (2, b'\t'),
            Some(other) => (2, *other),
            None => (1, b'\\'),
        };
        out.push(byte);
        rest = &escape[length..];
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// The ASCII character of four hexadecimal digits.
fn code(digits: Option<&[u8]>) -> Option<u8> {
    let digits = std::str::from_utf8(digits?).ok()?;
    let code = u8::from_str_radix(digits, 16).ok()?;
    code.is_ascii().then_some(code)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
    use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
    use proptest::prelude::*;

    use super::*;

    const CREDENTIAL: &str = "sword/fish+\"7f3a\\2c9e?";

    fn escaped(text: &str) -> String {
        let escapes = text.bytes().map(|byte| format!("\\u{byte:04X}"));
        escapes.collect()
    }

    fn folded(text: &str) -> String {
        let lines: Vec<&str> = text
            .as_bytes()
            .chunks(5)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        lines.join("\r\n")
    }

    /// A credential in each way in which a server might repeat it.
    fn repeated(credential: &str) -> Vec<String> {
        let bytes = credential.as_bytes();
        let json = serde_json::to_string(credential).unwrap();
        vec![
            credential.to_owned(),
            json.clone(),
            serde_json::to_string(&json).unwrap(),
            escaped(credential),
            percent_encode(bytes, NON_ALPHANUMERIC).to_string(),
            hex::encode(bytes),
            hex::encode_upper(bytes),
            STANDARD.encode(bytes),
            URL_SAFE.encode(bytes),
            STANDARD.encode(format!("Bearer {credential}")),
            URL_SAFE_NO_PAD.encode(format!("x{credential}!")),
            STANDARD.encode(format!("user:{credential}\n")),
            folded(&STANDARD.encode(bytes)),
            serde_json::to_string(&folded(&STANDARD.encode(bytes))).unwrap(),
        ]
    }

    #[test]
    fn it_finds_a_credential_in_each_form_and_shows_no_words_with_a_part_of_it() {
        let traces = Traces::of(CREDENTIAL);
        for form in repeated(CREDENTIAL) {
            let text = format!("no such token: {form}, sorry");
            assert!(traces.are_in(text.as_bytes()), "{text}");
            assert_eq!(traces.without(text.clone()), WITHHELD, "{text}");
            let cut = format!("no such token: {}", &form[..form.len() * 2 / 3]);
            assert_eq!(traces.without(cut.clone()), WITHHELD, "{cut}");
        }
        let harmless = "no such token; see https://a.example/%7Efaq and \\u0041";
        assert!(!traces.are_in(harmless.as_bytes()));
        assert_eq!(traces.without(harmless.to_owned()), harmless);
    }

    #[test]
    fn it_finds_the_password_of_basic_authentication() {
        let secret = format!("Basic {}", STANDARD.encode(format!("me:{CREDENTIAL}")));
        let traces = Traces::of(&secret);
        for form in repeated(CREDENTIAL) {
            assert!(traces.are_in(form.as_bytes()), "{form}");
        }
    }

    #[test]
    fn it_finds_a_token_without_the_scheme_that_it_is_shown_with() {
        for credential in [
            format!("Bearer {CREDENTIAL}"),
            format!("ApiKey {CREDENTIAL}"),
            format!("Token token={CREDENTIAL}"),
            format!("Token token=\"{CREDENTIAL}\""),
        ] {
            let traces = Traces::of(&credential);
            for form in repeated(CREDENTIAL) {
                assert!(traces.are_in(form.as_bytes()), "{credential}: {form}");
            }
        }
    }

    #[test]
    fn it_takes_a_credential_that_could_be_a_word_for_one_only_where_it_stands_alone() {
        let traces = Traces::of(&format!("Basic {}", STANDARD.encode("me:database")));
        for harmless in ["lists the databases", "of MyDatabase and my_database", "x"] {
            assert!(!traces.are_in(harmless.as_bytes()), "{harmless}");
        }
        for repeated in [
            "database",
            "wrong password: \\\"database\\\"",
            "a\\ndatabase",
            "p%20database%20",
            "me:database",
            &STANDARD.encode("x-database-y"),
        ] {
            assert!(traces.are_in(repeated.as_bytes()), "{repeated}");
        }
        // A token of a machine is told from words, whatever stands beside it.
        let traces = Traces::of(CREDENTIAL);
        assert!(traces.are_in(format!("x{CREDENTIAL}x").as_bytes()));
    }

    #[test]
    fn it_shows_no_words_of_a_server_whose_credential_could_be_any_of_them() {
        let short_password = format!("Basic {}", STANDARD.encode("operations:nan"));
        for short in ["a", "Bearer a", "Token token=\"nan\"", &short_password] {
            let traces = Traces::of(short);
            assert!(!traces.are_in(b"banana"), "{short}");
            let shown = traces.without("banana".to_owned());
            assert!(shown.contains("too short"), "{short}: {shown}");
        }
    }

    proptest! {
        #[test]
        fn it_finds_any_credential_in_each_form(credential in "[!-~]{8,60}") {
            let traces = Traces::of(&credential);
            for form in repeated(&credential) {
                prop_assert!(traces.are_in(form.as_bytes()), "{}", form);
            }
        }

        #[test]
        fn it_takes_any_bytes(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let traces = Traces::of(CREDENTIAL);
            let _ = traces.are_in(&text);
            let _ = traces.without(String::from_utf8_lossy(&text).into_owned());
        }
    }
}
