//! The tokens of JSON (RFC 8259) in bytes that are known to be UTF-8: where each one ends, and
//! whether it is well formed.

mod escapes;

use std::fmt;

use step_count::count;

use escapes::escape;
pub(crate) use escapes::{code_points, unescape, unescape_beginning};

/// A fault in the syntax, and its byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Syntax {
    pub(crate) wanted: Wanted,
    pub(crate) at: usize,
}

/// The kinds of things that the syntax wanted in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Utf8,
    Value,
    Literal,
    Number,
    Key,
    Colon,
    CommaOrBrace,
    CommaOrBracket,
    ClosingQuote,
    EscapedControl,
    Escape,
    PairedSurrogate,
    End,
}

impl fmt::Display for Syntax {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = match self.wanted {
            Wanted::Utf8 => "UTF-8",
            Wanted::Value => "a JSON value",
            Wanted::Literal => "`true`, `false` or `null`",
            Wanted::Number => "a JSON number",
            Wanted::Key => "a key in double quotes",
            Wanted::Colon => "`:`",
            Wanted::CommaOrBrace => "`,` or `}`",
            Wanted::CommaOrBracket => "`,` or `]`",
            Wanted::ClosingQuote => "a closing quote",
            Wanted::EscapedControl => "control characters to be escaped",
            Wanted::Escape => "a JSON escape",
            Wanted::PairedSurrogate => "surrogates in pairs",
            Wanted::End => "nothing after the value",
        };
        write!(out, "{wanted} at byte {}", self.at)
    }
}

fn bad<T>(wanted: Wanted, at: usize) -> Result<T, Syntax> {
    Err(Syntax { wanted, at })
}

/// The first byte from `at` on that is no white space.
#[inline(always)]
pub(crate) fn skip_space(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        // As nearly always, between tokens of compact JSON.
        Some(byte) if *byte > b' ' => at,
        _ => skip_more_space(bytes, at),
    }
}

#[inline(never)]
fn skip_more_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        count(1);
        at += 1;
    }
    at
}

/// `literal` at `start`; gives where it ends.
pub(crate) fn literal(bytes: &[u8], start: usize, literal: &[u8]) -> Result<usize, Syntax> {
    let end = start + literal.len();
    if bytes.get(start..end) == Some(literal) {
        Ok(end)
    } else {
        bad(Wanted::Literal, start)
    }
}

/// A number's end and form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) end: usize,
    pub(crate) form: NumberForm,
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberForm {
    /// Sign and digits only.
    Digits,
    /// With a fraction or an exponent.
    Decimal,
}

/// The number at `start`, which is a digit or a minus.
#[inline]
pub(crate) fn number(bytes: &[u8], start: usize) -> Result<Number, Syntax> {
    let digits = |at: usize| {
        let rest = bytes.get(at..).unwrap_or_default();
        let end = rest.iter().position(|byte| !byte.is_ascii_digit());
        let length = end.unwrap_or(rest.len());
        count(length);
        at + length
    };
    let mut form = NumberForm::Digits;
    let whole = start + usize::from(bytes.get(start) == Some(&b'-'));
    let mut end = digits(whole);
    if end == whole || (end > whole + 1 && bytes.get(whole) == Some(&b'0')) {
        return bad(Wanted::Number, start);
    }
    if bytes.get(end) == Some(&b'.') {
        let fraction = end + 1;
        end = digits(fraction);
        form = NumberForm::Decimal;
        if end == fraction {
            return bad(Wanted::Number, start);
        }
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        let exponent = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        end = digits(exponent);
        form = NumberForm::Decimal;
        if end == exponent {
            return bad(Wanted::Number, start);
        }
    }
    Ok(Number { end, form })
}

/// A string's end and form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quoted {
    /// Where the closing quote is.
    pub(crate) end: usize,
    pub(crate) form: StringForm,
}

/// How a string is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StringForm {
    /// The bytes between the quotes are the string.
    Plain,
    /// There are escapes among them.
    Escaped,
}

/// The string whose first byte behind the opening quote is at `start`.
#[inline]
pub(crate) fn string(bytes: &[u8], start: usize) -> Result<Quoted, Syntax> {
    let mut form = StringForm::Plain;
    let mut at = start;
    loop {
        at = plain(bytes, at);
        match bytes.get(at) {
            Some(b'"') => {
                count(at - start);
                return Ok(Quoted { end: at, form });
            }
            Some(b'\\') => {
                form = StringForm::Escaped;
                at = escape(bytes, at)?.end;
            }
            Some(0..0x20) => return bad(Wanted::EscapedControl, at),
            Some(_) => at += 1,
            None => return bad(Wanted::ClosingQuote, start),
        }
    }
}

/// The first quote, backslash or control character from `at` on, or where fewer than eight bytes
/// are left.
#[inline]
fn plain(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5c);
        // In each term a byte's high bit is set where the byte matches; carries can only disturb
        // bytes behind the first match.
        let special = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        let special = special & HIGH;
        if special != 0 {
            return at + (special.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_the_end_of_strings() {
        let check = |text: &str, expected: Result<(usize, StringForm), Wanted>| {
            let found = string(text.as_bytes(), 1);
            assert_eq!(
                found
                    .map(|quoted| (quoted.end, quoted.form))
                    .map_err(|syntax| syntax.wanted),
                expected,
                "{text:?}"
            );
        };
        use StringForm::{Escaped, Plain};
        check(r#""""#, Ok((1, Plain)));
        check(r#""abc""#, Ok((4, Plain)));
        check(r#""abcdefghijklmnopq" "rest""#, Ok((18, Plain)));
        check(r#""é€😀""#, Ok((10, Plain)));
        check(r#""a\"b""#, Ok((5, Escaped)));
        check(r#""\\""#, Ok((3, Escaped)));
        check(r#""\ud83d\ude00""#, Ok((13, Escaped)));
        check(r#""\ud83d""#, Err(Wanted::PairedSurrogate));
        check(r#""\ud83dx\ude00""#, Err(Wanted::PairedSurrogate));
        check(r#""\ud83d\u0041""#, Err(Wanted::PairedSurrogate));
        check(r#""\ude00""#, Err(Wanted::PairedSurrogate));
        check(r#""\u12g4""#, Err(Wanted::Escape));
        check(r#""\u+123""#, Err(Wanted::Escape));
        check(r#""\u12"#, Err(Wanted::Escape));
        check(r#""\x41""#, Err(Wanted::Escape));
        check("\"a\nb\"", Err(Wanted::EscapedControl));
        check("\"abcdefgh\u{1f}\"", Err(Wanted::EscapedControl));
        check("\"\u{7f}\"", Ok((2, Plain)));
        check(r#""abc"#, Err(Wanted::ClosingQuote));
        check(r#""abc\""#, Err(Wanted::ClosingQuote));
    }

    #[test]
    fn it_finds_the_end_of_numbers() {
        let check = |text: &str, expected: Option<(usize, NumberForm)>| {
            let found = number(text.as_bytes(), 0)
                .ok()
                .map(|number| (number.end, number.form));
            assert_eq!(found, expected, "{text:?}");
        };
        use NumberForm::{Decimal, Digits};
        check("0", Some((1, Digits)));
        check("-0,", Some((2, Digits)));
        check("120]", Some((3, Digits)));
        check("1.50 ", Some((4, Decimal)));
        check("1e5", Some((3, Decimal)));
        check("1E+5", Some((4, Decimal)));
        check("-1.2e-05", Some((8, Decimal)));
        for text in ["-", "01", "-01", "1.", "1.e5", "1e", "1e+", "-a", ".5"] {
            check(text, None);
        }
    }
}
