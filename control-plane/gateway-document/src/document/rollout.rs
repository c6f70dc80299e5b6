//! How a change reaches the Envoys: in how many steps, and how long each waits.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::span::Span;

/// How a change reaches the Envoys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rollout {
    /// How many Envoys each step reaches in all. Today one step, all of them.
    pub waves: Vec<Wave>,
    /// How long a step is watched before the next. Not supported yet.
    pub soak: Span,
    /// How long an Envoy may take to acknowledge a change before a write answers without it.
    pub ack_deadline: Span,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            waves: vec![Wave::EVERYONE],
            soak: Span::from_seconds(0),
            ack_deadline: Span::from_seconds(5),
        }
    }
}

/// The reach of a step: a number of Envoys, or a share of them such as `25%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Wave {
    /// This many of the Envoys.
    Envoys(u32),
    /// So many of a hundred.
    Percent(u8),
}

impl Wave {
    /// The wave that reaches all Envoys.
    pub const EVERYONE: Self = Self::Percent(100);
}

/// The reason why a text is no [`Wave`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not a wave: write a number of Envoys such as `1`, or a share of them such as `25%`"
)]
pub struct InvalidWave(String);

#[derive(Clone, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number of Envoys such as `1`, or a share of them such as `25%`"
)]
enum Written {
    Number(u32),
    Text(String),
}

impl TryFrom<Written> for Wave {
    type Error = InvalidWave;
    fn try_from(written: Written) -> Result<Self, InvalidWave> {
        match written {
            Written::Number(0) => Err(InvalidWave("0".to_owned())),
            Written::Number(envoys) => Ok(Self::Envoys(envoys)),
            Written::Text(text) => text
                .strip_suffix('%')
                .and_then(|share| share.parse().ok())
                .filter(|share| (1..=100).contains(share))
                .map(Self::Percent)
                .ok_or(InvalidWave(text)),
        }
    }
}

impl From<Wave> for Written {
    fn from(wave: Wave) -> Self {
        match wave {
            Wave::Envoys(envoys) => Self::Number(envoys),
            Wave::Percent(share) => Self::Text(format!("{share}%")),
        }
    }
}

impl JsonSchema for Wave {
    fn schema_name() -> Cow<'static, str> {
        "Wave".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": "^([1-9][0-9]?|100)%$"}
        ]})
    }
}
