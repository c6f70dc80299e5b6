//! Takes back by `PUT` what `GET` gave: the thing itself is a field among others that tell about
//! it.

use std::sync::Arc;

use gateway_document::{CheckedDocument, Fault, Format, ParseError, Problem, parse, parse_rule};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use store::RevisionNumber;

use crate::gateway::{ChangeError, Edit, tool_policy};

/// The answer of `GET /api/v1/config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config<'a> {
    revision: u64,
    #[serde(rename = "author")]
    _author: IgnoredAny,
    #[serde(rename = "reason")]
    _reason: IgnoredAny,
    #[serde(rename = "created_at")]
    _created_at: IgnoredAny,
    #[serde(borrow)]
    document: &'a RawValue,
}

/// The answer of `GET /api/v1/tools/{name}/policy`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy<'a> {
    revision: u64,
    name: String,
    #[serde(rename = "listener")]
    _listener: IgnoredAny,
    #[serde(default, rename = "standing")]
    _standing: IgnoredAny,
    #[serde(rename = "policy")]
    _policy: IgnoredAny,
    #[serde(default, rename = "in_force")]
    _in_force: IgnoredAny,
    #[serde(default, rename = "in_part")]
    _in_part: IgnoredAny,
    #[serde(default, rename = "withheld")]
    _withheld: IgnoredAny,
    #[serde(default, rename = "warnings")]
    _warnings: IgnoredAny,
    #[serde(borrow)]
    rule: &'a RawValue,
}

/// A change that somebody made to what they had read, and the revision that they read.
pub(super) struct SentBack {
    pub(super) edit: Edit,
    pub(super) revision: RevisionNumber,
}

/// Recognises the answer of `GET /api/v1/config`; none where the text is something else.
///
/// # Errors
/// When the document in it is not one.
pub(super) fn config(text: &str) -> Result<Option<SentBack>, ChangeError> {
    let Ok(sent) = serde_json::from_str::<Config>(text) else {
        return Ok(None);
    };
    let document = parse(sent.document.get(), Format::Json)
        .map_err(|error| ChangeError::Malformed(below("/document", error)))?;
    let document = CheckedDocument::new(document).map_err(|problems| {
        let relocated = problems.into_iter().map(|problem| Problem {
            path: format!("/document{}", problem.path),
            ..problem
        });
        ChangeError::Invalid(relocated.collect())
    })?;
    Ok(Some(SentBack {
        edit: Arc::new(move |_: &_| Ok(document.clone())),
        revision: RevisionNumber(sent.revision),
    }))
}

/// Recognises the answer of `GET /api/v1/tools/{tool}/policy`; none where the text is something
/// else.
///
/// # Errors
/// When the rule in it is not one.
pub(super) fn policy(text: &str, tool: &str) -> Result<Option<SentBack>, ChangeError> {
    let sent = match serde_json::from_str::<Policy>(text) {
        Ok(sent) if sent.name == tool => sent,
        _ => return Ok(None),
    };
    let edit: Edit = if sent.rule.get() == "null" {
        // There was no rule to change, and the revision says that there still is none.
        Arc::new(|built| Ok(CheckedDocument::clone(&built.document)))
    } else {
        let rule = parse_rule(sent.rule.get(), Format::Json)
            .map_err(|error| ChangeError::Malformed(below("/rule", error)))?;
        tool_policy::put_back(tool.to_owned(), rule)
    };
    Ok(Some(SentBack {
        edit,
        revision: RevisionNumber(sent.revision),
    }))
}

/// Faults by the paths of what was sent; the lines are those of another text.
fn below(place: &str, error: ParseError) -> ParseError {
    let relocated = error.0.into_iter().map(|fault| Fault {
        path: format!("{place}{}", fault.path),
        line: None,
        reason: fault.reason,
    });
    ParseError(relocated.collect())
}
