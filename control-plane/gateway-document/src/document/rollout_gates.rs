//! The numbers that must hold before a wave of a rollout is over.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The requests that Envoys of a wave have to answer unless the document says otherwise: fewer
/// cannot tell one failure in a hundred from none.
const USUAL_REQUESTS: u32 = 100;

/// The numbers that Envoys must report of a change before a wave is over, beside their
/// acknowledgement. Each limit is about what an Envoy has done since it runs the change, against
/// the five minutes before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gates {
    /// By how much the share of requests that fail may grow: those answered with a status of 500 or
    /// above, or left unanswered by a server. `1%` lets 3% pass where 2% failed before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_rate: Option<Share>,
    /// By how much the share of requests that the filter refuses may grow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusals: Option<Share>,
    /// How many requests the Envoys that have the change must have answered before a wave is over,
    /// and an Envoy, before its shares count.
    pub min_requests: u32,
    /// The fate of a wave whose Envoys do not report, or have answered fewer requests.
    pub without_numbers: WithoutNumbers,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            error_rate: None,
            refusals: None,
            min_requests: USUAL_REQUESTS,
            without_numbers: WithoutNumbers::default(),
        }
    }
}

/// The fate of a wave about which too little is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WithoutNumbers {
    /// It goes on until the numbers are there, or an operator promotes it.
    #[default]
    Wait,
    /// It is over when its soak is.
    Open,
}

/// A share of something, such as `1%` or `0.25%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Share {
    /// In hundredths of a percent.
    hundredths: u16,
}

/// The reason why a text is no [`Share`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a share: write a percentage from `0%` to `100%` such as `1%` or `0.25%`")]
pub struct InvalidShare(String);

impl Share {
    /// The share as a number from 0 to 1.
    #[must_use]
    pub fn as_fraction(self) -> f64 {
        f64::from(self.hundredths) / 10_000.0
    }
}

impl TryFrom<String> for Share {
    type Error = InvalidShare;
    fn try_from(text: String) -> Result<Self, InvalidShare> {
        let hundredths = || {
            let number = text.strip_suffix('%')?;
            let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
            let digits = |text: &str, most: usize| {
                (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
            };
            if !digits(whole, 3) || !digits(part, 2) {
                return None;
            }
            let whole: u16 = whole.parse().ok()?;
            let part: u16 = format!("{part:0<2}").parse().ok()?;
            Some(whole * 100 + part).filter(|hundredths| *hundredths <= 10_000)
        };
        match hundredths() {
            Some(hundredths) => Ok(Self { hundredths }),
            None => Err(InvalidShare(text)),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.hundredths / 100, self.hundredths % 100);
        match part {
            0 => write!(f, "{whole}%"),
            part if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
            part => write!(f, "{whole}.{part:02}%"),
        }
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        share.to_string()
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([0-9]{1,2}(\\.[0-9]{1,2})?|100(\\.00?)?)%$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_a_percentage_and_writes_the_shortest_form_of_it() {
        for (text, written, fraction) in [
            ("1%", "1%", 0.01),
            ("0%", "0%", 0.0),
            ("100%", "100%", 1.0),
            ("0.5%", "0.5%", 0.005),
            ("0.25%", "0.25%", 0.0025),
            ("12.05%", "12.05%", 0.1205),
            ("7.00%", "7%", 0.07),
            ("007%", "7%", 0.07),
        ] {
            let share = Share::try_from(text.to_owned()).unwrap();
            assert_eq!(
                (share.to_string().as_str(), share.as_fraction()),
                (written, fraction)
            );
        }
    }

    #[test]
    fn it_refuses_what_is_no_percentage() {
        for text in [
            "", "1", "%", "-1%", "101%", "100.01%", "1.234%", "1.%", ".5%", "1e1%", "9999%",
        ] {
            let refused = Share::try_from(text.to_owned()).unwrap_err().to_string();
            assert!(refused.contains("`0.25%`"), "{text}: {refused}");
        }
    }

    #[test]
    fn it_reads_gates_of_which_each_part_may_be_left_out() {
        let read = |text: &str| serde_json::from_str::<Gates>(text);
        assert_eq!(read("{}").unwrap(), Gates::default());
        let gates = read(
            r#"{"error_rate":"1%","refusals":"5%","min_requests":20,"without_numbers":"open"}"#,
        )
        .unwrap();
        assert_eq!(gates.error_rate.unwrap().to_string(), "1%");
        assert_eq!(gates.without_numbers, WithoutNumbers::Open);
        for wrong in [
            r#"{"error_rate":1}"#,
            r#"{"errors":"1%"}"#,
            r#"{"min_requests":-1}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
