//! Streams of changes: who is told, in what order, and how many there may be.

use std::pin::Pin;

use futures::poll;
use prometheus_client::metrics::gauge::Gauge;

use super::*;

/// Streams of which there are so many places, and that wait so long for the next one.
fn patient_streams(most: usize, patience: Duration) -> Arc<ChangeStreams> {
    let places = StreamPlaces::new(most, Gauge::default());
    let (counts, stopping) = (SessionCounts::default(), CancellationToken::new());
    Arc::new(ChangeStreams {
        patience,
        ..ChangeStreams::new(places, counts, stopping)
    })
}

fn streams(most: usize) -> Arc<ChangeStreams> {
    patient_streams(most, PATIENCE)
}

type Changes = Pin<Box<dyn Stream<Item = String>>>;

fn try_open(streams: &Arc<ChangeStreams>, session: &str, caller: &str) -> Option<Changes> {
    let caller = Claimant::Named(caller.to_owned());
    let opened = streams.open(session.to_owned(), caller)?;
    Some(Box::pin(opened))
}

fn opened(streams: &Arc<ChangeStreams>, session: &str) -> Changes {
    try_open(streams, session, session).expect("a place")
}

fn listen(streams: &Arc<ChangeStreams>, session: &str) -> SessionListener {
    streams.listen(session.to_owned())
}

#[tokio::test]
async fn it_tells_the_stream_that_was_opened_last_and_that_of_the_same_session_alone() {
    let streams = streams(8);
    let listener = listen(&streams, "ours");
    let mut first = opened(&streams, "ours");
    let mut foreign = opened(&streams, "other");
    let mut last = opened(&streams, "ours");
    assert_eq!(first.next().await, None);
    listener.tell("a".to_owned()).await.expect("it is heard");
    assert_eq!(last.next().await.as_deref(), Some("a"));
    assert!(poll!(foreign.next()).is_pending());
    assert!(poll!(last.next()).is_pending());
    drop(first);
    listener.tell("b".to_owned()).await.expect("it is heard");
    assert_eq!(last.next().await.as_deref(), Some("b"));
}

#[tokio::test]
async fn it_keeps_changes_for_the_next_stream_of_a_client() {
    let streams = streams(8);
    let listener = listen(&streams, "ours");
    drop(opened(&streams, "ours"));
    for uri in ["a", "b", "a"] {
        listener.tell(uri.to_owned()).await.expect("it is kept");
    }
    assert!(!listener.has_gone());
    let mut next = opened(&streams, "ours");
    assert_eq!(next.next().await.as_deref(), Some("a"));
    assert_eq!(next.next().await.as_deref(), Some("b"));
    drop(next);
    drop(listener);
    assert!(streams.lock().by_session.is_empty());
}

#[tokio::test]
async fn it_takes_a_client_for_gone_that_has_had_no_stream_for_too_long() {
    let streams = patient_streams(8, Duration::ZERO);
    let listener = listen(&streams, "ours");
    assert!(listener.has_gone());
    let stream = opened(&streams, "ours");
    assert!(!listener.has_gone());
    drop(stream);
    assert!(listener.has_gone());
}

#[tokio::test]
async fn it_opens_no_more_streams_of_a_caller_than_its_share_and_counts_their_sessions() {
    let streams = streams(16);
    let open = |caller: &str| -> Vec<_> {
        let sessions = (0..).map(|one| format!("{caller} {one}"));
        sessions
            .map_while(|session| try_open(&streams, &session, caller))
            .collect()
    };
    let [ada, bob] = ["ada", "bob"].map(open);
    assert_eq!((ada.len(), bob.len()), (6, 3));
    let connected = || streams.counts.connected.get();
    assert_eq!(connected(), 9);
    drop(ada);
    assert_eq!(connected(), 3);
    let [first, again] = [(); 2].map(|()| opened(&streams, "ada 0"));
    assert_eq!(connected(), 4);
    streams.end_session("ada 0");
    assert_eq!(connected(), 3);
    drop((first, again, bob));
    assert_eq!(connected(), 0);
}

#[tokio::test]
async fn it_ends_streams_with_their_session_and_takes_a_bounded_number() {
    let streams = streams(4);
    let listener = listen(&streams, "ours");
    let mut ending = opened(&streams, "ours");
    let others = ["a", "b"].map(|session| opened(&streams, session));
    assert!(try_open(&streams, "c", "c").is_none());
    streams.end_session("ours");
    assert_eq!(ending.next().await, None);
    assert!(listener.has_gone());
    assert_eq!(listener.tell("a".to_owned()).await, Err(Gone));
    drop((ending, others));
    assert!(try_open(&streams, "c", "c").is_some());
    drop(listener);
    assert!(streams.lock().by_session.is_empty());
}

#[tokio::test]
async fn it_gives_an_ended_session_nothing_of_what_comes_after_it_under_the_same_id() {
    let streams = streams(8);
    let ended = listen(&streams, "ours");
    streams.end_session("ours");
    let next = listen(&streams, "ours");
    let mut stream = opened(&streams, "ours");
    assert!(ended.has_gone() && !next.has_gone());
    assert_eq!(ended.tell("a".to_owned()).await, Err(Gone));
    drop(ended);
    next.tell("b".to_owned()).await.expect("it is heard");
    assert_eq!(stream.next().await.as_deref(), Some("b"));
    drop((stream, next));
    assert!(streams.lock().by_session.is_empty());
}
