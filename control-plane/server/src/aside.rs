//! Reads and compiles aside from the threads that serve requests: a large document takes its time,
//! and meanwhile Envoys and operators are to be answered.

use std::cell::Cell;
use std::panic::resume_unwind;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// How many documents are worked on at the same time for those who send requests. With one, a large
/// document would hold up a small one; with more, a flood of large ones would take every core from
/// the threads that serve requests.
static TURNS: Semaphore = Semaphore::const_new(2);
/// How many questions are, likewise: whoever changes something waits for none of them.
static QUESTION_TURNS: Semaphore = Semaphore::const_new(2);
/// How many quick questions are, about Envoys, rollouts and numbers: whoever watches the gateway
/// waits for nobody who reads large documents.
static GLANCE_TURNS: Semaphore = Semaphore::const_new(2);
/// How many are worked on for the gateway itself: one for the rollout in hand and one for what
/// servers list, each of which does one thing after the other.
static OWN_TURNS: Semaphore = Semaphore::const_new(2);

/// How many answers of servers are looked through at a time. Any of them may be large if its server
/// likes, so they wait for each other, and nothing else does.
static ANSWER_TURNS: Semaphore = Semaphore::const_new(1);

/// Runs `work`, which somebody has sent a request for, on a thread of its own, when it is its turn.
/// A turn lasts until `work` is done, also where its caller no longer waits for it.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    take_turn(&TURNS, work).await
}

/// Runs `work`, which answers a question and changes nothing, as [`run`] does.
pub(crate) async fn run_question<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    take_turn(&QUESTION_TURNS, work).await
}

/// Runs `work`, which answers a quick question and changes nothing, as [`run`] does.
pub(crate) async fn run_glance<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    take_turn(&GLANCE_TURNS, work).await
}

/// Runs `work` of the gateway itself, as [`run`] does. It waits for nothing that was sent: however
/// long that takes to read, what Envoys rejected is taken back meanwhile.
pub(crate) async fn run_own<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    take_turn(&OWN_TURNS, work).await
}

/// Runs `work` on the answer of a server, as [`run`] does.
pub(crate) async fn run_on_answer<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    take_turn(&ANSWER_TURNS, work).await
}

thread_local! {
    static IS_HERE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is the thread of a work that is done aside.
pub(crate) fn is_here() -> bool {
    IS_HERE.get()
}

async fn take_turn<T: Send + 'static>(
    turns: &'static Semaphore,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let turn = turns.acquire().await.expect("nobody closes it");
    let done = spawn_blocking(move || {
        let _turn = turn;
        IS_HERE.set(true);
        let done = work();
        IS_HERE.set(false);
        done
    });
    match done.await {
        Ok(done) => done,
        Err(panicked) => resume_unwind(panicked.into_panic()),
    }
}

/// Has `meanwhile` be done while whoever changes something takes every turn.
#[cfg(test)]
pub(crate) async fn while_every_turn_is_taken(meanwhile: impl Future<Output = ()>) {
    tests::while_all_turns_are_taken(&TURNS, run, meanwhile).await;
}

/// Has `meanwhile` be done while every turn is taken of those who ask or change something.
#[cfg(test)]
pub(crate) async fn while_every_request_waits(meanwhile: impl Future<Output = ()>) {
    let asking = tests::while_all_turns_are_taken(&QUESTION_TURNS, run_question, meanwhile);
    while_every_turn_is_taken(asking).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};

    #[tokio::test]
    async fn it_works_on_two_documents_at_a_time_and_none_on_the_thread_that_serves_requests() {
        let serving = std::thread::current().id();
        let running = Arc::new(AtomicUsize::new(0));
        // Nobody is done alone, so two are always being read.
        let pair = Arc::new(Barrier::new(2));
        let works = (0..8).map(|_| {
            let (running, pair) = (Arc::clone(&running), Arc::clone(&pair));
            run(move || {
                let at_once = running.fetch_add(1, Ordering::SeqCst) + 1;
                pair.wait();
                running.fetch_sub(1, Ordering::SeqCst);
                (at_once, std::thread::current().id())
            })
        });
        for (at_once, thread) in futures::future::join_all(works).await {
            assert!(at_once <= 2, "{at_once} at once");
            assert_ne!(thread, serving);
        }
    }

    /// Takes every turn of `turns` by works that `run` begins, and has `meanwhile` be done while
    /// none of them is.
    pub(super) async fn while_all_turns_are_taken<F: Future<Output = ()> + Send + 'static>(
        turns: &Semaphore,
        run: impl Fn(Box<dyn FnOnce() + Send>) -> F,
        meanwhile: impl Future<Output = ()>,
    ) {
        let (go_on, until) = std::sync::mpsc::channel::<()>();
        let until = Arc::new(std::sync::Mutex::new(until));
        let works: Vec<_> = (0..4)
            .map(|_| {
                let until = Arc::clone(&until);
                // An error means that nobody sends any more.
                tokio::spawn(run(Box::new(move || {
                    let _nobody_sends = until.lock().unwrap().recv();
                })))
            })
            .collect();
        while turns.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        meanwhile.await;
        assert!(works.iter().all(|work| !work.is_finished()));
        drop(go_on);
        for work in works {
            work.await.unwrap();
        }
    }

    #[tokio::test]
    async fn it_knows_the_threads_that_serve_requests() {
        assert!(!is_here());
        assert!(run(is_here).await && run_glance(is_here).await);
        assert!(!is_here());
    }

    #[tokio::test]
    async fn it_does_the_gateways_own_work_while_what_was_sent_takes_every_turn() {
        while_all_turns_are_taken(&TURNS, run, async {
            assert_eq!(run_own(|| 7).await, 7);
        })
        .await;
    }

    #[tokio::test]
    async fn it_makes_changes_while_questions_take_every_turn() {
        while_all_turns_are_taken(&QUESTION_TURNS, run_question, async {
            assert_eq!(run(|| 7).await, 7);
        })
        .await;
    }

    #[tokio::test]
    async fn it_answers_quick_questions_while_large_ones_take_every_turn() {
        while_all_turns_are_taken(&QUESTION_TURNS, run_question, async {
            assert_eq!(run_glance(|| 7).await, 7);
        })
        .await;
    }
}
