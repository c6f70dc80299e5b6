//! Tells which rule decides about a message, by the very policy that the Envoys of a generation
//! run, and where that rule is in the document. Nothing is called and nothing is counted.

use gateway_document::{ListenerName, Resolved, did_you_mean};
use mcp_message::Kind;
use policy_engine::{
    Arguments, Decision, EndpointId, Item, ItemKind, MessageForm, Naming, Policy, Principal,
    Refusal, ToolId, Violation,
};
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;
use utoipa::ToSchema;

use crate::generation::Built;

mod fields;
mod message;

use fields::{deciding, fields};
use message::{ReadMessage, Unusable};

/// The decision about a message, and everything that it comes from.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionExplained {
    /// The revision whose policy decides: the one that Envoys are meant to have.
    pub revision: u64,
    /// The generation whose policy decides.
    pub generation: String,
    /// The listener whose policy decides.
    pub listener: String,
    /// `allow`, or `refuse`. A call that is allowed may still find a limit used up, which Envoys
    /// count: `limits` names them.
    pub decision: &'static str,
    /// The kind of refusal, as statistics name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The words that the caller is refused with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentence: Option<String>,
    /// A question that names the tools that may have been meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meant: Option<String>,
    /// The reason why the tool is withheld although a server lists it, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
    /// The field that decides, and its rule.
    pub decided_by: DecidingField,
    /// The server that the message goes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The server's own name of the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The prompt, resource or method that the message is about, where a rule is about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemExplained>,
    /// The Envoy cluster that the message goes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The policy of the tool or item, field by field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldExplained>,
    /// The faults of the arguments that are only noted, because validation is in shadow.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shadowed: Vec<String>,
}

/// The thing other than a tool that a message is about.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemExplained {
    /// `prompt`, `resource` or `method`.
    pub kind: &'static str,
    /// The server's own name of the prompt, the URI of the resource, or the method.
    pub name: String,
}

/// The field that decides about a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecidingField {
    /// `allow`, `constraints`, `input_schema` (what the server lists), `catalogue` (no server lists
    /// the tool), `name` (it has several spellings), `message` (it cannot be read, or does not say
    /// what it is about), or `access` (the default for everything else).
    pub field: &'static str,
    /// The rule that sets it; none where a default holds or a server says so.
    pub rule: Option<String>,
    /// JSON Pointer to it in the document; none where it is not from there.
    pub place: Option<String>,
}

/// One field of the policy of a tool or item.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldExplained {
    /// Its name in a rule.
    pub field: &'static str,
    /// The value in force.
    #[schema(value_type = Object)]
    pub value: Value,
    /// The rule that sets it; none where a default holds.
    pub rule: Option<String>,
    /// JSON Pointer to it in the document; none where neither a rule nor `defaults` sets it.
    pub place: Option<String>,
    /// The roles of the callers for whom it holds, before the rows of the same field that follow;
    /// empty where it holds for everyone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

/// Why a message cannot be explained.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum ExplainError {
    /// The document has no such listener.
    #[error("there is no listener `{name}`; {advice}")]
    UnknownListener {
        /// The name that no listener has.
        name: String,
        /// The names that there are.
        advice: String,
    },
    /// The listener speaks no MCP at this path.
    #[error("the listener speaks no MCP at `{path}`; write one of {known}")]
    UnknownEndpoint {
        /// The path of no endpoint.
        path: String,
        /// The paths that there are.
        known: String,
    },
}

/// Decides about a message as Envoys of this generation do, for a caller who is anonymous.
///
/// # Errors
/// When there is no such listener or endpoint. A message that cannot be read is one that Envoys
/// refuse.
pub fn explain(
    built: &Built,
    listener: Option<&str>,
    endpoint: &str,
    message: &[u8],
) -> Result<DecisionExplained, ExplainError> {
    let (name, resolved) = find_listener(built, listener)?;
    let policy = &resolved.policy;
    let id = policy.endpoint(endpoint.as_bytes()).ok_or_else(|| {
        let known = policy
            .endpoint_paths()
            .map(|path| format!("`{}`", String::from_utf8_lossy(path)));
        ExplainError::UnknownEndpoint {
            path: endpoint.to_owned(),
            known: known.collect::<Vec<_>>().join(", "),
        }
    })?;
    let mut explained = DecisionExplained {
        revision: built.revision.0,
        generation: built.generation().to_string(),
        listener: name.to_string(),
        decision: "allow",
        reason: None,
        sentence: None,
        meant: None,
        withheld: None,
        decided_by: DecidingField {
            field: "access",
            rule: None,
            place: Some("/defaults/access".to_owned()),
        },
        server: None,
        tool: None,
        item: None,
        cluster: None,
        fields: Vec::new(),
        shadowed: Vec::new(),
    };
    if let Err(unusable) = explained.decide(built, resolved, id, message) {
        explained.decided_by = DecidingField {
            field: "message",
            rule: None,
            place: None,
        };
        explained.decision = "refuse";
        explained.reason = Some(unusable.reason);
        explained.sentence = Some(unusable.sentence);
    }
    Ok(explained)
}

fn find_listener<'b>(
    built: &'b Built,
    wanted: Option<&str>,
) -> Result<&'b (ListenerName, Resolved), ExplainError> {
    let mut listeners = built.listeners.iter();
    let found = match wanted {
        None => listeners.next(),
        Some(wanted) => listeners.find(|(name, _)| name.as_str() == wanted),
    };
    found.ok_or_else(|| {
        let name = wanted.unwrap_or_default();
        let known: Vec<&str> = built
            .listeners
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        let meant = did_you_mean(name, known.iter().copied());
        ExplainError::UnknownListener {
            name: name.to_owned(),
            advice: meant.unwrap_or_else(|| format!("there are `{}`", known.join("`, `"))),
        }
    })
}

impl DecisionExplained {
    /// Reads a message as the filter does; of two reasons to refuse it, the filter may name the
    /// other, for it decides as soon as it can.
    fn decide(
        &mut self,
        built: &Built,
        resolved: &Resolved,
        endpoint: EndpointId,
        message: &[u8],
    ) -> Result<(), Unusable> {
        let policy = &resolved.policy;
        let message = ReadMessage::of(message, policy.limits())?;
        let Some(method) = message.method() else {
            self.forward(policy, endpoint);
            return Ok(());
        };
        match message.called_tool(&method)? {
            Some(tool) => self.call(built, resolved, endpoint, (&tool, message.arguments())),
            None => self.other(built, policy, endpoint, (&method, &message))?,
        }
        Ok(())
    }

    /// A message that is no tool call: a rule about its prompt, resource or method decides, or else
    /// the default.
    fn other(
        &mut self,
        built: &Built,
        policy: &Policy,
        endpoint: EndpointId,
        (method, message): (&[u8], &ReadMessage<'_>),
    ) -> Result<(), Unusable> {
        let form = match message.kind {
            Kind::Request => MessageForm::Request,
            Kind::Notification | Kind::Response => MessageForm::Notification,
        };
        if let Some(by) = policy.named_by(endpoint, method) {
            let (kind, name) = message.named(method, by)?;
            let naming = Naming {
                kind,
                method,
                name: &name,
                form,
            };
            match policy.item(endpoint, naming) {
                Ok(None) => {}
                Ok(Some(item)) => {
                    self.unlisted(built, policy, item);
                    return Ok(());
                }
                Err(refusal) => {
                    self.decided_by = DecidingField {
                        field: "name",
                        rule: None,
                        place: None,
                    };
                    self.refuse(&refusal);
                    return Ok(());
                }
            }
        }
        match policy.closed_method(method, form) {
            Some(refusal) => self.refuse(&refusal),
            None => self.forward(policy, endpoint),
        }
        Ok(())
    }

    /// A message that nothing is asked about goes to the endpoint's server.
    fn forward(&mut self, policy: &Policy, endpoint: EndpointId) {
        let target = policy.forward(endpoint).map(|plan| plan.target());
        self.server = target.map(|target| policy.server(target).to_owned());
        self.cluster = target.map(|target| policy.cluster(target).to_owned());
    }

    /// A message about something that a rule names and that is no tool.
    fn unlisted(&mut self, built: &Built, policy: &Policy, item: Item) {
        if let Some((server, name)) = policy.item_name(&item) {
            self.server = Some(server.to_owned());
            self.item = Some(ItemExplained {
                kind: item.kind().word(),
                name: name.to_owned(),
            });
        }
        if let Some(explanation) = policy.explain_item(&item) {
            self.fields = fields(built, item.kind(), explanation);
            self.decided_by = deciding(built, "allow", &explanation.allow.rule, Some("access"));
        }
        match policy.decide(item, &Principal::Anonymous, Arguments::NotRead) {
            Decision::Refuse(refusal) => self.refuse(&refusal),
            Decision::Allow(plan) => {
                self.cluster = Some(policy.cluster(plan.target()).to_owned());
            }
            Decision::Limit(pending) => {
                self.cluster = Some(policy.cluster(pending.target()).to_owned());
            }
        }
    }

    fn call(
        &mut self,
        built: &Built,
        resolved: &Resolved,
        endpoint: EndpointId,
        (name, arguments): (&[u8], Option<&[u8]>),
    ) {
        let policy = &resolved.policy;
        let tool = match policy.tool(endpoint, name) {
            Ok(tool) => tool,
            Err(refusal) => {
                let views = built.tools();
                // A list of tools is text.
                let name = &*String::from_utf8_lossy(name);
                let own = views
                    .iter()
                    .find(|view| view.name == name && view.listener.as_str() == self.listener);
                match own.and_then(|view| view.withheld) {
                    Some(withheld) => self.withheld = Some(withheld.reason.clone()),
                    None => {
                        let known = views.iter().filter(|view| view.is_callable());
                        self.meant = did_you_mean(name, known.map(|view| view.name.as_str()));
                    }
                }
                self.decided_by = DecidingField {
                    field: "catalogue",
                    rule: None,
                    place: None,
                };
                self.refuse(&refusal);
                return;
            }
        };
        let Some(explanation) = policy.explain(tool) else {
            return;
        };
        self.server = Some(explanation.server.clone());
        self.tool = Some(explanation.tool.clone());
        self.fields = fields(built, ItemKind::Tool, explanation);
        self.decided_by = deciding(built, "allow", &explanation.allow.rule, Some("access"));
        let given = match arguments {
            Some(text) => Arguments::Raw(text),
            None => Arguments::Absent,
        };
        match policy.decide(tool, &Principal::Anonymous, given) {
            Decision::Refuse(refusal) => {
                if matches!(refusal, Refusal::BadArguments { .. }) {
                    self.decided_by = schema_to_blame(built, resolved, tool, arguments);
                }
                self.refuse(&refusal);
            }
            Decision::Allow(plan) => {
                self.cluster = Some(policy.cluster(plan.target()).to_owned());
                self.shadowed = plan.shadowed().iter().map(Violation::to_string).collect();
            }
            Decision::Limit(pending) => {
                self.cluster = Some(policy.cluster(pending.target()).to_owned());
            }
        }
    }

    fn refuse(&mut self, refusal: &Refusal) {
        self.decision = "refuse";
        self.reason = Some(refusal.reason());
        self.sentence = Some(refusal.sentence());
    }
}

/// The schema that arguments do not fit: the server's own where they do not even fit that, or else
/// the operator's.
fn schema_to_blame(
    built: &Built,
    resolved: &Resolved,
    tool: ToolId,
    arguments: Option<&[u8]>,
) -> DecidingField {
    let own = DecidingField {
        field: "input_schema",
        rule: None,
        place: None,
    };
    let Some(explanation) = resolved.policy.explain(tool) else {
        return own;
    };
    let arguments = arguments.unwrap_or(b"{}");
    match resolved.policy.fits_own_schema(tool, arguments) {
        true => deciding(built, "constraints", &explanation.constraints.rule, None),
        false => own,
    }
}
