//! The bounds of connections, and the answer to those for which there is no place.

use std::time::Duration;

use axum::Router;
use axum::response::Response;
use http::StatusCode;
use http_front::{ConnectionLimits, Front, Refused};
use prometheus_client::metrics::gauge::Gauge;
use request_envelope::refusal::{INTERNAL_ERROR, Unserved};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Counted;

/// The bounds of a listener that serves so many connections at once.
const fn limits(at_once: usize) -> ConnectionLimits {
    ConnectionLimits {
        at_once,
        refused_at_once: 64,
        // Longer than the 60 s after which the gateway ends an idle connection: if this end were
        // the first, a call that is on its way then would be lost.
        head: Duration::from_secs(75),
        // As long as the gateway waits for its own clients.
        write: Duration::from_secs(60),
    }
}

/// Serves `router` on so many connections at once, until `stop` fires and the requests that run
/// then are answered; `open` counts the connections.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    at_once: usize,
    open: Gauge,
    stop: CancellationToken,
) {
    let front = Front {
        router,
        limits: limits(at_once),
        refuse,
    };
    let count = || Counted::in_gauge(&open);
    front.serve(listener, count, stop.cancelled()).await;
}

/// Tells a client that there is no place for its connection; its message says who waits for an
/// answer.
fn refuse(refused: Refused<'_>) -> Response {
    let message = format!(
        "all {} connections of the server are in use; try again in a few seconds",
        refused.at_once
    );
    let unserved = Unserved {
        path: refused.head.uri.path(),
        headers: &refused.head.headers,
        begun: refused.begun,
    };
    unserved.answer(StatusCode::SERVICE_UNAVAILABLE, INTERNAL_ERROR, &message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use serde_json::Value;

    /// The status of the answer to a POST with this body, and the message in it.
    async fn refused(path: &str, body: &str) -> (StatusCode, Value) {
        let request = http::Request::post(path).body(()).expect("a request");
        let answer = refuse(Refused {
            head: &request.into_parts().0,
            begun: body.as_bytes(),
            at_once: 1,
        });
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("whole");
        let message = serde_json::from_slice(&body.to_bytes()).expect("JSON");
        (status, message)
    }

    #[tokio::test]
    async fn it_says_that_all_connections_are_in_use_to_whoever_waits_for_an_answer() {
        let words = "all 1 connections of the server are in use; try again in a few seconds";
        let (status, message) = refused("/", "").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(message["error"]["message"], words);
        // Whoever waits for an answer to a call hears it as such, and the session lives.
        let call = r#"{"jsonrpc":"2.0","method":"tools/call","params":{},"id":"x"}"#;
        let (status, message) = refused("/mcp", call).await;
        assert_eq!((status, &message["id"]), (StatusCode::OK, &"x".into()));
        assert_eq!(message["result"]["isError"], true);
        assert_eq!(message["result"]["content"][0]["text"], words);
    }
}
