//! `/api/v1/servers/{name}/tools/{tool}`: the definitions of a server's tool, and what somebody
//! decides about one that waits to be reviewed.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::change_headers::ChangeHeaders;
use super::path_names::PathNames;
use super::problem::Problem;
use super::shown::{self, Shown};
use crate::catalogue::ReviewVerdict;
use crate::gateway::{ChangeError, Gateway, ReviewError, definition_hash};
use crate::generation::BuildError;
use crate::timestamp::timestamp;

/// The definitions of one tool of a server.
#[derive(Serialize, ToSchema)]
pub(super) struct ServerTool {
    server: String,
    /// The server's own name of it.
    tool: String,
    /// The definition that calls are checked by; missing where none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_force: Option<DefinitionInForce>,
    /// The definitions that are not in force, of a pinned server.
    reviews: Vec<ReviewedDefinition>,
}

/// The definition of a tool that calls are checked by.
#[derive(Serialize, ToSchema)]
pub(super) struct DefinitionInForce {
    /// The SHA-256 of its bytes.
    hash: String,
    /// The definition, byte for byte.
    #[schema(value_type = Object)]
    definition: Box<RawValue>,
}

/// The definition of a tool that is not in force.
#[derive(Serialize, ToSchema)]
pub(super) struct ReviewedDefinition {
    /// `unreviewed`, `rejected`, or `approved` where the server does not list the tool any more.
    state: &'static str,
    /// When it was seen first, or decided about.
    at: String,
    /// The one who decided about it; empty while nobody has.
    by: String,
    /// Why, in the author's words; possibly empty.
    reason: String,
    /// The SHA-256 of its bytes.
    hash: String,
    /// The definition, byte for byte.
    #[schema(value_type = Object)]
    definition: Box<RawValue>,
}

/// The definition that a decision is about.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReviewOf {
    /// The hash of the definition that its author has read. Without it, the decision is about
    /// whatever waits.
    #[serde(default)]
    definition: Option<String>,
}

/// The outcome of a decision.
#[derive(Serialize, ToSchema)]
pub(super) struct ReviewOutcome {
    server: String,
    tool: String,
    /// The decision: `approved` or `rejected`.
    state: &'static str,
    /// The hash of the definition that was decided about.
    definition: String,
}

/// The server and the tool that a path names.
type ToolPath = PathNames<(String, String)>;

/// Shows the definitions of a server's tool: the one in force, and those that wait to be reviewed
/// or were rejected, where the server is pinned.
#[utoipa::path(get, path = "/api/v1/servers/{name}/tools/{tool}", operation_id = "get_server_tool",
    tag = "servers", params(("name" = String, Path, description = "The name of the server"),
        ("tool" = String, Path, description = "The server's own name of the tool")),
    responses((status = 200, description = "Its definitions", body = ServerTool)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    PathNames((server, tool)): ToolPath,
) -> Result<Shown, Problem> {
    shown::aside(move || Shown::json(&definitions_of(&gateway, server, tool)?)).await
}

fn definitions_of(gateway: &Gateway, server: String, tool: String) -> Result<ServerTool, Problem> {
    let definitions = gateway.definitions(&server, &tool)?;
    let raw = |json: String| RawValue::from_string(json).map_err(|error| Problem::internal(&error));
    let in_force = match definitions.in_force {
        None => None,
        Some(json) => Some(DefinitionInForce {
            hash: definition_hash(&json),
            definition: raw(json)?,
        }),
    };
    let reviews = definitions.reviews.into_iter().map(|review| {
        Ok(ReviewedDefinition {
            state: review.state.as_str(),
            at: timestamp(review.at),
            by: review.author,
            reason: review.reason,
            hash: definition_hash(&review.tool.json),
            definition: raw(review.tool.json)?,
        })
    });
    Ok(ServerTool {
        reviews: reviews.collect::<Result<_, Problem>>()?,
        server,
        tool,
        in_force,
    })
}

/// Puts the definition of a tool that waits to be reviewed into force. The body may be left out.
#[utoipa::path(post, path = "/api/v1/servers/{name}/tools/{tool}/approve",
    operation_id = "approve_server_tool", tag = "servers",
    params(("name" = String, Path, description = "The name of the server"),
        ("tool" = String, Path, description = "The server's own name of the tool")),
    request_body = ReviewOf,
    responses((status = 200, description = "It comes into force", body = ReviewOutcome)))]
pub(super) async fn approve(
    State(gateway): State<Arc<Gateway>>,
    path: ToolPath,
    change: ChangeHeaders,
    body: Bytes,
) -> Result<Json<ReviewOutcome>, Problem> {
    review(&gateway, path, change, &body, ReviewVerdict::Approve).await
}

/// Leaves the definition of a tool that waits to be reviewed out, for as long as the server lists
/// that one. The body may be left out.
#[utoipa::path(post, path = "/api/v1/servers/{name}/tools/{tool}/reject",
    operation_id = "reject_server_tool", tag = "servers",
    params(("name" = String, Path, description = "The name of the server"),
        ("tool" = String, Path, description = "The server's own name of the tool")),
    request_body = ReviewOf,
    responses((status = 200, description = "It stays out", body = ReviewOutcome)))]
pub(super) async fn reject(
    State(gateway): State<Arc<Gateway>>,
    path: ToolPath,
    change: ChangeHeaders,
    body: Bytes,
) -> Result<Json<ReviewOutcome>, Problem> {
    review(&gateway, path, change, &body, ReviewVerdict::Reject).await
}

async fn review(
    gateway: &Arc<Gateway>,
    PathNames((server, tool)): ToolPath,
    change: ChangeHeaders,
    body: &Bytes,
    verdict: ReviewVerdict,
) -> Result<Json<ReviewOutcome>, Problem> {
    let ReviewOf { definition } = if body.is_empty() {
        ReviewOf::default()
    } else {
        serde_json::from_slice(body).map_err(|error| {
            Problem::bad_request(format!(
                "{error}; send nothing, or `{{\"definition\": \"…\"}}` with the hash of the \
                 definition that you have read"
            ))
        })?
    };
    let definition = definition.as_deref();
    let reviewed = gateway.review(&server, &tool, verdict, definition, change.author);
    Ok(Json(ReviewOutcome {
        definition: reviewed.await?,
        state: verdict.word(),
        server,
        tool,
    }))
}

impl From<ReviewError> for Problem {
    fn from(error: ReviewError) -> Self {
        let detail = error.to_string();
        match error {
            ReviewError::UnknownServer { .. } => {
                Self::nothing_there("there is no such server", detail)
            }
            ReviewError::UnknownTool { .. } => {
                Self::nothing_there("the server lists no such tool", detail)
            }
            ReviewError::NothingToReview { .. } => Self::new(
                StatusCode::CONFLICT,
                "urn:portcullis:nothing-to-review",
                "no definition waits to be reviewed",
                detail,
            ),
            ReviewError::AnotherDefinition { .. } => Self::new(
                StatusCode::CONFLICT,
                "urn:portcullis:another-definition",
                "another definition waits by now",
                detail,
            ),
            ReviewError::Build(BuildError::Invalid(problems)) => {
                Self::from(ChangeError::Invalid(problems))
            }
            ReviewError::Build(error) => Self::from(ChangeError::Build(error)),
            ReviewError::Store(error) => Self::store(&error),
        }
    }
}
