//! Durations as operators write them: `500ms`, `30s`, `1m`, `2h`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

/// A length of time in whole milliseconds, written as a number and a unit (`ms`, `s`, `m`, `h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct Span {
    milliseconds: u64,
}

/// The reason why a text is no [`Span`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not a duration: write a whole number and `ms`, `s`, `m` or `h`, at most 24h, such \
     as `500ms`, `30s` or `1m`"
)]
pub struct InvalidSpan(String);

/// Units from the longest to the shortest, with their milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const LONGEST: u64 = 24 * 3_600_000;

impl Span {
    /// The span of this many seconds.
    #[must_use]
    pub const fn from_seconds(seconds: u32) -> Self {
        Self {
            milliseconds: seconds as u64 * 1_000,
        }
    }

    /// The length in milliseconds.
    #[must_use]
    pub const fn milliseconds(self) -> u64 {
        self.milliseconds
    }

    /// Whether it lasts no time at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.milliseconds == 0
    }

    /// The length for use with timers.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.milliseconds)
    }
}

impl FromStr for Span {
    type Err = InvalidSpan;
    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        let invalid = || InvalidSpan(text.to_owned());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| invalid())?;
        let (_, scale) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(invalid)?;
        match number.checked_mul(*scale) {
            Some(milliseconds) if milliseconds <= LONGEST => Ok(Self { milliseconds }),
            _ => Err(invalid()),
        }
    }
}

/// A number without a unit is what authors write first; its refusal says what to write.
impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl Visitor<'_> for Written {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as `500ms`, `30s` or `1m`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Written)
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0s");
        }
        let whole = |scale: &u64| self.milliseconds.is_multiple_of(*scale);
        let (unit, scale) = UNITS
            .iter()
            .find(|(_, scale)| whole(scale))
            .unwrap_or(&UNITS[3]);
        write!(f, "{}{unit}", self.milliseconds / scale)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]+(ms|s|m|h)$",
            "description": "A whole number and a unit: `500ms`, `30s`, `1m`, `2h`; at most 24h."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_it_writes_in_the_largest_whole_unit() {
        for (text, written, milliseconds) in [
            ("500ms", "500ms", 500),
            ("1000ms", "1s", 1_000),
            ("90s", "90s", 90_000),
            ("60s", "1m", 60_000),
            ("24h", "24h", 86_400_000),
            ("0m", "0s", 0),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(
                (span.milliseconds(), span.to_string()),
                (milliseconds, written.into())
            );
        }
    }

    #[test]
    fn it_refuses_what_could_be_misread() {
        for text in [
            "",
            "1",
            "1.5s",
            "-1s",
            "s",
            "1 s",
            "1M",
            "1d",
            "25h",
            "99999999999999999999s",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
