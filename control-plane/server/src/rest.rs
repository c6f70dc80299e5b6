//! The management API: HTTP in, the gateway's words out.
//!
//! One file per resource, but for the resources that are parts of the document: those are rows of
//! a table ([`crate::sections::KINDS`]). Each route comes with its description, of which
//! `/api/v1/openapi.json`, `/docs`, the page of the documentation and the check of parameters are
//! made. Errors are problem documents (RFC 9457); each fault of what was sent comes with its path
//! and with what to do about it.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::{Extension, Router};
use http_front::{AnswerBudget, AnswerLimits, BodyReader};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::Gateway;

mod answers;
#[allow(unused_qualifications, reason = "utoipa's macros write them")]
mod audit;
mod bodies;
mod body;
mod change_headers;
mod config;
mod conflict;
mod dry_run;
mod envoy_changes;
mod equal_questions;
mod etag;
mod events;
mod explain;
mod guard;
mod health;
mod history;
mod idempotency;
mod index;
mod kind_routes;
mod late_bodies;
mod metrics;
#[allow(unused_qualifications, reason = "utoipa's macros write them")]
mod modules;
mod nodes;
#[allow(unused_qualifications, reason = "utoipa's macros write them")]
mod openapi;
mod paging;
mod path_names;
mod policy_standing;
mod problem;
mod query;
mod reference;
mod reported;
mod resources;
mod rollback;
mod rollouts;
mod secret_status;
mod sent_back;
mod server_status;
mod server_tools;
mod serving;
mod shown;
#[allow(unused_qualifications, reason = "utoipa's macros write them")]
mod snapshot;
mod standby;
mod tool_policy;
mod tools;
mod traffic;
mod validate;
mod version;
mod versions;

pub use guard::{AllowedHosts, InvalidHost};
pub use serving::serve;
pub use standby::standby_router;

/// Every route with its description.
fn described() -> OpenApiRouter<Arc<Gateway>> {
    let router = OpenApiRouter::with_openapi(openapi::empty())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::get))
        .routes(routes!(reference::get))
        .routes(routes!(index::get))
        .routes(routes!(openapi::get))
        .routes(routes!(config::get, config::put))
        .routes(routes!(config::schema))
        .routes(routes!(snapshot::get))
        .routes(routes!(validate::post))
        .routes(routes!(version::get))
        .routes(routes!(versions::list))
        .routes(routes!(versions::get))
        .routes(routes!(versions::diff))
        .routes(routes!(rollback::post))
        .routes(routes!(audit::list))
        .routes(routes!(audit::get))
        .routes(routes!(nodes::list))
        .routes(routes!(nodes::get))
        .routes(routes!(events::get))
        .routes(routes!(traffic::get))
        .routes(routes!(rollouts::list))
        .routes(routes!(rollouts::get))
        .routes(routes!(rollouts::pause))
        .routes(routes!(rollouts::resume))
        .routes(routes!(rollouts::promote))
        .routes(routes!(rollouts::abort))
        .routes(routes!(explain::post))
        .routes(routes!(modules::list, modules::post))
        .routes(routes!(modules::get, modules::delete))
        .routes(routes!(modules::fetch))
        .routes(routes!(server_tools::get))
        .routes(routes!(server_tools::approve))
        .routes(routes!(server_tools::reject))
        .routes(routes!(tools::get))
        .routes(routes!(tools::get_one))
        .routes(routes!(
            tool_policy::get,
            tool_policy::put,
            tool_policy::delete
        ));
    kind_routes::add_to(router)
}

/// The description of the API (OpenAPI 3.1).
#[must_use]
pub fn description() -> Value {
    openapi::complete(described().get_openapi())
}

/// The page of the documentation that describes the API.
#[must_use]
pub fn reference_page() -> String {
    reference::markdown(&description())
}

/// Every route of the management API.
pub fn router(gateway: Arc<Gateway>, allowed_hosts: AllowedHosts) -> Router {
    router_within(answers::LIMITS, gateway, allowed_hosts)
}

/// The same with another bound of the answers that wait.
fn router_within(
    answer_limits: AnswerLimits,
    gateway: Arc<Gateway>,
    allowed_hosts: AllowedHosts,
) -> Router {
    let (router, routes) = described().split_for_parts();
    let description = openapi::complete(&routes);
    let parameters = Arc::new(query::KnownParameters::of(&description));
    let counts = metrics::RequestCounts::default();
    let answers = AnswerBudget::new(answer_limits);
    let questions = equal_questions::Questions::within(answers.clone());
    router
        .route_layer(from_fn_with_state(parameters, query::check))
        .route_layer(from_fn_with_state(questions, equal_questions::share))
        .route_layer(from_fn_with_state(counts.clone(), metrics::count))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(from_fn(late_bodies::write))
        .layer(from_fn_with_state(
            idempotency::Answers::of(Arc::clone(&gateway)),
            idempotency::check,
        ))
        .layer(from_fn(etag::add))
        .layer(Extension(Arc::new(description)))
        .layer(Extension(counts))
        // The bodies have their own bounds.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(
            BodyReader::new(bodies::LIMITS),
            bodies::read,
        ))
        .layer(from_fn_with_state(answers, answers::count))
        .layer(from_fn_with_state(Arc::new(allowed_hosts), guard::check))
        .with_state(gateway)
}

#[cfg(test)]
mod tests;
