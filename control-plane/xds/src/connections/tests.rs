//! Places for connections, and memory for what is not read.

use futures::FutureExt as _;

use super::*;
use crate::SimulatedClock;

fn peer() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1))
}

fn admitted(connections: &Connections) -> ConnectionHandle {
    connections.admit(peer()).expect("there is a place")
}

fn is_ended(connection: &ConnectionHandle) -> bool {
    connection.until_its_end().now_or_never().is_some()
}

#[test]
fn it_gives_newcomers_the_place_of_the_connection_that_was_unused_for_longest() {
    let clock = SimulatedClock::default();
    let connections = Connections::new(3, 1, clock.clock());
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(admitted(&connections));
        clock.advance(Duration::from_millis(1));
    }
    let user = open[0].user();
    let newcomer = admitted(&connections);
    assert!(!is_ended(&open[0]) && is_ended(&open[1]) && !is_ended(&open[2]));
    drop(user);
    clock.advance(Duration::from_millis(1));
    admitted(&connections);
    assert!(!is_ended(&open[0]) && is_ended(&open[2]) && !is_ended(&newcomer));
}

#[test]
fn it_turns_newcomers_away_while_each_connection_is_used() {
    let connections = Connections::new(1, 1, SimulatedClock::default().clock());
    let used = admitted(&connections);
    let user = used.user();
    assert!(connections.admit(peer()).is_none());
    assert!(!is_ended(&used));
    used.leave();
    admitted(&connections);
    drop(user);
}

#[tokio::test]
async fn it_lets_a_response_wait_while_others_have_the_memory_and_ends_the_slowest_of_them() {
    let clock = SimulatedClock::default();
    let connections = Connections::new(3, 100, clock.clock());
    let [first, second, third] = [(); 3].map(|()| admitted(&connections));
    let unread = first.room(60, Purpose::Configuration).await;
    clock.advance(Duration::from_millis(1));
    let _quick = second.room(40, Purpose::Configuration).await;
    let mut waiting = Box::pin(third.room(1, Purpose::Configuration));
    assert!(futures::poll!(&mut waiting).is_pending());
    assert!(!is_ended(&first));
    clock.advance(SLOW);
    assert!(futures::poll!(&mut waiting).is_pending());
    assert!(is_ended(&first) && !is_ended(&second));
    drop(unread);
    waiting.await;
}

#[tokio::test]
async fn it_takes_what_is_larger_than_all_the_memory_when_nothing_else_is_unread() {
    let connections = Connections::new(1, 100, DeadlineClock::default());
    let connection = admitted(&connections);
    let first = connection.room(1000, Purpose::Configuration).await;
    let mut second = Box::pin(connection.room(1, Purpose::Configuration));
    assert!(futures::poll!(&mut second).is_pending());
    drop(first);
    second.await;
}

/// Whoever asks where Envoys stand takes no memory from Envoys, and some megabytes at most.
#[tokio::test]
async fn it_bounds_answers_about_envoys_apart_from_their_configuration() {
    let connections = Connections::new(1, 100, DeadlineClock::default());
    let connection = admitted(&connections);
    let largest = 3 << 20;
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(connection.room(largest, Purpose::Status).await);
    }
    let mut one_more = Box::pin(connection.room(largest, Purpose::Status));
    assert!(futures::poll!(&mut one_more).is_pending());
    connection.room(100, Purpose::Configuration).await;
    answers.pop();
    one_more.await;
}

#[tokio::test]
async fn it_ends_what_was_unused_or_unread_for_long_and_nothing_else() {
    let clock = SimulatedClock::default();
    let connections = Connections::new(4, 100, clock.clock());
    let [unused, unread, used, reading] = [(); 4].map(|()| admitted(&connections));
    let _users = [unread.user(), used.user(), reading.user()];
    let _unread = unread.room(1, Purpose::Configuration).await;
    let mut ends = [&unused, &unread, &used, &reading].map(|one| Box::pin(one.until_its_end()));
    let mut reasons = [None; 4];
    for _ in 0..20 {
        drop(reading.room(1, Purpose::Configuration).await);
        for (end, reason) in ends.iter_mut().zip(&mut reasons) {
            if reason.is_none() {
                *reason = end.as_mut().now_or_never();
            }
        }
        clock.advance(Duration::from_secs(5));
    }
    assert!(reasons[0].is_some_and(|reason| reason.contains("no Envoy")));
    assert!(reasons[1].is_some_and(|reason| reason.contains("not read")));
    assert_eq!(reasons[2..], [None, None]);
}

#[tokio::test]
async fn it_counts_what_is_begun_and_ends_who_does_not_finish_for_the_sake_of_others() {
    let clock = SimulatedClock::default();
    let connections = Connections::new(32, 1, clock.clock());
    // Each has some bytes for which nobody is asked, and no more than a few messages in all.
    let greedy = admitted(&connections);
    assert!(
        greedy
            .room_for_unfinished(None, MOST_BYTES_UNFINISHED)
            .await
            .is_err()
    );
    let largest = 4 << 20;
    let mut unfinished = Vec::new();
    let mut begun = Vec::new();
    for _ in 0..MOST_BYTES_UNFINISHED / largest {
        let connection = admitted(&connections);
        unfinished.push(connection.room_for_unfinished(None, largest).await);
        begun.push(connection);
        clock.advance(Duration::from_millis(1));
    }
    let good = admitted(&connections);
    let small = good.room_for_unfinished(None, 1000).await;
    assert!(small.is_ok(), "it waits for nobody");
    let mut large = Box::pin(good.room_for_unfinished(small.ok(), largest));
    assert!(futures::poll!(&mut large).is_pending());
    clock.advance(SLOW);
    assert!(futures::poll!(&mut large).is_pending());
    assert!(is_ended(&begun[0]) && !is_ended(&begun[1]) && !is_ended(&good));
    unfinished.remove(0).expect("it had room");
    assert!(large.await.is_ok());
}

#[tokio::test]
async fn it_takes_the_memory_of_messages_back_with_their_connections_while_all_wait_for_more() {
    let connections = Connections::new(32, 1, SimulatedClock::default().clock());
    let (largest, more) = (4 << 20, 100 << 10);
    let mut waiting = Vec::new();
    let mut begun = Vec::new();
    for _ in 0..MOST_BYTES_UNFINISHED / largest {
        let connection = admitted(&connections);
        let message = connection.room_for_unfinished(None, largest).await;
        begun.push((connection, message.ok()));
    }
    for (connection, message) in begun {
        let grows = connection.clone();
        let grown = async move { grows.room_for_unfinished(message, largest + more).await };
        let mut grown = Box::pin(grown);
        assert!(futures::poll!(&mut grown).is_pending());
        waiting.push((connection, grown));
    }
    for (connection, grown) in &mut waiting {
        // Whoever reads from it looks no more at it than before: at what it waits for.
        connection.leave();
        let broken = grown.await.map(drop);
        assert_eq!(broken, Err(MessageBreaksOff::ConnectionIsGone));
    }
    let good = admitted(&connections);
    let large = good.room_for_unfinished(None, largest).now_or_never();
    assert!(large.is_some_and(|large| large.is_ok()));
}

#[tokio::test]
async fn it_ends_a_connection_whose_message_does_not_come_to_its_end() {
    let clock = SimulatedClock::default();
    let connections = Connections::new(2, 1, clock.clock());
    let [trickling, finishing] = [(); 2].map(|()| admitted(&connections));
    let _users = [trickling.user(), finishing.user()];
    let _begun = trickling.room_for_unfinished(None, 5).await;
    let mut ends = [&trickling, &finishing].map(|one| Box::pin(one.until_its_end()));
    let mut reasons = [None; 2];
    for _ in 0..20 {
        drop(finishing.room_for_unfinished(None, 5).await);
        for (end, reason) in ends.iter_mut().zip(&mut reasons) {
            if reason.is_none() {
                *reason = end.as_mut().now_or_never();
            }
        }
        clock.advance(Duration::from_secs(5));
    }
    assert!(reasons[0].is_some_and(|reason| reason.contains("not finished")));
    assert_eq!(reasons[1], None);
}
