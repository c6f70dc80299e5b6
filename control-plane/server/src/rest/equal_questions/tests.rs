//! Many who ask the same, of a handler that says how often it was asked and waits to go on.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use futures::future::join_all;
use http_front::AnswerLimits;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, yield_now};

use super::*;

const SIZE: usize = 1_000;
const PATH: &str = "/question";

/// A handler that is in the hands of its test.
struct Handler {
    /// How many workings-out have begun.
    begun: AtomicUsize,
    /// The truth of the moment.
    fact: AtomicUsize,
    /// As many may end as it has permits.
    may_end: Semaphore,
}

impl Handler {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            begun: AtomicUsize::new(0),
            fact: AtomicUsize::new(0),
            may_end: Semaphore::new(0),
        })
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    async fn until_begun(&self, number: usize) {
        while self.begun() < number {
            yield_now().await;
        }
    }
}

/// Answers with what is true when it begins, at some length.
async fn handle(State(handler): State<Arc<Handler>>) -> Vec<u8> {
    handler.begun.fetch_add(1, Ordering::SeqCst);
    let fact = u8::try_from(handler.fact.load(Ordering::SeqCst)).unwrap();
    handler.may_end.acquire().await.expect("a panic").forget();
    vec![fact; SIZE]
}

/// A router with room for so many answers at a time.
fn router(handler: &Arc<Handler>, answers: usize) -> Router {
    let budget = AnswerBudget::new(AnswerLimits {
        uncounted: 0,
        budget: answers * SIZE,
    });
    Router::new()
        .route(PATH, get(handle))
        .route_layer(from_fn_with_state(Questions::within(budget.clone()), share))
        .layer(from_fn_with_state(budget, answers::count))
        .with_state(Arc::clone(handler))
}

async fn ask(router: &Router, path: &str) -> Response {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let service = TowerToHyperService::new(router.clone());
    service.call(request).await.unwrap()
}

/// Asks on a task of its own, and tells what the answer says.
fn asking(router: &Router, path: &'static str) -> JoinHandle<u8> {
    let router = router.clone();
    tokio::spawn(async move {
        let answer = ask(&router, path).await;
        assert_eq!(answer.status().as_u16(), 200);
        to_bytes(answer.into_body(), usize::MAX).await.unwrap()[0]
    })
}

/// Lets everybody who asks get to where they wait.
async fn settle() {
    for _ in 0..100 {
        yield_now().await;
    }
}

#[tokio::test]
async fn it_works_out_once_what_many_ask_while_the_first_is_answered() {
    let handler = Handler::new();
    let router = router(&handler, 2);
    let first = asking(&router, PATH);
    handler.until_begun(1).await;
    let others: Vec<_> = (0..60).map(|_| asking(&router, PATH)).collect();
    settle().await;
    handler.may_end.add_permits(100);
    assert_eq!(first.await.unwrap(), 0);
    for other in join_all(others).await {
        assert_eq!(other.unwrap(), 0);
    }
    assert_eq!(handler.begun(), 2);
}

#[tokio::test]
async fn it_answers_with_nothing_that_is_older_than_the_question() {
    let handler = Handler::new();
    let router = router(&handler, 9);
    let mut asked = Vec::new();
    for fact in 0..5 {
        handler.fact.store(fact, Ordering::SeqCst);
        asked.push((fact, asking(&router, PATH)));
        settle().await;
    }
    handler.may_end.add_permits(100);
    for (fact, asked) in asked {
        assert!(usize::from(asked.await.unwrap()) >= fact);
    }
    assert_eq!(handler.begun(), 2);
}

#[tokio::test]
async fn it_shares_no_answer_between_questions_that_differ() {
    let handler = Handler::new();
    let router = router(&handler, 9);
    let asked = [PATH, "/question?limit=1", "/question?limit=2"].map(|path| asking(&router, path));
    handler.until_begun(3).await;
    handler.may_end.add_permits(3);
    for asked in asked {
        asked.await.unwrap();
    }
}

#[tokio::test]
async fn it_answers_the_others_when_one_hangs_up_and_keeps_nothing() {
    let handler = Handler::new();
    let budget = AnswerBudget::new(answers::LIMITS);
    let questions = Questions::within(budget);
    let question = Question {
        method: Method::GET,
        uri: Uri::from_static(PATH),
        accept: None,
    };
    let ask = || {
        let (questions, question, handler) = (&questions, &question, Arc::clone(&handler));
        let work = async || handle(State(handler)).await.into_response();
        Box::pin(async move { questions.answer(question, work).await })
    };
    let mut asked = [ask(), ask(), ask(), ask()];
    for one in &mut asked {
        assert!(futures::poll!(one).is_pending());
    }
    let [first, second, third, fourth] = asked;
    drop((first, second));
    handler.may_end.add_permits(2);
    assert_eq!(third.await.body.len(), SIZE);
    assert_eq!(fourth.await.body.len(), SIZE);
    assert!(lock(&questions.0.places).is_empty());
}

#[tokio::test]
async fn it_asks_the_budget_before_it_works_out_what_was_large_the_last_time() {
    let handler = Handler::new();
    handler.may_end.add_permits(100);
    let router = router(&handler, 1);
    let unread = ask(&router, PATH).await;
    for _ in 0..3 {
        assert_eq!(ask(&router, PATH).await.status().as_u16(), 503);
    }
    assert_eq!(handler.begun(), 1);
    drop(unread);
    let answer = ask(&router, PATH).await;
    assert_eq!((answer.status().as_u16(), handler.begun()), (200, 2));
}

#[tokio::test]
async fn it_counts_an_answer_once_however_many_wait_for_it() {
    let handler = Handler::new();
    let router = router(&handler, 2);
    let (first, others) = tokio::join!(ask(&router, PATH), async {
        handler.until_begun(1).await;
        let others = (0..9).map(|_| ask(&router, PATH));
        let others = join_all(others);
        let open = async { handler.may_end.add_permits(2) };
        tokio::join!(others, open).0
    });
    for answer in others.iter().chain([&first]) {
        assert_eq!(answer.status().as_u16(), 200);
    }
}

#[tokio::test]
async fn it_answers_everybody_where_the_handler_panics() {
    let handler = Handler::new();
    let router = router(&handler, 2);
    let (first, others, ()) = tokio::join!(
        ask(&router, PATH),
        join_all((0..3).map(|_| ask(&router, PATH))),
        async { handler.may_end.close() }
    );
    for answer in others.iter().chain([&first]) {
        assert_eq!(answer.status().as_u16(), 500);
    }
}
