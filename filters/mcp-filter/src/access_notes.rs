//! Notes of a request for the proxy's access log: only those that the configuration asks for, each
//! by one call to the proxy, and none where it asks for none.

use std::collections::BTreeSet;

use policy_engine::wire::AccessDetail;
use policy_engine::{Item, ItemKind, Policy};
use proxy_host::Answering;

/// The word for the decision on a request that goes upstream.
pub(crate) const ALLOWED: &str = "allowed";
/// The word for a caller until identity is part of the gateway.
const ANONYMOUS: &str = "anonymous";

/// The details that the access log of a listener shows.
#[derive(Debug)]
pub(crate) struct AccessNotes {
    details: BTreeSet<AccessDetail>,
    configuration: String,
}

/// A decision, as the access log shows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NotedDecision<'a> {
    /// [`ALLOWED`], or the reason for the refusal.
    pub(crate) decision: &'a str,
    /// The item that the request is about.
    pub(crate) item: Option<&'a Item>,
    /// The rule that refused the call, or that opens its tool.
    pub(crate) rule: Option<&'a str>,
}

impl AccessNotes {
    /// The notes of a configuration that is told apart from others by this number.
    pub(crate) fn new(details: BTreeSet<AccessDetail>, configuration: u64) -> Self {
        Self {
            details,
            configuration: format!("{configuration:012x}"),
        }
    }

    /// Notes a decision for the access log, as far as that shows it.
    pub(crate) fn note(&self, host: &impl Answering, policy: &Policy, noted: NotedDecision<'_>) {
        if self.details.is_empty() {
            return;
        }
        let named = noted.item.and_then(|item| policy.item_name(item));
        let kind = noted.item.map(Item::kind);
        let named_tool = named.filter(|_| kind == Some(ItemKind::Tool));
        for detail in &self.details {
            let value = match detail {
                AccessDetail::Configuration => Some(self.configuration.as_str()),
                AccessDetail::Decision => Some(noted.decision),
                AccessDetail::Principal => Some(ANONYMOUS),
                AccessDetail::Item => named.map(|(_, item)| item),
                AccessDetail::Kind => kind.map(ItemKind::word),
                AccessDetail::Rule => noted.rule,
                AccessDetail::Server => named.map(|(server, _)| server),
                AccessDetail::Tool => named_tool.map(|(_, tool)| tool),
            };
            if let Some(value) = value {
                host.note(detail.note(), value.as_bytes());
            }
        }
    }
}
