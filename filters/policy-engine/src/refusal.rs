//! Why a call is refused, and what its caller should do.

use std::fmt::Write as _;
use std::time::Duration;

use crate::item_kind::ItemKind;
use crate::schema::violation::{Violation, echo};

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No catalogue has the tool, on this endpoint.
    UnknownTool {
        /// The name that the caller asked for: shortened and printable.
        name: String,
    },
    /// The name of an item is spelt as servers might take it for another one.
    NotNormal {
        /// The kind of item.
        kind: ItemKind,
        /// The name that the caller wrote: shortened and printable.
        name: String,
    },
    /// The caller may not use the item.
    Forbidden {
        /// The kind of item.
        kind: ItemKind,
        /// The server's own name of it.
        name: String,
        /// The rule that says who may; none where the default does.
        rule: Option<String>,
        /// Whether the caller said who they are.
        caller: Caller,
    },
    /// `access: deny` closes the method.
    ClosedMethod {
        /// The method that the caller asked for: shortened and printable.
        method: String,
    },
    /// The arguments do not fit the tool's schema or the operator's constraints.
    BadArguments {
        /// The tool's own name.
        tool: String,
        /// The faults of the arguments; at most [`MOST_VIOLATIONS`](crate::MOST_VIOLATIONS).
        violations: Vec<Violation>,
    },
    /// The tool's policy needs the arguments, and the caller of the engine did not read them.
    ArgumentsNotRead {
        /// The tool's own name.
        tool: String,
    },
    /// The tool's arguments are to be checked, and the schema for that cannot be used.
    Uncheckable {
        /// The tool's own name.
        tool: String,
    },
    /// The caller has called too often.
    Limited {
        /// The kind of item.
        kind: ItemKind,
        /// The server's own name of it.
        name: String,
        /// The rule that holds the limit.
        rule: String,
        /// The limit's name within its rule.
        limit: String,
        /// The rate in words: `2 calls per 1 minute`.
        rate: String,
        /// How long until the next call passes.
        retry_after: Duration,
    },
}

/// Behind so many bytes a sentence names no further violation.
const LONG_SENTENCE: usize = 2000;

/// Whether a refused caller said who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The caller is anonymous.
    Anonymous,
    /// The caller's identity was verified.
    Known,
}

impl Refusal {
    pub(crate) fn unknown_tool(name: &[u8]) -> Self {
        Self::UnknownTool { name: echo(name) }
    }

    pub(crate) fn not_normal(kind: ItemKind, name: &[u8]) -> Self {
        Self::NotNormal {
            kind,
            name: echo(name),
        }
    }

    pub(crate) fn closed_method(method: &[u8]) -> Self {
        Self::ClosedMethod {
            method: echo(method),
        }
    }

    /// A short fixed word, for statistics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownTool { .. } => "unknown_tool",
            Self::NotNormal { .. } => "not_normal",
            Self::Forbidden { .. } => "forbidden",
            Self::ClosedMethod { .. } => "closed_method",
            Self::BadArguments { .. } => "bad_arguments",
            Self::ArgumentsNotRead { .. } => "arguments_not_read",
            Self::Uncheckable { .. } => "uncheckable",
            Self::Limited { .. } => "limited",
        }
    }

    /// A sentence that says to the caller what happened and what to do: one line, bounded in
    /// length.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::UnknownTool { name } => {
                format!(
                    "no tool `{name}` can be called here: no server has listed it, or this gateway \
                     withholds it; call `tools/list` for others"
                )
            }
            Self::NotNormal { kind, name } => {
                let how = match kind {
                    ItemKind::Resource => {
                        "write its URI in normal form (RFC 3986 section 6.2.2), without an encoded \
                         slash and in at most 4096 bytes, and encode what no URI may hold"
                    }
                    _ => {
                        "write it without control characters, without spaces around it, and in at \
                         most 512 bytes"
                    }
                };
                let kind = kind.word();
                format!("the {kind} `{name}` could be taken for another one; {how}")
            }
            Self::Forbidden {
                kind,
                name,
                rule,
                caller,
            } => {
                let kind = kind.word();
                let rule = rule
                    .as_ref()
                    .map(|rule| format!(" (rule `{rule}`)"))
                    .unwrap_or_default();
                match caller {
                    Caller::Anonymous => format!(
                        "{kind} `{name}` is not open to anonymous callers{rule}; ask the \
                         operator of this gateway for access"
                    ),
                    Caller::Known => format!(
                        "{kind} `{name}` is not allowed for you{rule}; ask the operator of this \
                         gateway for access"
                    ),
                }
            }
            Self::ClosedMethod { method } => format!(
                "the method `{method}` is not open on this gateway; ask its operator for access"
            ),
            Self::BadArguments { tool, violations } => {
                let mut sentence = format!("the arguments of tool `{tool}` do not fit its schema");
                for (index, violation) in violations.iter().enumerate() {
                    if sentence.len() > LONG_SENTENCE {
                        let _ = write!(sentence, "; and {} more", violations.len() - index);
                        break;
                    }
                    let _ = write!(
                        sentence,
                        "{} {violation}",
                        if index == 0 { ":" } else { ";" }
                    );
                }
                sentence.push_str("; correct them and call again");
                sentence
            }
            Self::ArgumentsNotRead { tool } => {
                format!(
                    "the arguments of tool `{tool}` could not be checked; send the call again in \
                     one smaller request"
                )
            }
            Self::Uncheckable { tool } => format!(
                "this gateway cannot check the arguments of tool `{tool}`, so it passes no call of \
                 it; tell its operator"
            ),
            Self::Limited {
                kind,
                name,
                rate,
                retry_after,
                ..
            } => {
                format!(
                    "{} `{name}` is limited to {rate}; try again in {} s",
                    kind.word(),
                    whole_seconds(*retry_after)
                )
            }
        }
    }

    /// The value of `Retry-After` (RFC 9110 section 10.2.3), in seconds, where trying again helps.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::Limited { retry_after, .. } => Some(whole_seconds(*retry_after)),
            _ => None,
        }
    }
}

/// Rounded up: a caller who waits that long is let in.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// A rate in words.
pub(crate) fn rate_in_words(requests: u64, window_ms: u64) -> String {
    let calls = if requests == 1 { "call" } else { "calls" };
    let window = match window_ms {
        ms if ms % 86_400_000 == 0 => plural(ms / 86_400_000, "day"),
        ms if ms % 3_600_000 == 0 => plural(ms / 3_600_000, "hour"),
        ms if ms % 60_000 == 0 => plural(ms / 60_000, "minute"),
        ms if ms % 1000 == 0 => plural(ms / 1000, "second"),
        ms => format!("{ms} ms"),
    };
    format!("{requests} {calls} per {window}")
}

fn plural(count: u64, unit: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_to_do() {
        let limited = Refusal::Limited {
            kind: ItemKind::Tool,
            name: "execute_query".into(),
            rule: "tool:execute_query".into(),
            limit: "each".into(),
            rate: rate_in_words(2, 60_000),
            retry_after: Duration::from_millis(30_001),
        };
        assert_eq!(
            limited.sentence(),
            "tool `execute_query` is limited to 2 calls per 1 minute; try again in 31 s"
        );
        assert_eq!(limited.retry_after_seconds(), Some(31));
        assert_eq!(
            Refusal::unknown_tool(b"x\n").sentence(),
            "no tool `x\\u{a}` can be called here: no server has listed it, or this gateway \
             withholds it; call `tools/list` for others"
        );
        let violation = |pointer: &str, expected: &str, found: Option<&str>| Violation {
            pointer: pointer.into(),
            expected: expected.into(),
            found: found.map(str::to_owned),
        };
        let bad = Refusal::BadArguments {
            tool: "execute_query".into(),
            violations: vec![
                violation("/sql", "a string", Some("7")),
                violation("", "`table`", None),
            ],
        };
        assert_eq!(
            bad.sentence(),
            "the arguments of tool `execute_query` do not fit its schema: /sql: expected a \
             string, found 7; the arguments: expected `table`; correct them and call again"
        );
    }

    #[test]
    fn it_keeps_every_sentence_short() {
        let violations = (0..crate::MOST_VIOLATIONS)
            .map(|_| Violation {
                pointer: "p".repeat(256),
                expected: "e".repeat(256),
                found: Some("f".repeat(64)),
            })
            .collect();
        let bad = Refusal::BadArguments {
            tool: "t".into(),
            violations,
        };
        assert!(bad.sentence().len() < 4000);
        assert!(
            bad.sentence()
                .ends_with("more; correct them and call again")
        );
        assert!(Refusal::unknown_tool(&[b'x'; 100_000]).sentence().len() < 200);
    }

    #[test]
    fn it_says_rates_as_people_do() {
        let check = |requests, window_ms, expected: &str| {
            assert_eq!(rate_in_words(requests, window_ms), expected);
        };
        check(1, 1000, "1 call per 1 second");
        check(60, 60_000, "60 calls per 1 minute");
        check(5, 90_000, "5 calls per 90 seconds");
        check(5, 7_200_000, "5 calls per 2 hours");
        check(5, 86_400_000, "5 calls per 1 day");
        check(5, 1500, "5 calls per 1500 ms");
    }
}
