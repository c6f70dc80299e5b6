//! `Idempotency-Key`: a request that is sent again, because its answer was lost on the way, is
//! answered as it was the first time and does nothing more.
//!
//! The answers are kept in this process, for a day and in a bounded number: a key that is older, or
//! from before a restart, is a new one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use super::problem::Problem;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The longest key: identifiers are a tenth of that, and each is kept.
const LONGEST_KEY: usize = 255;
/// The answers that are kept: more writes than operators and their scripts make in an hour.
const MOST_ANSWERS: usize = 1000;
/// The bytes of the answers that are kept: a report on a change is a few KiB.
const MOST_BYTES: usize = 16 << 20;
/// Whoever tries again does so within hours.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// The answers to requests that had a key.
#[derive(Debug, Clone, Default)]
pub(super) struct KeptAnswers(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    answers: BTreeMap<String, Entry>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    /// The hash of the request that had the key first.
    request: [u8; 32],
    since: Instant,
    answer: Option<KeptAnswer>,
}

#[derive(Debug, Clone)]
struct KeptAnswer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// The treatment of a request that has a key.
enum Claim {
    /// It is the first with this key.
    First,
    /// It was answered like this.
    Answered(KeptAnswer),
    /// The first one is not answered yet.
    Running,
    /// The first one was another request.
    Another,
    /// So many first ones are not answered yet that there is no room.
    NoRoom,
}

impl KeptAnswers {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim(&self, key: &str, request: [u8; 32], now: Instant) -> Claim {
        let mut kept = self.kept();
        kept.forget_older_than(now);
        match kept.answers.get(key) {
            Some(entry) if entry.request != request => Claim::Another,
            Some(Entry {
                answer: Some(answer),
                ..
            }) => Claim::Answered(answer.clone()),
            Some(_) => Claim::Running,
            None => {
                if !kept.make_room() {
                    return Claim::NoRoom;
                }
                let entry = Entry {
                    request,
                    since: now,
                    answer: None,
                };
                kept.answers.insert(key.to_owned(), entry);
                Claim::First
            }
        }
    }

    fn keep(&self, key: &str, answer: KeptAnswer) {
        let mut kept = self.kept();
        let bytes = answer.body.len();
        if let Some(entry) = kept.answers.get_mut(key) {
            entry.answer = Some(answer);
            kept.bytes += bytes;
        }
        while kept.bytes > MOST_BYTES && kept.forget_oldest() {}
    }

    fn forget(&self, key: &str) {
        let mut kept = self.kept();
        kept.remove(key);
    }
}

impl Kept {
    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.answers.remove(key) {
            self.bytes -= entry.answer.map_or(0, |answer| answer.body.len());
        }
    }

    fn forget_older_than(&mut self, now: Instant) {
        let is_old = |entry: &Entry| entry.answer.is_some() && now - entry.since > KEPT;
        let old: Vec<String> = self
            .answers
            .iter()
            .filter(|(_, entry)| is_old(entry))
            .map(|(key, _)| key.clone())
            .collect();
        for key in old {
            self.remove(&key);
        }
    }

    /// Makes room for one more. False where every key is one whose request still runs.
    fn make_room(&mut self) -> bool {
        self.answers.len() < MOST_ANSWERS || self.forget_oldest()
    }

    fn forget_oldest(&mut self) -> bool {
        let answered = self.answers.iter();
        let oldest = answered
            .filter(|(_, entry)| entry.answer.is_some())
            .min_by_key(|(_, entry)| entry.since)
            .map(|(key, _)| key.clone());
        let Some(oldest) = oldest else {
            return false;
        };
        self.remove(&oldest);
        true
    }
}

/// Answers a `POST` with a key once.
pub(super) async fn check(
    State(answers): State<KeptAnswers>,
    request: Request,
    next: Next,
) -> Response {
    if *request.method() != Method::POST {
        return match request.headers().contains_key(&KEY) {
            true => Problem::bad_request(
                "`Idempotency-Key` is for `POST` alone; other methods do the same when they are \
                 sent again",
            )
            .into_response(),
            false => next.run(request).await,
        };
    }
    let key = match key_of(request.headers()) {
        Ok(Some(key)) => key,
        Ok(None) => return next.run(request).await,
        Err(problem) => return problem.into_response(),
    };
    let (head, body) = request.into_parts();
    // The outermost layer has read it, within its bounds.
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return Problem::bad_request("the body broke off; send it again").into_response();
    };
    let hash: [u8; 32] = Sha256::new()
        .chain_update(head.uri.to_string())
        .chain_update([0])
        .chain_update(&body)
        .finalize()
        .into();
    match answers.claim(&key, hash, Instant::now()) {
        Claim::First => {}
        Claim::Answered(answer) => return answer.replayed(),
        Claim::Running => {
            return Problem::new(
                StatusCode::CONFLICT,
                "urn:portcullis:running",
                "the request with this key is not answered yet",
                "it goes on; send it again in a few seconds to learn how it ended",
            )
            .into_response();
        }
        Claim::Another => {
            return Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "urn:portcullis:key-reused",
                "another request had this key",
                "nothing was done; make a new `Idempotency-Key` for each new request",
            )
            .into_response();
        }
        Claim::NoRoom => {
            return Problem::busy(
                "too many requests with keys run at once",
                "nothing was done; try again in a few seconds",
            )
            .into_response();
        }
    }
    // It is finished also where its author hangs up: they will ask again for this very answer.
    let request = Request::from_parts(head, Body::from(body));
    let run = tokio::spawn(async move {
        let unanswered = Unanswered {
            answers: &answers,
            key: &key,
        };
        let answer = next.run(request).await;
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        // What failed may go well the next time.
        if !head.status.is_server_error() {
            let kept = KeptAnswer {
                status: head.status,
                headers: head.headers.clone(),
                body: body.clone(),
            };
            answers.keep(&key, kept);
        }
        drop(unanswered);
        Response::from_parts(head, Body::from(body))
    });
    match run.await {
        Ok(answer) => answer,
        Err(error) => Problem::internal(&error).into_response(),
    }
}

/// Frees the key of a request that ends without an answer to keep.
struct Unanswered<'a> {
    answers: &'a KeptAnswers,
    key: &'a str,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let is_answered = {
            let kept = self.answers.kept();
            let entry = kept.answers.get(self.key);
            entry.is_none_or(|entry| entry.answer.is_some())
        };
        if !is_answered {
            self.answers.forget(self.key);
        }
    }
}

impl KeptAnswer {
    fn replayed(self) -> Response {
        let mut answer = Response::new(Body::from(self.body));
        *answer.status_mut() = self.status;
        *answer.headers_mut() = self.headers;
        let headers = answer.headers_mut();
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
        answer
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: usize) -> KeptAnswer {
        KeptAnswer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: vec![0; bytes].into(),
        }
    }

    #[test]
    fn it_keeps_a_bounded_number_of_answers_and_of_bytes() {
        let (answers, now) = (KeptAnswers::default(), Instant::now());
        for index in 0..MOST_ANSWERS + 5 {
            let key = format!("{index:05}");
            assert!(matches!(answers.claim(&key, [0; 32], now), Claim::First));
            answers.keep(&key, answer(1));
        }
        assert_eq!(answers.kept().answers.len(), MOST_ANSWERS);
        for key in ["a", "b", "c"] {
            assert!(matches!(answers.claim(key, [0; 32], now), Claim::First));
            answers.keep(key, answer(MOST_BYTES / 2));
        }
        let kept = answers.kept();
        assert!(kept.bytes <= MOST_BYTES, "{}", kept.bytes);
        let sum: usize = kept
            .answers
            .values()
            .map(|entry| entry.answer.as_ref().unwrap().body.len())
            .sum();
        assert_eq!(kept.bytes, sum);
    }

    #[test]
    fn it_forgets_an_answer_after_a_day_and_no_request_that_runs() {
        let (answers, now) = (KeptAnswers::default(), Instant::now());
        assert!(matches!(answers.claim("runs", [0; 32], now), Claim::First));
        assert!(matches!(answers.claim("done", [0; 32], now), Claim::First));
        answers.keep("done", answer(3));
        assert!(matches!(
            answers.claim("done", [1; 32], now),
            Claim::Another
        ));
        assert!(matches!(
            answers.claim("done", [0; 32], now),
            Claim::Answered(_)
        ));
        let now = now + KEPT + Duration::from_secs(1);
        assert!(matches!(answers.claim("done", [1; 32], now), Claim::First));
        assert!(matches!(
            answers.claim("runs", [0; 32], now),
            Claim::Running
        ));
    }
}
