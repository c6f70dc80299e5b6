//! Reads and compiles aside from the threads that serve requests: a large document takes its time,
//! and meanwhile Envoys and operators are to be answered.

use std::panic::resume_unwind;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// How many documents are worked on at the same time. With one, a large document would hold up a
/// small one; with more, a flood of large ones would take every core from the threads that serve
/// requests.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Runs `work` on a thread of its own, when it is its turn. A turn lasts until `work` is done, also
/// where its caller no longer waits for it.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let turn = TURNS.acquire().await.expect("nobody closes it");
    let done = spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    match done.await {
        Ok(done) => done,
        Err(panicked) => resume_unwind(panicked.into_panic()),
    }
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
}
