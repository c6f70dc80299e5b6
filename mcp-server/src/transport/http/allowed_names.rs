//! The names by which this server may be called (`Host`), and from which pages (`Origin`).
//!
//! rmcp judges both as its settings say, before it looks at anything else of a request, and has no
//! way to ask for that judgement alone. So it is given the names with a method that no transport of
//! MCP has: it refuses the names, or else the method.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use super::Mcp;

/// The method that rmcp refuses once it has let the names pass.
const UNKNOWN_METHOD: Method = Method::TRACE;

/// Pairs of `Host` and `Origin` that are remembered as allowed; a server is called by few names.
const REMEMBERED: usize = 64;

/// The `Host` and the `Origin` of a request.
pub(super) type Names = (HeaderValue, Option<HeaderValue>);

/// Judges the names of requests. Cheap to clone.
#[derive(Clone)]
pub(super) struct AllowedNames {
    mcp: Mcp,
    remembered: Arc<Mutex<Vec<Names>>>,
}

impl AllowedNames {
    pub(super) fn new(mcp: Mcp) -> Self {
        Self {
            mcp,
            remembered: Arc::default(),
        }
    }

    /// Checks the names of a request with this head.
    ///
    /// # Errors
    /// The answer of rmcp to a request whose names are not allowed.
    pub(super) async fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Box<Response>> {
        let mut probe = Request::new(Body::empty());
        *probe.method_mut() = UNKNOWN_METHOD;
        *probe.uri_mut() = uri.clone();
        *probe.headers_mut() = headers.clone();
        let answer = self.mcp.handle(probe).await;
        match answer.status() {
            StatusCode::METHOD_NOT_ALLOWED => Ok(()),
            _ => Err(Box::new(answer.map(Body::new))),
        }
    }

    /// Whether these names are allowed; rmcp is asked once for each pair that is.
    pub(super) async fn include(&self, names: Names) -> bool {
        let is_known = |known: &Vec<Names>| known.contains(&names);
        if is_known(
            &self
                .remembered
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        ) {
            return true;
        }
        let mut headers = HeaderMap::new();
        headers.insert(HOST, names.0.clone());
        if let Some(origin) = &names.1 {
            headers.insert(ORIGIN, origin.clone());
        }
        let is_allowed = self.check(&Uri::default(), &headers).await.is_ok();
        let mut known = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if is_allowed && known.len() < REMEMBERED {
            known.push(names);
        }
        is_allowed
    }
}
