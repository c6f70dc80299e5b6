//! Equal questions that are asked at the same time are worked out once.
//!
//! Whoever has changed something reads it: a question is answered by what is worked out after it
//! was asked. So of each question one working-out is in hand at most, and one waits until that has
//! ended; those who ask meanwhile share the one that waits.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::ACCEPT;
use axum::http::response::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::future::{BoxFuture, FutureExt as _, WeakShared};
use http_front::AnswerBudget;

use super::answers;
use super::problem::Problem;

/// Questions whose answers come in pieces, each for one client.
const UNSHARED: [&str; 2] = ["/api/v1/events", "/modules/{file}"];

/// How many sizes of large answers are remembered. A fleet's operators ask for tens; more are of
/// somebody who asks for what is not there, and are forgotten together.
const MOST_SIZES: usize = 1_024;

/// All that an answer depends on, besides the state of the gateway. A handler sees nothing else of
/// the request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Question {
    method: Method,
    uri: Uri,
    accept: Option<HeaderValue>,
}

/// An answer that may be given to several clients, counted once.
#[derive(Clone)]
struct SharedAnswer {
    head: Parts,
    body: Bytes,
}

/// The working-out of a question has panicked.
#[derive(Debug, thiserror::Error)]
#[error("a question could not be worked out")]
struct Panicked;

/// The questions that are being worked out. Cheap to clone.
#[derive(Clone)]
pub(super) struct Questions(Arc<Inner>);

struct Inner {
    budget: AnswerBudget,
    places: Mutex<HashMap<Question, Weak<Place>>>,
    /// The sizes of the last answers, of those that the budget counts, by the question's hash: of
    /// two questions with the same one, one may be refused for the size of the other.
    sizes: Mutex<HashMap<u64, usize>>,
    hashes: RandomState,
}

/// The place of a question, while somebody waits for its answer.
struct Place {
    question: Question,
    questions: Questions,
    /// Held while it is worked out.
    in_hand: tokio::sync::Mutex<()>,
    /// The working-out that has not begun.
    waiting: Mutex<Option<WeakShared<BoxFuture<'static, SharedAnswer>>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = lock(&self.questions.0.places);
        let is_gone = |place: &Weak<Self>| place.strong_count() == 0;
        if places.get(&self.question).is_some_and(is_gone) {
            places.remove(&self.question);
        }
    }
}

impl Questions {
    pub(super) fn within(budget: AnswerBudget) -> Self {
        Self(Arc::new(Inner {
            budget,
            places: Mutex::default(),
            sizes: Mutex::default(),
            hashes: RandomState::new(),
        }))
    }

    fn place_of(&self, question: &Question) -> Arc<Place> {
        let mut places = lock(&self.0.places);
        if let Some(place) = places.get(question).and_then(Weak::upgrade) {
            return place;
        }
        let place = Arc::new(Place {
            question: question.clone(),
            questions: self.clone(),
            in_hand: tokio::sync::Mutex::default(),
            waiting: Mutex::default(),
        });
        places.insert(question.clone(), Arc::downgrade(&place));
        place
    }

    /// Answers a question by `work`, or by that of somebody else which has not begun.
    async fn answer<F>(&self, question: &Question, work: impl FnOnce() -> F) -> SharedAnswer
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let place = self.place_of(question);
        let answer = {
            let mut waiting = lock(&place.waiting);
            let shared = waiting.as_ref().and_then(WeakShared::upgrade);
            shared.unwrap_or_else(|| {
                let mine = Arc::clone(&place).work_out(work()).boxed().shared();
                *waiting = mine.downgrade();
                mine
            })
        };
        answer.await
    }

    /// Works a question out within the budget, which is asked before if the last answer was large.
    async fn within_budget(
        &self,
        question: &Question,
        work: impl Future<Output = Response>,
    ) -> Response {
        let inner = &self.0;
        let hash = inner.hashes.hash_one(question);
        let expected = lock(&inner.sizes).get(&hash).copied().unwrap_or_default();
        let Ok(room) = inner.budget.keep_room(expected) else {
            return answers::refused(&inner.budget, expected);
        };
        // A panic is in the log already; those who share the answer are not to wait for ever.
        let Ok(answer) = AssertUnwindSafe(work).catch_unwind().await else {
            return Problem::internal(&Panicked).into_response();
        };
        let (head, body) = answer.into_parts();
        if body.size_hint().exact().is_none() {
            debug_assert!(false, "{} comes in pieces", question.uri);
            return Problem::busy("the answer comes in pieces", "ask again").into_response();
        }
        let Ok(bytes) = to_bytes(body, usize::MAX).await else {
            return Problem::busy("the answer broke off", "try again").into_response();
        };
        let size = bytes.len();
        self.note_size(hash, size);
        // What was kept is a part of what is counted.
        drop(room);
        match inner.budget.count(bytes) {
            Ok(bytes) => {
                let mut answer = Response::from_parts(head, Body::from(bytes));
                answer.extensions_mut().insert(answers::IsCounted);
                answer
            }
            Err(_) => answers::refused(&inner.budget, size),
        }
    }

    fn note_size(&self, hash: u64, size: usize) {
        let budget = &self.0.budget;
        let mut sizes = lock(&self.0.sizes);
        // One that has no room even alone is worked out each time: it may be smaller by then.
        if !budget.is_counted(size) || budget.never_has_room(size) {
            sizes.remove(&hash);
            return;
        }
        if sizes.len() >= MOST_SIZES && !sizes.contains_key(&hash) {
            sizes.clear();
        }
        sizes.insert(hash, size);
    }
}

impl Place {
    async fn work_out(self: Arc<Self>, work: impl Future<Output = Response>) -> SharedAnswer {
        let _in_hand = self.in_hand.lock().await;
        // Whoever asks from here on may have seen something that this does not see.
        *lock(&self.waiting) = None;
        let answer = self.questions.within_budget(&self.question, work).await;
        let (head, body) = answer.into_parts();
        // It is whole, and in memory.
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        SharedAnswer { head, body }
    }
}

/// Answers a question together with the equal ones of others.
pub(super) async fn share(
    State(questions): State<Questions>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    if !request.method().is_safe() || UNSHARED.contains(&path.as_str()) {
        return next.run(request).await;
    }
    let (mut head, _) = request.into_parts();
    let question = Question {
        method: head.method.clone(),
        uri: head.uri.clone(),
        accept: head.headers.get(ACCEPT).cloned(),
    };
    let accept = question
        .accept
        .iter()
        .map(|accept| (ACCEPT, accept.clone()));
    head.headers = HeaderMap::from_iter(accept);
    head.extensions.remove::<ConnectInfo<SocketAddr>>();
    let request = Request::from_parts(head, Body::empty());
    let SharedAnswer { head, body } = questions.answer(&question, || next.run(request)).await;
    Response::from_parts(head, Body::from(body))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
