//! Each caller that writes has a session of its own, readers share one, and none is left behind.

use super::*;
use crate::connect::fake::{Asked, Ending, Fake, Turn};
use crate::connect::samples;

async fn sessions() -> (Fake, Sessions) {
    let (fake, connect) = Fake::serve(Vec::new()).await;
    (fake, Sessions::new(connect, SparkUser::new("test"), None))
}

/// A session of the caller whose name it begins with.
fn caller(session: &str) -> SparkCaller {
    let name = session.split(' ').next().unwrap_or_default();
    SparkCaller {
        session: Some(session.to_owned()),
        claimant: Claimant::Named(name.to_owned()),
    }
}

fn closed(fake: &Fake) -> usize {
    let closes = |asked: &&Asked| matches!(asked, Asked::Close { .. });
    fake.asked().iter().filter(closes).count()
}

#[tokio::test]
async fn it_gives_each_caller_a_session_and_each_call_without_one_its_own() {
    let (fake, sessions) = sessions().await;
    let id = |lease: &WriterLease| lease.session().expect("open").id();
    let first = id(&sessions.writer(&caller("a")).await.expect("a session"));
    let again = id(&sessions.writer(&caller("a")).await.expect("a session"));
    let other = id(&sessions.writer(&caller("b")).await.expect("a session"));
    assert_eq!(first, again);
    assert_ne!(first, other);
    let [one, two] = [
        id(&sessions
            .writer(&SparkCaller::server())
            .await
            .expect("a session")),
        id(&sessions
            .writer(&SparkCaller::server())
            .await
            .expect("a session")),
    ];
    assert_ne!(one, two);
    sessions.end("a");
    sessions.connect.drain().await;
    let ended: Vec<Asked> = [one, two, first]
        .map(|session| Asked::Close { session })
        .to_vec();
    let asked = fake.asked();
    assert!(ended.iter().all(|close| asked.contains(close)), "{asked:?}");
    assert_eq!(closed(&fake), 3);
}

#[tokio::test]
async fn it_bounds_plans_and_has_texts_taken_as_they_are_written_in_every_session() {
    let (fake, sessions) = sessions().await;
    sessions.reader().await.expect("a session");
    sessions.writer(&caller("a")).await.expect("a session");
    sessions
        .writer(&SparkCaller::server())
        .await
        .expect("a session");
    let asked = fake.asked();
    let opened = asked.iter().filter_map(|asked| match asked {
        Asked::Open { settings, .. } => Some(settings),
        _ => None,
    });
    let opened: Vec<_> = opened.collect();
    assert_eq!(opened.len(), 3, "{asked:?}");
    for (name, value) in [
        ("spark.sql.variable.substitute", "false"),
        ("spark.sql.maxPlanStringLength", "10000"),
    ] {
        let setting = (name.to_owned(), value.to_owned());
        assert!(
            opened.iter().all(|set| set.contains(&setting)),
            "{opened:?}"
        );
    }
}

#[tokio::test]
async fn it_keeps_a_fixed_number_of_sessions_and_none_that_is_in_use_goes() {
    let (fake, sessions) = sessions().await;
    let mut busy = Vec::new();
    for number in 0..WRITERS {
        let busy_one = caller(&format!("busy {number}"));
        busy.push(sessions.writer(&busy_one).await.expect("a session"));
    }
    let refused = sessions.writer(&caller("more")).await.expect_err("no room");
    assert_eq!(refused, SessionError::Busy);
    busy.pop();
    sessions.writer(&caller("more")).await.expect("room");
    assert_eq!(lock(&sessions.writers).open.len(), WRITERS);
    sessions.connect.drain().await;
    assert_eq!(closed(&fake), 1);
}

#[tokio::test]
async fn it_takes_the_room_for_a_newcomer_from_whoever_has_the_most_sessions() {
    let (_fake, sessions) = sessions().await;
    let open = async |session: &str| {
        sessions.writer(&caller(session)).await.expect("room");
    };
    open("ada 0").await;
    open("bob 0").await;
    // Whoever makes up sessions makes room for them.
    for number in 0..WRITERS * 2 {
        open(&format!("mallory {number}")).await;
    }
    open("bob 1").await;
    let writers = lock(&sessions.writers);
    assert_eq!(writers.open.len(), WRITERS);
    for kept in ["ada 0", "bob 0", "bob 1"] {
        assert!(writers.open.contains_key(kept), "{kept}");
    }
    assert!(writers.lost.is_empty());
}

#[tokio::test]
async fn it_tells_a_caller_once_that_the_session_is_gone_in_which_it_had_made_something() {
    let (_fake, sessions) = sessions().await;
    let lease = async |session: &str| sessions.writer(&caller(session)).await;
    for session in ["ada 0", "ada 1"] {
        lease(session).await.expect("a session").note_change();
    }
    for number in 0..WRITERS {
        lease(&format!("ada more {number}")).await.expect("room");
    }
    assert_eq!(lease("ada 0").await.map(drop), Err(SessionError::Lost));
    assert!(lease("ada 0").await.is_ok());
    // Nobody misses what was in a session that has been ended.
    sessions.end("ada 1");
    assert!(lease("ada 1").await.is_ok());
    assert!(lease("ada more 0").await.is_ok());
}

#[tokio::test]
async fn it_closes_a_session_whose_caller_or_call_ends_while_it_is_opened() {
    for is_caller in [true, false] {
        let (fake, sessions) = sessions().await;
        let held = fake.hold_openings().await;
        let opener = sessions.clone();
        let opening = tokio::spawn(async move { opener.writer(&caller("a")).await.map(drop) });
        fake.until(|asked| matches!(asked, Asked::Open { .. }))
            .await;
        if is_caller {
            sessions.end("a");
            drop(held);
            let refused = opening.await.expect("no panic").expect_err("it was ended");
            assert_eq!(refused, ConnectError::SessionGone.into());
        } else {
            opening.abort();
            fake.until(|asked| matches!(asked, Asked::Close { .. }))
                .await;
        }
        sessions.connect.drain().await;
        let asked = fake.asked();
        let opened = asked.iter().find_map(|asked| match asked {
            Asked::Open { session, .. } => Some(session.clone()),
            _ => None,
        });
        let session = opened.expect("it was being opened");
        assert!(asked.contains(&Asked::Close { session }), "{asked:?}");
        assert!(lock(&sessions.writers).open.is_empty());
    }
}

#[tokio::test]
async fn it_interrupts_a_startup_statement_that_outlasts_its_time_and_nobody_cuts_it_short() {
    let endless = Turn::Send(Vec::new(), Ending::Open);
    let (fake, connect) = Fake::serve(vec![endless]).await;
    let startup = Startup {
        statement: Statement::new("CREATE TABLE t"),
        limit: Duration::from_millis(300),
    };
    let sessions = Sessions::new(connect, SparkUser::new("test"), Some(startup));
    let impatient = sessions.clone();
    let impatient = tokio::spawn(async move { impatient.reader().await });
    fake.until(|asked| matches!(asked, Asked::Execute { .. }))
        .await;
    impatient.abort();
    let reader = timeout(Duration::from_secs(60), sessions.reader()).await;
    reader.expect("in time").expect("a session");
    sessions.connect.drain().await;
    let asked = fake.asked();
    let count = |wanted: fn(&Asked) -> bool| asked.iter().filter(|a| wanted(a)).count();
    assert_eq!(
        count(|a| matches!(a, Asked::Execute { .. })),
        1,
        "{asked:?}"
    );
    assert_eq!(
        count(|a| matches!(a, Asked::Interrupt { .. })),
        1,
        "{asked:?}"
    );
    assert_eq!(count(|a| matches!(a, Asked::Close { .. })), 1, "{asked:?}");
}

#[tokio::test]
async fn it_opens_the_readers_session_although_the_startup_statement_is_refused() {
    let refused = samples::error("PARSE_SYNTAX_ERROR", "42601", "no SQL");
    let (fake, connect) = Fake::serve(vec![Turn::Refuse(refused)]).await;
    let startup = Startup {
        statement: Statement::new("CREATE TABEL t"),
        limit: Duration::from_secs(60),
    };
    let sessions = Sessions::new(connect, SparkUser::new("test"), Some(startup));
    sessions.reader().await.expect("a session");
    sessions.connect.drain().await;
    assert_eq!(fake.plans().len(), 1);
    assert_eq!(closed(&fake), 1);
}

#[tokio::test]
async fn it_keeps_no_opening_that_failed() {
    let (fake, sessions) = sessions().await;
    let down = || Err(tonic::Status::unavailable("later"));
    fake.answer_analyses(vec![down(), down()]);
    for _ in 0..2 {
        sessions.reader().await.expect_err("it does not answer");
    }
    let session = sessions.reader().await.expect("it is back");
    assert_eq!(
        sessions.reader().await.expect("the same").id(),
        session.id()
    );
    sessions.connect.drain().await;
    assert_eq!(closed(&fake), 2);
}

#[tokio::test]
async fn it_opens_another_session_after_spark_closed_one() {
    let (_fake, sessions) = sessions().await;
    let lease = sessions.writer(&caller("a")).await.expect("a session");
    let first = lease.session().expect("open").id();
    lease.forget();
    let lease = sessions.writer(&caller("a")).await.expect("a session");
    assert_ne!(lease.session().expect("open").id(), first);
}
