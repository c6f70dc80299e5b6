//! Numbers exactly as they are written: no rounding, however many digits they have.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use step_count::count;

/// A decimal number: 0.d₁d₂d₃… × 10^point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    sign: Sign,
    /// Values 0 to 9; neither the first nor the last is 0, and none are there for zero.
    digits: Vec<u8>,
    point: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Plus,
    Minus,
}

/// Far beyond any length of text, and far from overflow.
const FARTHEST: i64 = 1 << 60;

impl Decimal {
    /// The number that a well-formed JSON number stands for.
    pub(crate) fn new(text: &[u8]) -> Self {
        count(text.len());
        let (sign, text) = match text.strip_prefix(b"-") {
            Some(rest) => (Sign::Minus, rest),
            None => (Sign::Plus, text),
        };
        let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => (
                text.get(..at).unwrap_or_default(),
                exponent(text.get(at + 1..).unwrap_or_default()),
            ),
            None => (text, 0),
        };
        let mut point = i64::MIN;
        let mut digits = Vec::with_capacity(mantissa.len());
        for byte in mantissa {
            match byte {
                b'.' => point = length(&digits),
                digit => digits.push(digit.wrapping_sub(b'0')),
            }
        }
        if point == i64::MIN {
            point = length(&digits);
        }
        let leading = digits.iter().take_while(|digit| **digit == 0).count();
        digits.drain(..leading);
        while digits.last() == Some(&0) {
            digits.pop();
        }
        if digits.is_empty() {
            return Self {
                sign: Sign::Plus,
                digits,
                point: 0,
            };
        }
        let point = point - i64::try_from(leading).unwrap_or(FARTHEST);
        Self {
            sign,
            digits,
            point: point.saturating_add(exponent).clamp(-FARTHEST, FARTHEST),
        }
    }

    /// Bytes that are the same for equal numbers, and for no others.
    pub(crate) fn canonical(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.digits.len() + 9);
        bytes.push(u8::from(self.sign == Sign::Minus));
        bytes.extend_from_slice(&self.point.to_le_bytes());
        bytes.extend_from_slice(&self.digits);
        bytes
    }

    pub(crate) fn is_integer(&self) -> bool {
        length(&self.digits) <= self.point || self.digits.is_empty()
    }

    pub(crate) fn is_positive(&self) -> bool {
        self.sign == Sign::Plus && !self.digits.is_empty()
    }

    /// The number, where it is an integer of that size.
    pub(crate) fn to_i64(&self) -> Option<i64> {
        if !self.is_integer() || self.point > 19 {
            return None;
        }
        let magnitude = (0..self.point).try_fold(0_i128, |number, place| {
            let digit = self
                .digits
                .get(usize::try_from(place).ok()?)
                .copied()
                .unwrap_or(0);
            Some(number * 10 + i128::from(digit))
        })?;
        i64::try_from(if self.sign == Sign::Minus {
            -magnitude
        } else {
            magnitude
        })
        .ok()
    }

    /// The number, where it is a length that can be.
    pub(crate) fn to_length(&self) -> Option<u64> {
        self.to_i64().and_then(|number| u64::try_from(number).ok())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sign == Sign::Minus {
            out.write_str("-")?;
        }
        let digit = |place: i64| {
            let digit = usize::try_from(place)
                .ok()
                .and_then(|place| self.digits.get(place));
            char::from(b'0' + digit.copied().unwrap_or(0))
        };
        let end = length(&self.digits);
        if !(-20..=20).contains(&self.point) {
            write!(out, "{}", digit(0))?;
            if end > 1 {
                out.write_str(".")?;
            }
            (1..end).try_for_each(|place| out.write_char(digit(place)))?;
            return write!(out, "e{}", self.point - 1);
        }
        if self.point <= 0 {
            out.write_str("0")?;
        }
        (0..self.point).try_for_each(|place| out.write_char(digit(place)))?;
        if end > self.point.max(0) {
            out.write_str(".")?;
            (self.point.min(0)..0).try_for_each(|_| out.write_str("0"))?;
            (self.point.max(0)..end).try_for_each(|place| out.write_char(digit(place)))?;
        }
        Ok(())
    }
}

fn length(digits: &[u8]) -> i64 {
    i64::try_from(digits.len()).unwrap_or(FARTHEST)
}

fn exponent(text: &[u8]) -> i64 {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let magnitude = digits.iter().fold(0_i64, |number, digit| {
        (number
            .saturating_mul(10)
            .saturating_add(i64::from(digit.wrapping_sub(b'0'))))
        .min(FARTHEST)
    });
    if negative { -magnitude } else { magnitude }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |number: &Self| match (number.digits.is_empty(), number.sign) {
            (true, _) => 0,
            (false, Sign::Plus) => 1,
            (false, Sign::Minus) => -1,
        };
        rank(self).cmp(&rank(other)).then_with(|| {
            // Neither list of digits ends in 0, so the shorter of two that begin alike is the
            // smaller.
            let magnitude = self
                .point
                .cmp(&other.point)
                .then_with(|| self.digits.cmp(&other.digits));
            if self.sign == Sign::Minus {
                magnitude.reverse()
            } else {
                magnitude
            }
        })
    }
}

/// A division of 128 bits takes as long as reading so many bytes.
const DIVISION: usize = 8;

/// A divisor that numbers must be multiples of: `digits` × 10^exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Divisor {
    /// Not a multiple of ten.
    digits: u64,
    exponent: i64,
}

impl Divisor {
    /// Nothing where the number is not positive or has more than 18 digits.
    pub(crate) fn new(number: &Decimal) -> Option<Self> {
        if !number.is_positive() || number.digits.len() > 18 {
            return None;
        }
        let digits = number
            .digits
            .iter()
            .fold(0, |sum, digit| sum * 10 + u64::from(*digit));
        Some(Self {
            digits,
            exponent: number.point - length(&number.digits),
        })
    }

    pub(crate) fn divides(self, number: &Decimal) -> bool {
        if number.digits.is_empty() {
            return true;
        }
        // number = n × 10^e with n no multiple of ten, so a divisor with a higher power of ten
        // never fits.
        let Ok(shift) = u64::try_from(number.point - length(&number.digits) - self.exponent) else {
            return false;
        };
        // A divisor below 2⁶⁰ holds 2 and 5 fewer than sixty times: more tens change nothing.
        let shift = shift.min(60);
        let modulus = u128::from(self.digits);
        // Eighteen digits at a time: the division is by far the slowest step.
        let rest = number.digits.chunks(18).fold(0, |rest, digits| {
            let (scale, value) = digits.iter().fold((1_u64, 0_u64), |(scale, value), digit| {
                (scale * 10, value * 10 + u64::from(*digit))
            });
            count(DIVISION);
            (rest * u128::from(scale) + u128::from(value)) % modulus
        });
        (rest * power_of_ten(shift, modulus)).is_multiple_of(modulus)
    }

    pub(crate) fn divides_i64(self, number: i64) -> Option<bool> {
        (self.exponent == 0).then(|| number.unsigned_abs().is_multiple_of(self.digits))
    }
}

/// 10^exponent mod modulus; the modulus is below 10^18, so no product overflows.
fn power_of_ten(mut exponent: u64, modulus: u128) -> u128 {
    let (mut result, mut base) = (1 % modulus, 10 % modulus);
    while exponent > 0 {
        count(DIVISION);
        if exponent & 1 == 1 {
            result = result * base % modulus;
        }
        base = base * base % modulus;
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::new(text.as_bytes())
    }

    #[test]
    fn it_knows_integers_however_they_are_written() {
        for text in [
            "0",
            "-0",
            "0.0",
            "-0e-5",
            "1.0",
            "1e3",
            "1.5e1",
            "100e-2",
            "1e400",
            "9007199254740993",
            "-12.340e2",
        ] {
            assert!(decimal(text).is_integer(), "{text}");
        }
        for text in [
            "0.1",
            "1.5",
            "1e-1",
            "1.55e1",
            "1e-400",
            "9007199254740993.5",
        ] {
            assert!(!decimal(text).is_integer(), "{text}");
        }
        assert_eq!(decimal("-12.340e2").to_i64(), Some(-1234));
        assert_eq!(decimal("1e3").to_i64(), Some(1000));
        assert_eq!(decimal("9223372036854775807").to_i64(), Some(i64::MAX));
        assert_eq!(decimal("-9223372036854775808").to_i64(), Some(i64::MIN));
        assert_eq!(decimal("9223372036854775808").to_i64(), None);
        assert_eq!(decimal("1e999999999999999999999").to_i64(), None);
        assert_eq!(decimal("0e999999999999999999999").to_i64(), Some(0));
    }

    #[test]
    fn it_compares_without_rounding() {
        let ascending = [
            "-1e999999999999999999999",
            "-9007199254740993",
            "-9007199254740992",
            "-1.5",
            "-1",
            "-0.1",
            "-1e-400",
            "0",
            "1e-400",
            "0.1",
            "0.10000000000000000001",
            "0.99",
            "1",
            "1.0000000000000000000000001",
            "9",
            "10",
            "9007199254740992",
            "9007199254740992.5",
            "9007199254740993",
            "18446744073709551615",
            "18446744073709551616",
            "1e400",
            "1e999999999999999999999",
        ];
        for (low, a) in ascending.iter().enumerate() {
            for (high, b) in ascending.iter().enumerate() {
                assert_eq!(decimal(a).cmp(&decimal(b)), low.cmp(&high), "{a} {b}");
            }
        }
        for (low, a) in ascending.iter().enumerate() {
            for (high, b) in ascending.iter().enumerate() {
                let is_same = decimal(a).canonical() == decimal(b).canonical();
                assert_eq!(is_same, low == high, "{a} {b}");
            }
        }
        assert_eq!(decimal("10e-1").canonical(), decimal("1.0").canonical());
        assert_eq!(decimal("1.0"), decimal("1"));
        assert_eq!(decimal("-0.0"), decimal("0"));
        assert_eq!(decimal("10e-1"), decimal("0.001e3"));
    }

    #[test]
    fn it_writes_numbers_as_people_do() {
        for text in [
            "0",
            "1",
            "-1",
            "10",
            "1.5",
            "-0.05",
            "0.1",
            "100",
            "9007199254740993.5",
            "1e400",
            "-1.25e-30",
            "20000",
        ] {
            assert_eq!(decimal(text).to_string(), text);
        }
        assert_eq!(decimal("-0.0").to_string(), "0");
        assert_eq!(decimal("1.50e2").to_string(), "150");
    }

    #[test]
    fn it_divides_exactly() {
        let check = |number: &str, divisor: &str, expected: bool| {
            let divisor = Divisor::new(&decimal(divisor)).unwrap();
            assert_eq!(
                divisor.divides(&decimal(number)),
                expected,
                "{number} {divisor:?}"
            );
        };
        check("6", "3", true);
        check("7", "3", false);
        check("0", "3", true);
        check("-9", "3", true);
        check("0.3", "0.1", true);
        check("0.35", "0.1", false);
        check("1e2", "25", true);
        check("1e100000", "7", false);
        check("7e100000", "7", true);
        check("1e100000", "8", true);
        check("19.99", "0.01", true);
        check("4.5", "1.5", true);
        check("100", "1e3", false);
        check("5000", "1e3", true);
        check("1e-7", "1e-8", true);
        check("123456789012345678901234567890", "10", true);
        check("123456789012345678901234567891", "10", false);
        assert_eq!(Divisor::new(&decimal("0")), None);
        assert_eq!(Divisor::new(&decimal("-1")), None);
        assert_eq!(Divisor::new(&decimal("1234567890123456789")), None);
    }
}
