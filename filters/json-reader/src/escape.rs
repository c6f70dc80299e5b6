//! Escapes in JSON strings (RFC 8259, section 7).

use std::borrow::Cow;

use step_count::count;

use crate::fault::NotJson;

/// The place of a reader within an escape: after the backslash, or among the four hex digits that
/// follow `\u`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escape {
    Begin,
    Hex {
        digits_left: u8,
        unit: u16,
        half: Half,
    },
    /// A high surrogate has been read: the next escape must be its low one.
    LowBackslash,
    LowLetter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    FirstOrOnly,
    Low,
}

pub(crate) enum Step {
    More(Escape),
    Done,
}

impl Escape {
    /// Whether the first half of a surrogate pair has been read.
    pub(crate) fn is_in_pair(self) -> bool {
        matches!(
            self,
            Self::LowBackslash
                | Self::LowLetter
                | Self::Hex {
                    half: Half::Low,
                    ..
                }
        )
    }

    pub(crate) fn next(self, byte: u8) -> Result<Step, NotJson> {
        let hex = |half| {
            Ok(Step::More(Self::Hex {
                digits_left: 4,
                unit: 0,
                half,
            }))
        };
        match (self, byte) {
            (Self::Begin, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(Step::Done),
            (Self::Begin, b'u') => hex(Half::FirstOrOnly),
            (Self::Begin, _) => Err(NotJson::Escape),
            (Self::LowBackslash, b'\\') => Ok(Step::More(Self::LowLetter)),
            (Self::LowLetter, b'u') => hex(Half::Low),
            (Self::LowBackslash | Self::LowLetter, _) => Err(NotJson::LoneSurrogate),
            (
                Self::Hex {
                    digits_left,
                    unit,
                    half,
                },
                byte,
            ) => {
                let unit = unit << 4 | hex_digit(byte).ok_or(NotJson::Escape)?;
                if digits_left > 1 {
                    return Ok(Step::More(Self::Hex {
                        digits_left: digits_left - 1,
                        unit,
                        half,
                    }));
                }
                match (half, unit) {
                    (Half::FirstOrOnly, 0xd800..=0xdbff) => Ok(Step::More(Self::LowBackslash)),
                    (Half::FirstOrOnly, 0xdc00..=0xdfff) => Err(NotJson::LoneSurrogate),
                    (Half::Low, 0xdc00..=0xdfff) | (Half::FirstOrOnly, _) => Ok(Step::Done),
                    (Half::Low, _) => Err(NotJson::LoneSurrogate),
                }
            }
        }
    }
}

fn hex_digit(byte: u8) -> Option<u16> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u16::try_from(digit).ok())
}

/// The string that the bytes between two quotes stand for, once they have been read without
/// complaint; `escaped` as their reader said.
#[must_use]
pub fn decoded(raw: &[u8], escaped: bool) -> Cow<'_, [u8]> {
    if escaped {
        Cow::Owned(resolve(raw))
    } else {
        Cow::Borrowed(raw)
    }
}

/// How many code points the string has that the bytes between two quotes stand for; as
/// [`decoded`].
#[must_use]
pub fn code_points(raw: &[u8], escaped: bool) -> usize {
    count(raw.len());
    if !escaped {
        return starts(raw);
    }
    let mut points = 0;
    let mut rest = raw;
    while let Some(plain) = rest.iter().position(|byte| *byte == b'\\') {
        points += starts(rest.get(..plain).unwrap_or_default()) + 1;
        let (letter, behind) = match rest.get(plain + 1..) {
            Some([letter, behind @ ..]) => (*letter, behind),
            _ => return points,
        };
        let length = if letter == b'u' {
            code_point(behind).1
        } else {
            0
        };
        rest = behind.get(length..).unwrap_or_default();
    }
    points + starts(rest)
}

/// How many characters begin in bytes that are UTF-8.
fn starts(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0xc0) != 0x80).count()
}

/// Resolves the escapes of a string that has been read without complaint.
fn resolve(raw: &[u8]) -> Vec<u8> {
    count(raw.len());
    let mut resolved = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [first, after @ ..] = rest {
        let (Some(letter), b'\\') = (after.first(), first) else {
            resolved.push(*first);
            rest = after;
            continue;
        };
        rest = after.get(1..).unwrap_or_default();
        resolved.push(match letter {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (character, length) = code_point(rest);
                rest = rest.get(length..).unwrap_or_default();
                resolved.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            other => *other,
        });
    }
    resolved
}

/// The character of the four digits at the start of `rest`, or of the pair that they begin, and its
/// length.
fn code_point(rest: &[u8]) -> (char, usize) {
    let unit = |digits: Option<&[u8]>| {
        digits
            .into_iter()
            .flatten()
            .filter_map(|&byte| hex_digit(byte))
            .fold(0_u16, |unit, digit| unit << 4 | digit)
    };
    let first = unit(rest.get(..4));
    if !matches!(first, 0xd800..=0xdfff) {
        return (
            char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER),
            4,
        );
    }
    let pair = [first, unit(rest.get(6..10))];
    let character = char::decode_utf16(pair).next().and_then(Result::ok);
    (character.unwrap_or(char::REPLACEMENT_CHARACTER), 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_resolves_every_escape_as_serde_json_does() {
        for raw in [
            r"plain",
            r#"\"\\\/\b\f\n\r\t"#,
            r"n\u0061me",
            r"\u00e9\u4e16\u0000",
            r"\ud83d\ude00 and \uD83D\uDE00",
            "aé😀",
            "",
            r"é\\\/\b\f\r\t\u0041x",
        ] {
            let expected: String = serde_json::from_str(&format!("\"{raw}\"")).unwrap();
            let escaped = raw.contains('\\');
            assert_eq!(*decoded(raw.as_bytes(), escaped), *expected.as_bytes());
            let points = code_points(raw.as_bytes(), escaped);
            assert_eq!(points, expected.chars().count(), "{raw}");
        }
    }

    #[test]
    fn it_resolves_even_what_no_reader_lets_through_without_a_panic() {
        for raw in [
            &b"\\"[..],
            b"\\u",
            b"\\u12",
            b"\\ud83d",
            b"\\ud83d\\u0041",
            b"\\x",
        ] {
            resolve(raw);
            let _ = code_points(raw, true);
        }
    }
}
