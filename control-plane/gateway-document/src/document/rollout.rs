//! How a change reaches the Envoys: in how many waves, and how long each is watched.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::rollout_gates::Gates;
use crate::names::GroupName;
use crate::span::Span;
use crate::unique;

/// How a change reaches the Envoys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rollout {
    /// The steps in which a change reaches the Envoys; after the last one all others get it.
    pub waves: Vec<Wave>,
    /// How long a wave is watched after its Envoys acknowledged the change, where it says nothing
    /// itself.
    pub soak: Span,
    /// How long an Envoy may take to acknowledge a change before it counts as silent.
    pub ack_deadline: Span,
    /// The numbers that Envoys must report of a change before a wave is over. Without them,
    /// acknowledgements and the soak are enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gates: Option<Gates>,
    /// Groups of Envoys by name, for waves to name.
    #[serde(
        deserialize_with = "unique::map",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub groups: BTreeMap<GroupName, NodeGroup>,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            waves: vec![Wave::EVERYONE],
            soak: Span::from_seconds(0),
            ack_deadline: Span::from_seconds(5),
            gates: None,
            groups: BTreeMap::new(),
        }
    }
}

impl Rollout {
    /// Whether a change is watched on some Envoys before it is over: there are several waves, or a
    /// soak.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        !matches!(self.steps().as_slice(), [(_, soak)] if soak.milliseconds() == 0)
    }

    /// The waves with the time for which each is watched. The last one reaches everyone, written or
    /// not.
    #[must_use]
    pub fn steps(&self) -> Vec<(Reach, Span)> {
        let mut steps: Vec<_> = self
            .waves
            .iter()
            .map(|wave| (wave.reach.clone(), wave.soak.unwrap_or(self.soak)))
            .collect();
        if steps.last().is_none_or(|(reach, _)| *reach != Reach::ALL) {
            steps.push((Reach::ALL, Span::from_seconds(0)));
        }
        steps
    }
}

/// A group of Envoys, selected by what they say of themselves: those that fit all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodeGroup {
    /// The `node.cluster` of their bootstrap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Texts at the top level of their `node.metadata`.
    #[serde(
        deserialize_with = "unique::map",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
}

/// A step of a rollout: its reach, such as `1`, `25%` or the name of a group, alone or with the
/// time for which it is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenWave", into = "WrittenWave")]
pub struct Wave {
    /// The Envoys that have the change after this step.
    pub reach: Reach,
    /// How long it is watched after its Envoys acknowledged the change; nothing where the rollout's
    /// own time holds.
    pub soak: Option<Span>,
}

impl Wave {
    /// The wave that reaches all Envoys.
    pub const EVERYONE: Self = Self {
        reach: Reach::ALL,
        soak: None,
    };
}

/// The reach of a wave: a number of Envoys or a share of them, those that have the change already
/// counted; or the Envoys of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenReach", into = "WrittenReach")]
pub enum Reach {
    /// This many of the Envoys.
    Envoys(u32),
    /// So many of a hundred, rounded up.
    Percent(u8),
    /// All Envoys of a group.
    Group(GroupName),
}

impl Reach {
    /// The reach of a wave for all Envoys.
    pub const ALL: Self = Self::Percent(100);
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Envoys(count) => write!(f, "{count}"),
            Self::Percent(share) => write!(f, "{share}%"),
            Self::Group(name) => write!(f, "{name}"),
        }
    }
}

/// The reason why a text is no [`Reach`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not the reach of a wave: write a number of Envoys such as `1`, a share of them such \
     as `25%`, or the name of one of `rollout.groups`"
)]
pub struct InvalidReach(String);

#[derive(Clone, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number of Envoys such as `1`, a share of them such as `25%`, the name \
                 of a group, or one of these as `reach` with a `soak`"
)]
enum WrittenWave {
    Short(Reach),
    Long(LongWave),
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LongWave {
    reach: Reach,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    soak: Option<Span>,
}

impl From<WrittenWave> for Wave {
    fn from(written: WrittenWave) -> Self {
        match written {
            WrittenWave::Short(reach) => Self { reach, soak: None },
            WrittenWave::Long(LongWave { reach, soak }) => Self { reach, soak },
        }
    }
}

impl From<Wave> for WrittenWave {
    fn from(Wave { reach, soak }: Wave) -> Self {
        match soak {
            None => Self::Short(reach),
            Some(_) => Self::Long(LongWave { reach, soak }),
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number of Envoys such as `1`, a share of them such as `25%`, or the \
                 name of a group"
)]
enum WrittenReach {
    Number(u32),
    Text(String),
}

impl TryFrom<WrittenReach> for Reach {
    type Error = InvalidReach;
    fn try_from(written: WrittenReach) -> Result<Self, InvalidReach> {
        match written {
            WrittenReach::Number(0) => Err(InvalidReach("0".to_owned())),
            WrittenReach::Number(envoys) => Ok(Self::Envoys(envoys)),
            WrittenReach::Text(text) => match text.strip_suffix('%') {
                Some(share) => {
                    let share = share.parse().ok().filter(|share| (1..=100).contains(share));
                    share.map(Self::Percent).ok_or(InvalidReach(text))
                }
                // A number in quotes is no group: it would be taken for so many Envoys.
                None if text.parse::<u64>().is_ok() => Err(InvalidReach(text)),
                None => match text.parse() {
                    Ok(name) => Ok(Self::Group(name)),
                    Err(_) => Err(InvalidReach(text)),
                },
            },
        }
    }
}

impl From<Reach> for WrittenReach {
    fn from(reach: Reach) -> Self {
        match reach {
            Reach::Envoys(envoys) => Self::Number(envoys),
            Reach::Percent(share) => Self::Text(format!("{share}%")),
            Reach::Group(name) => Self::Text(name.into()),
        }
    }
}

impl JsonSchema for Reach {
    fn schema_name() -> Cow<'static, str> {
        "Reach".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let group = generator.subschema_for::<GroupName>();
        json_schema!({"anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": "^([1-9][0-9]?|100)%$"},
            group
        ]})
    }
}

impl JsonSchema for Wave {
    fn schema_name() -> Cow<'static, str> {
        "Wave".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let short = generator.subschema_for::<Reach>();
        let long = generator.subschema_for::<LongWave>();
        json_schema!({"anyOf": [short, long]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Rollout, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn it_reads_a_reach_alone_or_with_a_soak_and_writes_it_as_it_was() {
        let text = r#"{"waves":["canary",1,{"reach":"25%","soak":"10m"},"100%"],"soak":"1m",
            "ack_deadline":"5s","groups":
            {"canary":{"cluster":"edge","labels":{"tier":"canary"}}}}"#;
        let rollout = read(text).unwrap();
        let written = serde_json::to_value(&rollout).unwrap();
        assert_eq!(
            written,
            serde_json::from_str::<serde_json::Value>(text).unwrap()
        );
        let steps: Vec<String> = rollout
            .steps()
            .into_iter()
            .map(|(reach, soak)| format!("{reach} {soak}"))
            .collect();
        assert_eq!(steps, ["canary 1m", "1 1m", "25% 10m", "100% 1m"]);
    }

    #[test]
    fn it_ends_with_a_wave_that_reaches_everyone() {
        let steps = read(r#"{"waves":[1],"soak":"1m"}"#).unwrap().steps();
        assert_eq!(
            steps,
            [
                (Reach::Envoys(1), Span::from_seconds(60)),
                (Reach::ALL, Span::from_seconds(0))
            ]
        );
        assert_eq!(
            Rollout::default().steps(),
            [(Reach::ALL, Span::from_seconds(0))]
        );
    }

    #[test]
    fn it_refuses_what_is_no_reach() {
        for wave in [
            "0",
            "-1",
            "1.5",
            r#""0%""#,
            r#""101%""#,
            r#""7""#,
            r#""a b""#,
            "[]",
        ] {
            let refused = read(&format!(r#"{{"waves":[{wave}]}}"#)).unwrap_err();
            assert!(refused.contains("`25%`"), "{wave}: {refused}");
        }
    }
}
