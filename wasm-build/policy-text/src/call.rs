//! The messages that decisions are asked about.

use std::collections::BTreeMap;

use policy_engine::{ItemKind, MessageForm, NamedBy, Principal, Said, SaidNames, SaidReference};
use serde::Deserialize;

use crate::{Fault, fault};

/// A message at an endpoint: the call of a tool, or a message of another method. Fields that it
/// does not know are errors.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "typescript", derive(serde::Serialize, tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The path at which the message arrives.
    pub endpoint: String,
    /// The name of the tool that is called, as clients of the endpoint see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The text of the call's `params.arguments` as it came: parsed and written again it might hide
    /// what readers understand differently, such as a key that comes twice. Absent where the call
    /// has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
    /// Instead of a tool, the method of another message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The prompt that this message names: in `params.name`, or in the `params.ref` of
    /// `completion/complete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The resource that it names: in `params.uri`, or in that `params.ref`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Whether that message asks for an answer; it does where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// The caller, where somebody has verified who that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Caller>,
}

/// Whether a message asks for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "typescript", derive(serde::Serialize, tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// It has an id, so it does.
    Request,
    /// It has no id, so it does not.
    Notification,
}

/// A caller whose identity was verified.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "typescript", derive(serde::Serialize, tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// The identity, unique within its issuer.
    pub subject: String,
    /// The claims that were verified, each with its values.
    #[serde(default)]
    #[cfg_attr(feature = "typescript", tsify(type = "Record<string, string[]>"))]
    pub claims: BTreeMap<String, Vec<String>>,
}

/// The part of the policy that a call concerns.
#[derive(Clone, Copy)]
pub(crate) enum Subject<'c> {
    Tool(&'c str),
    /// A message of this method.
    Method(&'c str),
}

impl Call {
    pub(crate) fn read(text: &str) -> Result<Self, Vec<Fault>> {
        serde_json::from_str(text).map_err(|error| vec![fault("", error.to_string())])
    }

    pub(crate) fn subject(&self) -> Result<Subject<'_>, Vec<Fault>> {
        let mut faults = Vec::new();
        if self.form.is_some() && (self.method.is_none() || self.tool.is_some()) {
            faults.push(fault(
                "/form",
                "belongs to a `method`; the call of a `tool` is always a request",
            ));
        }
        if self.method.is_some() && self.arguments.is_some() {
            faults.push(fault("/arguments", "belong to a `tool`, not to a `method`"));
        }
        for (field, given) in [("/prompt", &self.prompt), ("/uri", &self.uri)] {
            if given.is_some() && (self.method.is_none() || self.tool.is_some()) {
                faults.push(fault(field, "belongs to a `method`, not to a `tool`"));
            }
        }
        if self.prompt.is_some() && self.uri.is_some() {
            faults.push(fault(
                "/uri",
                "a message names a `prompt` or a `uri`, not both",
            ));
        }
        let subject = match (&self.tool, &self.method) {
            (Some(tool), None) => Some(Subject::Tool(tool)),
            (None, Some(method)) => {
                if faults.is_empty() {
                    faults.extend(self.unnamed(method));
                }
                Some(Subject::Method(method))
            }
            (Some(_), Some(_)) => {
                faults.push(fault(
                    "/method",
                    "a message has a `tool` or a `method`, not both",
                ));
                None
            }
            (None, None) => {
                faults.push(fault("", "names neither a `tool` nor a `method`"));
                None
            }
        };
        match subject {
            Some(subject) if faults.is_empty() => Ok(subject),
            _ => Err(faults),
        }
    }

    /// The fields that a message of this method has no place for.
    fn unnamed(&self, method: &str) -> impl Iterator<Item = Fault> {
        let kinds = NamedBy::of_method(method.as_bytes()).map_or(&[][..], NamedBy::kinds);
        let fields = [
            ("/prompt", &self.prompt, ItemKind::Prompt),
            ("/uri", &self.uri, ItemKind::Resource),
        ];
        let unnamed = fields
            .into_iter()
            .filter(|(_, given, kind)| given.is_some() && !kinds.contains(kind));
        unnamed.map(|(field, _, kind)| {
            let reason = format!("a message of this `method` names no {}", kind.word());
            fault(field, reason)
        })
    }

    /// The content of the places where a message of this method may name an item.
    pub(crate) fn names<'c>(&'c self, method: &'c str) -> SaidNames<&'c str> {
        let said = |given: &'c Option<String>| given.as_deref().map_or(Said::Nothing, Said::Text);
        let (name, uri) = (said(&self.prompt), said(&self.uri));
        let kind = match (name, uri) {
            (Said::Text(_), _) => Some(ItemKind::Prompt),
            (_, Said::Text(_)) => Some(ItemKind::Resource),
            _ => None,
        };
        SaidNames {
            name,
            uri,
            reference: Some(SaidReference { kind, name, uri }),
            method: Said::Text(method),
        }
    }

    pub(crate) fn form(&self) -> MessageForm {
        match self.form {
            Some(Form::Notification) => MessageForm::Notification,
            Some(Form::Request) | None => MessageForm::Request,
        }
    }

    pub(crate) fn principal(&self) -> Principal {
        match &self.principal {
            None => Principal::Anonymous,
            Some(caller) => Principal::Known {
                subject: caller.subject.clone(),
                claims: caller.claims.clone(),
            },
        }
    }
}
