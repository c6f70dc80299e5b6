//! `Idempotency-Key`: a request that is sent again, because its answer was lost on the way, is
//! answered as it was the first time and does nothing more.
//!
//! The keys are in the store for a day, with the answers, so that a control plane that has taken
//! over, or was started again, gives them too. A key that is older is a new one. No key makes room
//! for others within its day, only the oldest answers do, of which the statuses stay: beyond a
//! number of keys a new one is refused. The store knows of a request before anything is done: where
//! no answer was stored, nobody does it again unawares.
//!
//! Kept are the answers of requests that did something: those of a status from 200 to 299, and
//! those that say what became of a change which is stored. Every other one says that nothing was
//! done, for a reason of that moment, and leaves its key free. So do questions and changes that are
//! only tried: asked again they may be answered anew, and they take no place from a change's
//! answer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, IF_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use http_front::BodyPlace;
use sha2::{Digest as _, Sha256};
use store::{KeptAnswer, KeyPlace, MOST_KEYS, StoredAnswer};
use time::OffsetDateTime;
use url::form_urlencoded;

use super::change_headers::{AUTHOR, REASON};
use super::dry_run::DRY_RUN;
use super::openapi::QUESTIONS;
use super::problem::{ChangeIsStored, Problem};
use crate::aside;
use crate::gateway::Gateway;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The longest key: identifiers are a tenth of that, and each is kept.
const LONGEST_KEY: usize = 255;
/// How many requests with a key may run at once. They go on when their authors hang up, so that the
/// bound on connections is none on them; operators and their scripts are tens.
const MOST_RUNNING: usize = 256;
/// The longest body that is hashed on a thread that serves requests, which takes a tenth of a
/// millisecond: the longest one takes a hundred times that.
const MOST_HASHED_HERE: usize = 64 << 10;
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

    /// Takes a key for a request that begins.
    fn begin(&self, key: &str, request: String) -> Result<RunningRequest, Problem> {
        let mut running = self.running();
        if running.contains(key) {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "urn:portcullis:running",
                "the request with this key is not answered yet",
                "it goes on; send it again in a few seconds to learn how it ended",
            ));
        }
        if running.len() >= MOST_RUNNING {
            return Err(Problem::busy(
                "too many requests with a key at once",
                "nothing was done; try again in a few seconds",
            ));
        }
        running.insert(key.to_owned());
        Ok(RunningRequest {
            answers: self.clone(),
            key: key.to_owned(),
            request,
        })
    }

    /// The answer to an earlier request with this key, if there was one.
    async fn earlier(&self, running: &RunningRequest) -> Result<Option<Response>, Problem> {
        let earlier = self.gateway.store().answer(&running.key).await;
        let Some(earlier) = earlier.map_err(|error| Problem::store(&error))? else {
            return Ok(None);
        };
        if earlier.request != running.request {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "urn:portcullis:key-reused",
                "another request had this key",
                "nothing was done; make a new `Idempotency-Key` for each new request",
            ));
        }
        let (title, detail) = match earlier.answer {
            KeptAnswer::Whole {
                status,
                headers,
                body,
            } => return Ok(Some(replayed(status, &headers, body))),
            KeptAnswer::Status(status) => (
                "the request with this key was done, and its answer is not kept",
                format!(
                    "it was answered with {status}, and is not done again; the rest of the answer \
                     has made room for later ones: read what is there now"
                ),
            ),
            KeptAnswer::Begun => (
                "nobody knows how the request with this key ended",
                "a control plane ended while it ran: read what is there now, and send it again \
                 under a new `Idempotency-Key` if it was not done"
                    .to_owned(),
            ),
        };
        Err(Problem::new(
            StatusCode::CONFLICT,
            "urn:portcullis:unknown-outcome",
            title,
            detail,
        ))
    }

    /// Keeps the key of a request that is about to be done.
    async fn keep(&self, running: &RunningRequest) -> Result<(), Problem> {
        let RunningRequest { key, request, .. } = running;
        let ends_at = OffsetDateTime::now_utc() + KEPT;
        let kept = self.gateway.store().begin_answer(key, request, ends_at);
        match kept.await.map_err(|error| Problem::store(&error))? {
            KeyPlace::Taken => Ok(()),
            KeyPlace::NoneFree => Err(Problem::busy(
                "too many requests with a key within a day",
                format!(
                    "nothing was done: {MOST_KEYS} keys are kept, each for a day; send it without \
                     `Idempotency-Key`, or when the oldest are a day old"
                ),
            )),
        }
    }
}

/// A request with a key that runs; the key is free again when this is dropped.
struct RunningRequest {
    answers: Answers,
    key: String,
    /// The hash of all that it asks for.
    request: String,
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        self.answers.running().remove(&self.key);
    }
}

impl RunningRequest {
    /// Runs the request, and keeps its answer unless that says that nothing was done: the same
    /// request may go well the next time. `_place` is the part of the budget that its body has.
    async fn run(self, request: Request, next: Next, _place: Option<BodyPlace>) -> Response {
        let answer = next.run(request).await;
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let has_done = head.extensions.get::<ChangeIsStored>().is_some();
        let ends_at = match has_done || head.status.is_success() {
            true => OffsetDateTime::now_utc() + KEPT,
            false => OffsetDateTime::UNIX_EPOCH,
        };
        let kept = StoredAnswer {
            key: self.key.clone(),
            request: self.request.clone(),
            answer: KeptAnswer::Whole {
                status: head.status.as_u16(),
                headers: written(&head.headers),
                body: body.to_vec(),
            },
            ends_at,
        };
        if let Err(error) = self.answers.gateway.store().put_answer(&kept).await {
            tracing::error!(%error, "the answer to a request with a key is not kept; whoever \
                 sends it again is told that nobody knows how it ended");
        }
        Response::from_parts(head, Body::from(body))
    }
}

/// Answers a request with a key that changes something once.
pub(super) async fn check(
    State(answers): State<Answers>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let Some(key) = key_of(request.headers())? else {
        return Ok(next.run(request).await);
    };
    if request.method().is_safe() {
        return Err(Problem::bad_request(format!(
            "`Idempotency-Key` is for requests that change something, and a `{}` does not; leave \
             it out",
            request.method()
        )));
    }
    if asks_only(request.uri()) {
        return Ok(next.run(request).await);
    }
    let (head, body) = request.into_parts();
    // The outermost layer has read it, within its bounds.
    let body = to_bytes(body, usize::MAX)
        .await
        .map_err(|_| Problem::bad_request("the body broke off; send it again"))?;
    let (head, hash) = hashed(head, &body).await;
    let running = answers.begin(&key, hash)?;
    if let Some(answer) = answers.earlier(&running).await? {
        return Ok(answer);
    }
    answers.keep(&running).await?;
    let place = head.extensions.get::<BodyPlace>().cloned();
    // It is finished also where its author hangs up: they will ask again for this very answer.
    let request = Request::from_parts(head, Body::from(body));
    let run = tokio::spawn(running.run(request, next, place));
    run.await.map_err(|error| Problem::internal(&error))
}

/// Whether a request with a body changes nothing: it is a question, or a change that is tried.
pub(super) fn asks_only(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    QUESTIONS.contains(&uri.path())
        || parameters.any(|(name, value)| name == DRY_RUN && value == "true")
}

/// A request with the hash of all that it asks for; that of a long one is worked out aside.
async fn hashed(head: Parts, body: &Bytes) -> (Parts, String) {
    if body.len() <= MOST_HASHED_HERE {
        let hash = hash_of(&head, body);
        return (head, hash);
    }
    let body = body.clone();
    aside::run(move || {
        let hash = hash_of(&head, &body);
        (head, hash)
    })
    .await
}

/// The hash of all that a request asks for: how, where, what, on which condition, and in whose
/// name. The store has those of versions that knew keys of `POST` alone, and left its name out.
fn hash_of(head: &Parts, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    if head.method != Method::POST {
        hash.update(head.method.as_str());
        hash.update([0]);
    }
    hash.update(head.uri.to_string());
    let named = [IF_MATCH.as_str(), CONTENT_TYPE.as_str(), AUTHOR, REASON];
    for name in named {
        for value in head.headers.get_all(name) {
            hash.update([0]);
            hash.update(name);
            hash.update([0]);
            hash.update(value);
        }
    }
    hash.update([0, 0]);
    hash.update(body);
    hex::encode(hash.finalize())
}

/// The headers as one text: a line for each.
fn written(headers: &HeaderMap) -> String {
    let lines = headers.iter().filter_map(|(name, value)| {
        let value = value.to_str().ok()?;
        Some(format!("{name}: {value}\n"))
    });
    lines.collect()
}

fn replayed(status: u16, lines: &str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let headers = response.headers_mut();
    for line in lines.lines() {
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
    let mut values = headers.get_all(&KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::bad_request(
            "`Idempotency-Key` is there twice, and a request has one; leave one of them out",
        ));
    }
    let key = value.to_str().ok().map(str::trim);
    match key.filter(|key| !key.is_empty() && key.len() <= LONGEST_KEY) {
        Some(key) => Ok(Some(key.to_owned())),
        None => Err(Problem::bad_request(format!(
            "`Idempotency-Key` is not text of 1 to {LONGEST_KEY} ASCII characters; a UUID is one"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn hash(method: &str) -> String {
        let request = Request::builder().method(method).uri("/api/v1/rollback");
        let (head, ()) = request.header(AUTHOR, "ada").body(()).unwrap().into_parts();
        hash_of(&head, b"{}")
    }

    #[test]
    fn it_knows_the_requests_that_an_earlier_version_has_stored() {
        let stored = "ec5c4db3bffe0eedf14779d2082e274019b350e67bb5b65ca65dcf2ba8502b32";
        assert_eq!(hash("POST"), stored);
        assert!(hash("PUT") != hash("POST") && hash("PUT") != hash("DELETE"));
    }

    #[tokio::test]
    async fn it_hashes_a_long_body_on_no_thread_that_serves_requests() {
        let head = || Request::post("/").body(()).unwrap().into_parts().0;
        let [short, long] = [0, 1].map(|more| Bytes::from(vec![b' '; MOST_HASHED_HERE + more]));
        aside::while_every_turn_is_taken(async {
            assert!(hashed(head(), &short).now_or_never().is_some());
            assert!(hashed(head(), &long).now_or_never().is_none());
        })
        .await;
        let (_, hash) = hashed(head(), &long).await;
        assert_eq!(hash, hash_of(&head(), &long));
    }
}
