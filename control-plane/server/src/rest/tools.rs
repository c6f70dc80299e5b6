//! `/api/v1/tools`: every tool that a server lists, and whether it can be called.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use gateway_document::{Warning, WithholdingCause};
use policy_engine::ExplainedLimit;
use serde::Serialize;

use crate::gateway::Gateway;

#[derive(Serialize)]
pub(super) struct Tools {
    revision: u64,
    tools: Vec<Tool>,
    /// The rules of the document that have no effect.
    warnings: Vec<Warning>,
}

#[derive(Serialize)]
struct Tool {
    /// The name that clients call it by.
    name: String,
    listener: String,
    server: String,
    /// The server's own name of it.
    tool: String,
    /// `offered`, or `withheld`: it cannot be called although it is listed, or not everywhere.
    state: &'static str,
    /// The kind of reason why it is withheld.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<WithholdingCause>,
    /// The reason why it is withheld, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The roles that may call it; `["*"]` is everyone, `[]` nobody. Missing where it cannot be
    /// called anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<Vec<String>>,
    /// The limits in force, of all rules that match.
    limits: Vec<ExplainedLimit>,
    /// SHA-256 of its input schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_schema: Option<String>,
}

pub(super) async fn get(State(gateway): State<Arc<Gateway>>) -> Json<Tools> {
    let current = gateway.current();
    let tools = current.tools().into_iter().map(|view| Tool {
        name: view.name,
        listener: view.listener.to_string(),
        server: view.server.to_string(),
        tool: view.tool.to_owned(),
        state: if view.withheld.is_some() {
            "withheld"
        } else {
            "offered"
        },
        cause: view.withheld.map(|withheld| withheld.cause),
        reason: view.withheld.map(|withheld| withheld.reason.clone()),
        access: view.policy.map(|policy| policy.allow.value.clone()),
        limits: view
            .policy
            .map(|policy| policy.limits.clone())
            .unwrap_or_default(),
        input_schema: view.policy.and_then(|policy| policy.input_schema.clone()),
    });
    Json(Tools {
        revision: current.revision.0,
        tools: tools.collect(),
        warnings: current.warnings.clone(),
    })
}
