//! `/api/v1/tools`: every tool that a server lists, and whether it can be called.

use std::sync::Arc;

use axum::extract::State;
use gateway_document::{Warning, WithholdingCause};
use policy_engine::ExplainedLimit;
use serde::Serialize;
use utoipa::ToSchema;

use super::paging::Page;
use super::path_names::PathNames;
use super::policy_standing::{OnTheWay, PolicyStanding};
use super::problem::Problem;
use super::query::Parameters;
use super::shown::{self, Shown};

use crate::gateway::Gateway;
use crate::generation::ToolView;

/// A page of the tools.
#[derive(Serialize, ToSchema)]
pub(super) struct Tools {
    /// The revision that is in force, or on its way to that.
    revision: u64,
    /// How far that revision is on its way to the Envoys.
    standing: PolicyStanding,
    tools: Vec<Tool>,
    /// The cursor of the next page; missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// The rules of the document that have no effect; on each page the same.
    #[schema(value_type = Vec<Object>)]
    warnings: Vec<Warning>,
}

/// A tool that a server lists.
#[derive(Serialize, ToSchema)]
pub(super) struct Tool {
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
    #[schema(value_type = Option<String>)]
    cause: Option<WithholdingCause>,
    /// The reason why it is withheld, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The state of the definition that its server lists and that is not in force, because the
    /// server is pinned: `unreviewed` or `rejected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    review: Option<&'static str>,
    /// The roles that may call it; `["*"]` is everyone, `[]` nobody. Missing where it cannot be
    /// called anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<Vec<String>>,
    /// The limits in force, of all rules that match.
    #[schema(value_type = Vec<Object>)]
    limits: Vec<ExplainedLimit>,
    /// SHA-256 of its input schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_schema: Option<String>,
}

/// Lists the tools that servers list, who may call them, and their limits.
#[utoipa::path(get, path = "/api/v1/tools", operation_id = "list_tools", tag = "tools",
    params(Page), responses((status = 200, description = "A page of them", body = Tools)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    Parameters(page): Parameters<Page>,
) -> Result<Shown, Problem> {
    shown::aside(move || {
        let on_the_way = OnTheWay::of(&gateway);
        let current = on_the_way.current();
        let (views, next_cursor) = page.of(current.tools(), |view| {
            format!("{} {} {}", view.listener, view.server, view.tool)
        })?;
        let tools = views.into_iter().map(|view| tool(&view));
        Shown::json(&Tools {
            revision: current.revision.0,
            standing: on_the_way.standing_of_current(),
            tools: tools.collect(),
            next_cursor,
            warnings: current.warnings.clone(),
        })
    })
    .await
}

/// Shows one tool by the name that clients call it by: who may call it, and its limits. Its own
/// policy is at `/api/v1/tools/{name}/policy`.
#[utoipa::path(get, path = "/api/v1/tools/{name}", operation_id = "get_tool", tag = "tools",
    params(("name" = String, Path, description = "The name of the tool")),
    responses((status = 200, description = "The tool", body = Tool)))]
pub(super) async fn get_one(
    State(gateway): State<Arc<Gateway>>,
    PathNames(name): PathNames<String>,
) -> Result<Shown, Problem> {
    shown::aside(move || Shown::json(&tool(&gateway.current().tool(&name)?))).await
}

fn tool(view: &ToolView<'_>) -> Tool {
    let policy = view.policy();
    Tool {
        name: view.name.clone(),
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
        review: view.review.map(|review| review.state.as_str()),
        access: policy.map(|policy| policy.allow.value.clone()),
        limits: policy
            .map(|policy| policy.limits.clone())
            .unwrap_or_default(),
        input_schema: policy.and_then(|policy| policy.input_schema.clone()),
    }
}
