//! `/api/v1/tools/{name}/policy`: the policy of one tool, by the name that clients call it by.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use gateway_document::{Format, Rule, Warning};
use policy_engine::Explanation;
use serde::Serialize;
use store::RevisionNumber;
use utoipa::ToSchema;

use super::body::Written;
use super::change_headers::ChangeHeaders;
use super::dry_run::{DryRun, make_or_try_document};
use super::path_names::PathNames;
use super::policy_standing::{OnTheWay, PolicyBefore, PolicyStanding, StandingOfTool};
use super::problem::Problem;
use super::query::Parameters;
use super::sent_back::{self, SentBack};
use super::shown::{self, Shown};
use crate::aside;
use crate::gateway::{ChangeError, Edit, Gateway, WriteReport, tool_policy};

/// The policy of one tool, and its own rule.
#[derive(Serialize, ToSchema)]
pub(super) struct ToolPolicy<'a> {
    name: &'a str,
    listener: &'a str,
    revision: u64,
    /// How far the policy of that revision is on its way to the Envoys.
    standing: PolicyStanding,
    /// The policy of that revision, with the rule behind each field; none where the tool cannot be
    /// called anywhere.
    #[schema(value_type = Option<Object>)]
    policy: Option<&'a Explanation>,
    /// The policy that is in force at all Envoys that do not have that one yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_force: Option<PolicyBefore>,
    /// The policy that is on its way to the Envoys before that one, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_part: Option<PolicyBefore>,
    /// The reason why the tool cannot be called although it is listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    withheld: Option<&'a str>,
    /// The rules that have no effect and that may have been meant for this tool.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    warnings: Vec<&'a Warning>,
    /// The tool's own rule as it was written, if it has one.
    #[schema(value_type = Option<super::openapi::DocumentRule>)]
    rule: Option<&'a Rule>,
}

/// Shows the policy of one tool, by the name that clients call it by.
#[utoipa::path(get, path = "/api/v1/tools/{name}/policy", operation_id = "get_tool_policy",
    tag = "tools", params(("name" = String, Path, description = "The name of the tool")),
    responses((status = 200, description = "The policy", body = ToolPolicy)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    PathNames(name): PathNames<String>,
) -> Result<Shown, Problem> {
    shown::aside(move || shown_policy(&OnTheWay::of(&gateway), &name)).await
}

fn shown_policy(on_the_way: &OnTheWay, name: &str) -> Result<Shown, Problem> {
    let latest = on_the_way.latest();
    let view = latest.tool(name)?;
    let StandingOfTool {
        standing,
        in_force,
        in_part,
    } = on_the_way.standing_of(name);
    let body = ToolPolicy {
        name: &view.name,
        listener: view.listener.as_str(),
        revision: latest.revision.0,
        standing,
        policy: view.policy(),
        in_force,
        in_part,
        withheld: view.withheld.map(|withheld| withheld.reason.as_str()),
        warnings: latest
            .warnings
            .iter()
            .filter(|warning| warning.near.iter().any(|near| near == view.tool))
            .collect(),
        rule: latest.tool_rule(name),
    };
    Ok(Shown::json(&body)?.tagged(latest.revision))
}

/// Creates or replaces the tool's own rule, ahead of all others. Takes a rule without `name` and
/// `match`, and what `GET` gave: then nobody may have changed it since.
#[utoipa::path(put, path = "/api/v1/tools/{name}/policy", operation_id = "put_tool_policy",
    tag = "tools", params(("name" = String, Path, description = "The name of the tool"), DryRun),
    request_body(content = Object, description = "A rule without `name` and `match`"),
    responses((status = 200, description = "The outcome of the change; with `dry_run`, a `Trial`",
        body = WriteReport)))]
pub(super) async fn put(
    State(gateway): State<Arc<Gateway>>,
    PathNames(name): PathNames<String>,
    Parameters(dry_run): Parameters<DryRun>,
    change: ChangeHeaders,
    Written { text, format }: Written,
) -> Result<Response, Problem> {
    let in_hand = dry_run.in_hand().await?;
    // Read before anything waits for it: what cannot be read holds nobody up.
    let (edit, read_revision) = aside::run(move || read(name, &text, format)).await?;
    let change = match read_revision {
        Some(revision) => change.to(revision),
        None => change,
    };
    make_or_try_document(&gateway, in_hand, edit, change, dry_run).await
}

/// Reads the rule of a tool; with the revision that its author had read, where it is what `GET`
/// gave.
fn read(
    name: String,
    text: &str,
    format: Format,
) -> Result<(Edit, Option<RevisionNumber>), ChangeError> {
    if let Some(SentBack { edit, revision }) = sent_back::policy(text, &name)? {
        return Ok((edit, Some(revision)));
    }
    Ok((tool_policy::put(name, text, format)?, None))
}

/// Removes the tool's own rule; what other rules and the defaults say remains.
#[utoipa::path(delete, path = "/api/v1/tools/{name}/policy", operation_id = "delete_tool_policy",
    tag = "tools", params(("name" = String, Path, description = "The name of the tool"), DryRun),
    responses((status = 200, description = "The outcome of the change; with `dry_run`, a `Trial`",
        body = WriteReport)))]
pub(super) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    PathNames(name): PathNames<String>,
    Parameters(dry_run): Parameters<DryRun>,
    change: ChangeHeaders,
) -> Result<Response, Problem> {
    let in_hand = dry_run.in_hand().await?;
    make_or_try_document(
        &gateway,
        in_hand,
        tool_policy::remove(name),
        change,
        dry_run,
    )
    .await
}
