//! The way of a request to `/mcp` through all that stands before rmcp.
//!
//! Its steps are nested calls in one layer of the router. A layer of its own for each would box a
//! future, and clone all layers within it, for each request.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http_front::{AnswerBudget, BodyReader};

use super::plain_calls::ShortWay;
use super::principals::PrincipalHeader;
use super::sessions::Sessions;
use super::{account, deadline, incoming, plain_calls, repairs, sessions};

/// The things that the steps share between requests.
pub(super) struct Door {
    pub(super) reader: BodyReader,
    pub(super) sessions: Arc<Sessions>,
    pub(super) principals: PrincipalHeader,
    pub(super) answers: AnswerBudget,
    pub(super) short_way: ShortWay,
}

/// Middleware: every step on the way to rmcp, each around the next one.
pub(super) async fn pass(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let door = &*door;
    let to_rmcp = |request| next.run(request);
    let plainly = |request| plain_calls::answer(&door.short_way, request, to_rmcp);
    let described = |request| incoming::describe(&door.answers, request, plainly);
    let attended = |request| sessions::attend(&door.sessions, request, described);
    let in_time = |request| deadline::keep(request, attended);
    let repaired = |request| repairs::repair(&door.reader, request, in_time);
    account::keep(&door.principals, request, repaired).await
}
