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

/// The forms in which a credential may be repeated.
pub(crate) struct Traces {
    /// Each form as bytes; none where the credential is too short.
    forms: Vec<Vec<u8>>,
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
        let mut traces = Self { forms: Vec::new() };
        traces.add(credential.as_bytes());
        // Basic authentication shows a name and a password in base64.
        let pair = credential.split_once(' ').map(|(_, pair)| pair);
        if let Some(pair) = pair.and_then(|pair| STANDARD.decode(pair).ok()) {
            traces.add(&pair);
            if let Some(colon) = pair.iter().position(|byte| *byte == b':') {
                traces.add(&pair[colon + 1..]);
            }
        }
        traces
    }

    fn add(&mut self, credential: &[u8]) {
        if credential.len() < TELLING {
            return;
        }
        self.forms.push(credential.to_vec());
        self.forms.push(hex::encode(credential).into_bytes());
        self.forms.push(hex::encode_upper(credential).into_bytes());
        // What stands before it moves its bits by none, two or four of the six of a character.
        for before in 0..3_usize {
            let moved = [&[0; 2][..before.min(2)], credential].concat();
            let encoded = STANDARD_NO_PAD.encode(&moved);
            // The first characters have bits of what stands before it, the last one of what comes
            // after it.
            let first = (before * 8).div_ceil(6);
            let last = encoded.len() - usize::from(!moved.len().is_multiple_of(3));
            let own = &encoded[first..last];
            self.forms.push(own.as_bytes().to_vec());
            if own.contains(['+', '/']) {
                let for_urls = own.replace('+', "-").replace('/', "_");
                self.forms.push(for_urls.into_bytes());
            }
        }
    }

    /// Whether the whole credential is in there, in some form. Never for one that is too short to
    /// be told from other words.
    pub(crate) fn are_in(&self, text: &[u8]) -> bool {
        let finders: Vec<_> = self.forms.iter().map(memmem::Finder::new).collect();
        any_view(text, |view| {
            finders.iter().any(|finder| finder.find(view).is_some())
        })
    }

    /// A server's words, if they can be shown; else why they cannot be.
    pub(crate) fn without(&self, words: String) -> String {
        if self.forms.is_empty() {
            return "(its words are not shown: its credential is too short to be told from them; \
                    give it one of 8 characters or more)"
                .to_owned();
        }
        let has_part = any_view(words.as_bytes(), |view| {
            let mut parts = view.windows(TELLING);
            parts.any(|part| {
                let mut forms = self.forms.iter();
                forms.any(|form| memmem::find(form, part).is_some())
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
    fn it_shows_no_words_of_a_server_whose_credential_could_be_any_of_them() {
        let traces = Traces::of("a");
        assert!(!traces.are_in(b"banana"));
        assert!(traces.without("banana".to_owned()).contains("too short"));
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
