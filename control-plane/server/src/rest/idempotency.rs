//! `Idempotency-Key`: a request that is sent again, because its answer was lost on the way, is
//! answered as it was the first time and does nothing more.
//!
//! The answers are in the store, for a day and in a bounded number, so that a control plane that
//! has taken over, or was started again, gives them too. A key that is older is a new one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest as _, Sha256};
use store::StoredAnswer;
use time::OffsetDateTime;

use super::problem::Problem;
use crate::gateway::Gateway;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The longest key: identifiers are a tenth of that, and each is kept.
const LONGEST_KEY: usize = 255;
/// Whoever tries again does so within hours.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// The answers to requests that had a key, and the keys of those that run.
#[derive(Clone)]
pub(super) struct Answers {
    gateway: Arc<Gateway>,
    running: Arc<Mutex<BTreeSet<String>>>,
}

impl Answers {
    pub(super) fn of(gateway: Arc<Gateway>) -> Self {
        Self {
            gateway,
            running: Arc::default(),
        }
    }

    fn running(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a key for a request that begins; none while another request with it runs.
    fn begin(&self, key: &str) -> Option<RunningRequest> {
        let is_first = self.running().insert(key.to_owned());
        is_first.then(|| RunningRequest {
            answers: self.clone(),
            key: key.to_owned(),
        })
    }

    /// The answer to an earlier request with this key, if there was one.
    async fn earlier(&self, key: &str, request: &str) -> Result<Option<Response>, Problem> {
        let earlier = self.gateway.store().answer(key).await;
        match earlier.map_err(|error| Problem::store(&error))? {
            Some(earlier) if earlier.request != request => Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "urn:portcullis:key-reused",
                "another request had this key",
                "nothing was done; make a new `Idempotency-Key` for each new request",
            )),
            earlier => Ok(earlier.map(replayed)),
        }
    }
}

/// A request with a key that runs; the key is free again when this is dropped.
struct RunningRequest {
    answers: Answers,
    key: String,
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        self.answers.running().remove(&self.key);
    }
}

impl RunningRequest {
    /// Runs the request, and keeps its answer unless the same request may go well the next time.
    async fn run(self, hash: String, request: Request, next: Next) -> Response {
        let answer = next.run(request).await;
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        if !head.status.is_server_error() {
            let kept = StoredAnswer {
                key: self.key.clone(),
                request: hash,
                status: head.status.as_u16(),
                headers: written(&head.headers),
                body: body.to_vec(),
                ends_at: OffsetDateTime::now_utc() + KEPT,
            };
            if let Err(error) = self.answers.gateway.store().put_answer(&kept).await {
                tracing::error!(%error, "the answer to a request with a key is not kept; if it is \
                     sent again it is done again");
            }
        }
        Response::from_parts(head, Body::from(body))
    }
}

/// Answers a `POST` with a key once.
pub(super) async fn check(
    State(answers): State<Answers>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if *request.method() != Method::POST {
        return match request.headers().contains_key(&KEY) {
            true => Err(Problem::bad_request(
                "`Idempotency-Key` is for `POST` alone; other methods do the same when they are \
                 sent again",
            )),
            false => Ok(next.run(request).await),
        };
    }
    let Some(key) = key_of(request.headers())? else {
        return Ok(next.run(request).await);
    };
    let (head, body) = request.into_parts();
    // The outermost layer has read it, within its bounds.
    let body = to_bytes(body, usize::MAX)
        .await
        .map_err(|_| Problem::bad_request("the body broke off; send it again"))?;
    let hash = Sha256::new()
        .chain_update(head.uri.to_string())
        .chain_update([0])
        .chain_update(&body)
        .finalize();
    let hash = hex::encode(hash);
    let Some(running) = answers.begin(&key) else {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "urn:portcullis:running",
            "the request with this key is not answered yet",
            "it goes on; send it again in a few seconds to learn how it ended",
        ));
    };
    if let Some(answer) = answers.earlier(&key, &hash).await? {
        return Ok(answer);
    }
    // It is finished also where its author hangs up: they will ask again for this very answer.
    let request = Request::from_parts(head, Body::from(body));
    let run = tokio::spawn(running.run(hash, request, next));
    run.await.map_err(|error| Problem::internal(&error))
}

/// The headers as one text: a line for each.
fn written(headers: &HeaderMap) -> String {
    let lines = headers.iter().filter_map(|(name, value)| {
        let value = value.to_str().ok()?;
        Some(format!("{name}: {value}\n"))
    });
    lines.collect()
}

fn replayed(answer: StoredAnswer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or_default();
    let headers = response.headers_mut();
    for line in answer.headers.lines() {
        let Some((name, value)) = line.split_once(": ") else {
            continue;
        };
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
            headers.append(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(&KEY) else {
        return Ok(None);
    };
    let key = value.to_str().ok().map(str::trim);
    match key.filter(|key| !key.is_empty() && key.len() <= LONGEST_KEY) {
        Some(key) => Ok(Some(key.to_owned())),
        None => Err(Problem::bad_request(format!(
            "`Idempotency-Key` is not text of 1 to {LONGEST_KEY} ASCII characters; a UUID is one"
        ))),
    }
}
