//! The policy engine's calls as JSON text: compile, decide, explain. The builds of the engine for
//! embedders, `policy-component` and `policy-browser`, only convert between this and their hosts.
//!
//! - [`TextPolicy::compile`] takes the bytes of a filter's configuration, as the control plane
//!   sends them.
//! - [`TextPolicy::decide`] takes a [`Call`] and answers with a [`Decision`], both as JSON.
//! - [`TextPolicy::explain`] names the rule behind each field of a tool's policy.
//! - [`Counts`] are the states of limits. They are apart from the policy, so that they outlive it.
//!
//! Every error is a list of [`Fault`]s, each with the place of what is wrong. As in the engine,
//! time and randomness come in as arguments.

#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

mod call;
mod counts;
mod decision;

use std::fmt::Display;

use policy_engine::settlement::Settled;
use policy_engine::wire::travel;
use policy_engine::{
    Arguments, CompileError, EndpointId, Item, ItemKind, Naming, Plan, Policy, Principal, Refusal,
    SchemaCache, UnixNanos, compile,
};
use serde::Serialize;

pub use call::{Call, Caller, Form};
pub use counts::Counts;
pub use decision::{Decision, Rules};

use call::Subject;

/// One thing that is wrong with a configuration or a call: its place, as a JSON Pointer (RFC 6901),
/// and the reason.
pub type Fault = CompileError;

/// A compiled policy that is asked in JSON.
#[derive(Debug)]
pub struct TextPolicy(Policy);

impl TextPolicy {
    /// Compiles the configuration of a filter: a `FilterConfig` as JSON, alone or with the lists of
    /// tools that travel beside it, as Envoys are sent them or as the control plane shows them.
    ///
    /// # Errors
    /// Everything that is wrong with it; or one fault without a place, where it cannot be read.
    pub fn compile(configuration: &[u8]) -> Result<Self, Vec<Fault>> {
        let mut schemas = SchemaCache::new();
        let unreadable = |error: &dyn Display| vec![fault("", error.to_string())];
        let shown = texts_shown(configuration).map_err(|error| unreadable(&error))?;
        let config = travel::decode(shown.as_deref().unwrap_or(configuration), &mut schemas)
            .map_err(|error| unreadable(&error))?;
        match compile(&config, &mut schemas) {
            Ok(policy) => Ok(Self(policy)),
            Err(errors) => Err(errors.into_iter().collect()),
        }
    }

    /// Decides about one [`Call`] at a time of day, in nanoseconds since the Unix epoch, and counts
    /// it where a limit asks for that. The answer is a [`Decision`].
    ///
    /// # Errors
    /// Everything that is wrong with the call itself: then nothing is decided, and it must not
    /// pass.
    pub fn decide(&self, call: &str, counts: &mut Counts, now: u64) -> Result<String, Vec<Fault>> {
        let call = Call::read(call)?;
        let subject = call.subject()?;
        let endpoint = self.endpoint(&call.endpoint)?;
        let item = match subject {
            Subject::Tool(name) => {
                let tool = self.0.tool(endpoint, name.as_bytes());
                tool.map(|tool| Some(Item::from(tool)))
            }
            Subject::Method(method) => self.item(endpoint, method, &call)?,
        };
        let (rules, outcome) = match (item, subject) {
            (Err(refusal), _) => (Rules::default(), Err(refusal)),
            (Ok(Some(item)), _) => {
                let principal = call.principal();
                let trace = self.0.trace(item.clone(), &principal).unwrap_or_default();
                let outcome = self.pass(item, &principal, &call, counts, UnixNanos(now))?;
                (Rules::of(&self.0, trace), outcome)
            }
            (Ok(None), subject) => {
                let closed = match subject {
                    Subject::Method(method) => self.0.closed_method(method.as_bytes(), call.form()),
                    Subject::Tool(_) => None,
                };
                let forward = self.0.forward(endpoint);
                let outcome = match closed {
                    Some(refusal) => Err(refusal),
                    None => Ok(forward.ok_or_else(|| no_endpoint(&self.0))?),
                };
                (Rules::default(), outcome)
            }
        };
        match &outcome {
            Ok(plan) => {
                let allow = Decision::allow(&self.0, endpoint, plan, rules);
                json(&allow.ok_or_else(|| no_endpoint(&self.0))?)
            }
            Err(refusal) => json(&Decision::refuse(refusal, rules)),
        }
    }

    /// The item that a message of this method names; none where no rule is about it.
    fn item(
        &self,
        endpoint: EndpointId,
        method: &str,
        call: &Call,
    ) -> Result<Result<Option<Item>, Refusal>, Vec<Fault>> {
        let Some(by) = self.0.named_by(endpoint, method.as_bytes()) else {
            return Ok(Ok(None));
        };
        let unnamed = |_lacks| {
            let may_rule =
                |kind: &&ItemKind| self.0.may_rule_on(endpoint, **kind, method.as_bytes());
            let kind = by
                .kinds()
                .iter()
                .find(may_rule)
                .copied()
                .unwrap_or_default();
            let path = match kind {
                ItemKind::Resource => "/uri",
                _ => "/prompt",
            };
            let reason = format!(
                "a rule may be about the {}; write the one that the message names",
                kind.word()
            );
            vec![fault(path, reason)]
        };
        let (kind, name) = by.find(call.names(method)).map_err(unnamed)?;
        let naming = Naming {
            kind,
            method: method.as_bytes(),
            name: name.as_bytes(),
            form: call.form(),
        };
        Ok(self.0.item(endpoint, naming))
    }

    /// The plan by which a message about an item passes, or why it does not.
    fn pass(
        &self,
        item: Item,
        principal: &Principal,
        call: &Call,
        counts: &mut Counts,
        now: UnixNanos,
    ) -> Result<Result<Plan, Refusal>, Vec<Fault>> {
        let needs = |tool| self.0.needs_arguments(tool, principal);
        let needs_arguments = item.tool().is_some_and(needs);
        let arguments = match &call.arguments {
            _ if !needs_arguments => Arguments::NotRead,
            Some(text) => Arguments::Raw(text.as_bytes()),
            None => Arguments::Absent,
        };
        Ok(match self.0.decide(item, principal, arguments) {
            policy_engine::Decision::Allow(plan) => Ok(plan),
            policy_engine::Decision::Refuse(refusal) => Err(refusal),
            policy_engine::Decision::Limit(pending) => match counts.settle(&self.0, pending, now) {
                Settled::Passed(plan) => Ok(plan),
                Settled::Refused(refusal) => Err(refusal),
                Settled::Unavailable(why) => return Err(vec![fault("", why.to_string())]),
            },
        })
    }

    /// The policy in force for a tool, by its name at an endpoint, with the rule behind each field:
    /// a `policy_engine::Explanation`.
    ///
    /// # Errors
    /// There is no such endpoint, or it has no such tool.
    pub fn explain(&self, endpoint: &str, tool: &str) -> Result<String, Vec<Fault>> {
        let endpoint = self.endpoint(endpoint)?;
        let tool = self.0.tool(endpoint, tool.as_bytes());
        let tool = tool.map_err(|refusal| vec![fault("/tool", refusal.sentence())])?;
        json(&self.0.explain(tool))
    }

    fn endpoint(&self, path: &str) -> Result<EndpointId, Vec<Fault>> {
        let endpoint = self.0.endpoint(path.as_bytes());
        endpoint.ok_or_else(|| no_endpoint(&self.0))
    }
}

/// The bytes of a configuration that the control plane shows as JSON: a list of its texts. None
/// where it is not shown so. In protobuf no such list begins with a bracket.
fn texts_shown(configuration: &[u8]) -> serde_json::Result<Option<Vec<u8>>> {
    if !configuration.starts_with(b"[") {
        return Ok(None);
    }
    let texts: Vec<String> = serde_json::from_slice(configuration)?;
    Ok(Some(travel::of_texts(texts.iter().map(String::as_str))))
}

fn fault(path: &str, reason: impl Into<String>) -> Fault {
    Fault {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

fn no_endpoint(policy: &Policy) -> Vec<Fault> {
    let paths = policy.endpoint_paths().map(String::from_utf8_lossy);
    let paths: Vec<String> = paths.map(|path| format!("`{path}`")).collect();
    vec![fault(
        "/endpoint",
        format!("no endpoint has this path; there are {}", paths.join(", ")),
    )]
}

fn json(value: &impl Serialize) -> Result<String, Vec<Fault>> {
    serde_json::to_string(value).map_err(|error| vec![fault("", error.to_string())])
}

/// The page for embedders, whose example of Rust is a documentation test.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct EmbeddingPage;
