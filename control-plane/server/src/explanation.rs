//! Tells which rule decides about a message, by the very policy that the Envoys of a generation
//! run, and where that rule is in the document. Nothing is called and nothing is counted.

use gateway_document::{ListenerName, Resolved, did_you_mean};
use policy_engine::{Item, Policy, ToolId, Violation};
use request_path::{DryRun, Fate};
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;
use utoipa::ToSchema;

use crate::generation::Built;

mod fields;

use fields::{deciding, fields};

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
    /// the tool), `name` (it has several spellings), `message` (it cannot be read, does not say
    /// what it is about, or no headers could agree with it), or `access` (the default for
    /// everything else).
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

/// Decides about a message as Envoys of this generation do, for a caller who is anonymous, whose
/// headers say what the message says, and who has used up no limit.
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
    let run = DryRun::of(policy, id, message);
    if let Some(item) = &run.item {
        explained.describe(built, policy, item);
    }
    match &run.fate {
        Fate::Passes(target) => {
            explained.cluster = Some(policy.cluster(*target).to_owned());
            let server = explained.server.get_or_insert_default();
            if server.is_empty() {
                policy.server(*target).clone_into(server);
            }
            explained.shadowed = run.shadowed.iter().map(Violation::to_string).collect();
        }
        Fate::Refused { reason, sentence } => {
            explained.decision = "refuse";
            explained.reason = Some(reason);
            explained.sentence = Some(sentence.clone());
            explained.blame(built, resolved, reason, &run);
        }
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
    /// Says what the item is that the message is about, and its policy.
    fn describe(&mut self, built: &Built, policy: &Policy, item: &Item) {
        if let Some((server, name)) = policy.item_name(item) {
            self.server = Some(server.to_owned());
            match item.tool() {
                Some(_) => self.tool = Some(name.to_owned()),
                None => {
                    self.item = Some(ItemExplained {
                        kind: item.kind().word(),
                        name: name.to_owned(),
                    });
                }
            }
        }
        if let Some(explanation) = policy.explain_item(item) {
            self.fields = fields(built, item.kind(), explanation);
            self.decided_by = deciding(built, "allow", &explanation.allow.rule, Some("access"));
        }
    }

    /// Says what a message was refused by, where that is neither the rights to the item nor the
    /// default.
    fn blame(&mut self, built: &Built, resolved: &Resolved, reason: &str, run: &DryRun<'_>) {
        let field = match reason {
            "forbidden" | "closed_method" | "uncheckable" => return,
            "bad_arguments" => {
                if let Some(tool) = run.item.as_ref().and_then(Item::tool) {
                    self.decided_by = schema_to_blame(built, resolved, tool, run.arguments);
                }
                return;
            }
            "unknown_tool" => {
                self.find_meant(built, run);
                "catalogue"
            }
            "not_normal" => "name",
            _ => "message",
        };
        self.decided_by = DecidingField {
            field,
            rule: None,
            place: None,
        };
    }

    /// Says why the tool is withheld that was called, or which one may have been meant.
    fn find_meant(&mut self, built: &Built, run: &DryRun<'_>) {
        let views = built.tools();
        // A list of tools is text.
        let name = &*String::from_utf8_lossy(run.name.as_deref().unwrap_or_default());
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
