//! The grammar of JSON numbers (RFC 8259, section 6), byte by byte.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

impl Number {
    /// The state after the first byte of a number.
    #[inline]
    pub(crate) fn begin(byte: u8) -> Option<Self> {
        match byte {
            b'1'..=b'9' => Some(Self::Integer),
            b'0' => Some(Self::Zero),
            b'-' => Some(Self::Minus),
            _ => None,
        }
    }

    /// The state after one more byte; none where the number does not go on with it.
    #[inline]
    pub(crate) fn next(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Integer, b'0'..=b'9') => Self::Integer,
            (Self::Fraction | Self::Point, b'0'..=b'9') => Self::Fraction,
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus, b'1'..=b'9') => Self::Integer,
            (Self::Zero | Self::Integer, b'.') => Self::Point,
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Self::Exponent,
            (Self::Exponent, b'+' | b'-') => Self::ExponentSign,
            (Self::Exponent | Self::ExponentSign | Self::ExponentDigits, b'0'..=b'9') => {
                Self::ExponentDigits
            }
            _ => return None,
        })
    }

    /// Whether any digit leaves it in this state.
    #[inline]
    pub(crate) fn takes_digits(self) -> bool {
        matches!(self, Self::Integer | Self::Fraction | Self::ExponentDigits)
    }

    /// Whether the number may end here.
    #[inline]
    pub(crate) fn is_whole(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Integer | Self::Fraction | Self::ExponentDigits
        )
    }

    /// Whether it is written as a sign and digits only, so far.
    #[inline]
    pub(crate) fn is_of_digits(self) -> bool {
        matches!(self, Self::Zero | Self::Integer)
    }
}

/// Whether a text is one JSON number, and nothing else.
#[must_use]
pub fn is_number(text: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first() else {
        return false;
    };
    let mut bytes = rest.iter();
    let begun = Number::begin(*first);
    let ended = bytes.try_fold(begun, |number, byte| {
        number.and_then(|number| number.next(*byte)).map(Some)
    });
    matches!(ended, Some(Some(number)) if number.is_whole())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_numbers() {
        for text in ["0", "-0", "120", "1.50", "1e5", "1E+5", "-1.2e-05"] {
            assert!(is_number(text.as_bytes()), "{text}");
        }
        for text in [
            "", "-", "01", "-01", "1.", "1.e5", "1e", "1e+", "-a", ".5", "1 ", " 1", "+1", "1,",
        ] {
            assert!(!is_number(text.as_bytes()), "{text}");
        }
    }
}
