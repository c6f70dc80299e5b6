//! The loop that reattaches, against a server that ends streams early.

use tonic::Status;

use super::failure::samples;
use super::fake::{Asked, Ending, Fake, Item, Turn, rows_in_arrow, session};
use super::{Connect, ConnectError, Event, Execution, Statement};

use Ending::{Open, Quiet};
use Item::{Complete, Rows};

fn start(connect: &Connect) -> Execution {
    connect.execute(&session(), Statement::new("SELECT 1"))
}

async fn count(mut execution: Execution) -> Result<usize, ConnectError> {
    let mut rows = 0;
    while let Some(event) = execution.next().await? {
        if let Event::Batch(batch) = event {
            rows += batch.num_rows();
        }
    }
    Ok(rows)
}

fn executes(fake: &Fake) -> usize {
    let asked = fake.asked();
    let executes = |asked: &&Asked| matches!(asked, Asked::Execute { .. });
    asked.iter().filter(executes).count()
}

fn reattaches(fake: &Fake) -> Vec<Option<String>> {
    let after = |asked| match asked {
        Asked::Reattach { after } => Some(after),
        _ => None,
    };
    fake.asked().into_iter().filter_map(after).collect()
}

#[tokio::test]
async fn it_takes_the_end_of_a_stream_for_the_end_of_the_result_only_after_result_complete() {
    let (fake, connect) = Fake::serve(vec![
        Turn::Send(vec![Rows(0, 10), Rows(10, 20)], Quiet),
        Turn::Send(vec![], Quiet),
        Turn::Send(vec![Rows(20, 30)], Quiet),
        Turn::Send(vec![Complete], Quiet),
    ])
    .await;
    assert_eq!(count(start(&connect)).await, Ok(30));
    let after = |id: &str| Some(id.to_owned());
    assert_eq!(
        reattaches(&fake),
        [after("rows-10"), after("rows-10"), after("rows-20")]
    );
    fake.until(|asked| matches!(asked, Asked::ReleaseAll { .. }))
        .await;
}

#[tokio::test]
async fn it_goes_on_after_the_last_response_when_the_line_breaks() {
    let (fake, connect) = Fake::serve(vec![
        Turn::Send(
            vec![Rows(0, 10)],
            Ending::Status(Status::unavailable("gone")),
        ),
        Turn::Refuse(Status::unavailable("not yet")),
        Turn::Send(vec![Rows(10, 20), Complete], Quiet),
    ])
    .await;
    assert_eq!(count(start(&connect)).await, Ok(20));
    assert_eq!(executes(&fake), 1);
    assert_eq!(reattaches(&fake), vec![Some("rows-0".to_owned()); 2]);
}

#[tokio::test]
async fn it_sends_the_statement_again_only_if_the_server_never_had_it() {
    let unknown = || samples::error("INVALID_HANDLE.OPERATION_NOT_FOUND", "HY000", "not found");
    let (fake, connect) = Fake::serve(vec![
        Turn::Refuse(Status::unavailable("gone")),
        Turn::Refuse(unknown()),
        Turn::Send(vec![Rows(0, 10), Complete], Quiet),
    ])
    .await;
    assert_eq!(count(start(&connect)).await, Ok(10));
    assert_eq!(executes(&fake), 2);

    let (fake, connect) = Fake::serve(vec![
        Turn::Send(vec![Rows(0, 10)], Quiet),
        Turn::Refuse(unknown()),
    ])
    .await;
    assert_eq!(count(start(&connect)).await, Err(ConnectError::Lost));
    assert_eq!(executes(&fake), 1);
}

#[tokio::test]
async fn it_never_runs_a_statement_twice_that_the_server_may_have_had() {
    let handle = |class: &str| {
        let class = format!("INVALID_HANDLE.{class}");
        Turn::Refuse(samples::error(&class, "HY000", "not found"))
    };
    let broken = || Turn::Refuse(Status::unavailable("gone"));
    // A stream that ends without a response shows that the server had the statement.
    let ended = || Turn::Send(Vec::new(), Quiet);
    for script in [
        vec![broken(), handle("SESSION_NOT_FOUND")],
        vec![broken(), handle("OPERATION_ABANDONED")],
        vec![ended(), handle("OPERATION_NOT_FOUND")],
        vec![ended(), broken(), handle("OPERATION_ABANDONED")],
    ] {
        let (fake, connect) = Fake::serve(script).await;
        assert_eq!(count(start(&connect)).await, Err(ConnectError::Lost));
        assert_eq!(executes(&fake), 1);
    }
}

#[tokio::test]
async fn it_waits_its_turn_while_an_earlier_stream_of_its_own_still_stands() {
    let busy = samples::error("INVALID_CURSOR.DISCONNECTED", "HY109", "another cursor");
    let (fake, connect) = Fake::serve(vec![
        Turn::Send(vec![Rows(0, 10)], Quiet),
        Turn::Refuse(busy),
        Turn::Send(vec![Rows(10, 20), Complete], Quiet),
    ])
    .await;
    assert_eq!(count(start(&connect)).await, Ok(20));
    assert_eq!(reattaches(&fake), vec![Some("rows-0".to_owned()); 2]);
}

#[tokio::test]
async fn it_ends_a_statement_whose_rows_it_cannot_read() {
    for (batch, expected) in [
        (Item::Raw(1, Vec::new()), "cannot be read"),
        (
            Item::Raw(3, rows_in_arrow(0, 2)),
            "a batch of 3 rows holds 2",
        ),
    ] {
        let (fake, connect) = Fake::serve(vec![Turn::Send(vec![batch], Open)]).await;
        let malformed = count(start(&connect)).await.expect_err(expected);
        assert!(malformed.to_string().contains(expected), "{malformed}");
        fake.until(|asked| matches!(asked, Asked::Interrupt { .. }))
            .await;
    }
}

#[tokio::test]
async fn it_says_that_a_statement_was_not_run_when_spark_has_closed_its_session() {
    for class in ["SESSION_CLOSED", "SESSION_CHANGED"] {
        let closed = samples::error(&format!("INVALID_HANDLE.{class}"), "HY000", "closed");
        let (fake, connect) = Fake::serve(vec![Turn::Refuse(closed)]).await;
        let ended = count(start(&connect)).await;
        assert_eq!(ended, Err(ConnectError::SessionGone), "{class}");
        assert_eq!(executes(&fake), 1);
    }
}

#[tokio::test]
async fn it_gives_sparks_errors_as_they_are_and_does_not_try_again() {
    let refusal = samples::error("DIVIDE_BY_ZERO", "22012", "Division by zero.");
    let (fake, connect) =
        Fake::serve(vec![Turn::Send(vec![Rows(0, 10)], Ending::Status(refusal))]).await;
    let Err(ConnectError::Spark(failure)) = count(start(&connect)).await else {
        panic!("Spark's own error");
    };
    assert_eq!(failure.error_class.as_deref(), Some("DIVIDE_BY_ZERO"));
    assert_eq!(failure.sql_state.as_deref(), Some("22012"));
    assert_eq!(failure.message, "Division by zero.");
    assert_eq!(reattaches(&fake), []);
}

#[tokio::test]
async fn it_interrupts_a_statement_that_nobody_waits_for() {
    let (fake, connect) = Fake::serve(vec![Turn::Send(vec![Rows(0, 10)], Open)]).await;
    let mut execution = start(&connect);
    let operation = execution.operation().to_string();
    execution.next().await.expect("rows");
    drop(execution);
    let wanted = Asked::Interrupt {
        operation: operation.clone(),
    };
    fake.until(|asked| *asked == wanted).await;
    let wanted = Asked::ReleaseAll { operation };
    fake.until(|asked| *asked == wanted).await;
}

#[tokio::test]
async fn it_has_ended_every_statement_that_was_given_up_once_it_is_drained() {
    let (fake, connect) = Fake::serve_deaf_to(vec![Turn::Send(vec![Rows(0, 10)], Open)], 1).await;
    let mut execution = start(&connect);
    execution.next().await.expect("rows");
    drop(execution);
    connect.drain().await;
    let released = |asked: &Asked| matches!(asked, Asked::ReleaseAll { .. });
    assert!(fake.asked().iter().any(released), "{:?}", fake.asked());
}

#[tokio::test]
async fn it_interrupts_again_when_the_interrupt_overtook_the_statement() {
    let (fake, connect) = Fake::serve_deaf_to(vec![Turn::Send(vec![], Open)], 2).await;
    let mut execution = start(&connect);
    tokio::select! {
        _ = execution.next() => panic!("the server sends nothing"),
        () = fake.until(|asked| matches!(asked, Asked::Execute { .. })) => {}
    }
    drop(execution);
    fake.until(|asked| matches!(asked, Asked::ReleaseAll { .. }))
        .await;
    let interrupts = |asked: &&Asked| matches!(asked, Asked::Interrupt { .. });
    assert_eq!(fake.asked().iter().filter(interrupts).count(), 3);
}

#[tokio::test]
async fn it_leaves_alone_a_statement_that_was_never_sent_or_is_over() {
    let (fake, connect) = Fake::serve(vec![Turn::Send(vec![Rows(0, 1), Complete], Quiet)]).await;
    drop(start(&connect));
    assert_eq!(count(start(&connect)).await, Ok(1));
    fake.until(|asked| matches!(asked, Asked::ReleaseAll { .. }))
        .await;
    assert_eq!(executes(&fake), 1);
    let interrupt = |asked: &Asked| matches!(asked, Asked::Interrupt { .. });
    assert!(!fake.asked().iter().any(interrupt));
}

#[tokio::test]
async fn it_lets_the_server_forget_what_has_arrived() {
    let items = (0..40).map(|n| Rows(n, n + 1)).chain([Complete]);
    let (fake, connect) = Fake::serve(vec![Turn::Send(items.collect(), Quiet)]).await;
    assert_eq!(count(start(&connect)).await, Ok(40));
    let wanted = Asked::ReleaseUntil {
        response: "rows-31".to_owned(),
    };
    fake.until(|asked| *asked == wanted).await;
}

#[tokio::test]
async fn it_tells_a_listener_how_far_the_statement_is() {
    let items = vec![Item::Tasks(1, 7), Item::Tasks(5, 7)];
    let (_fake, connect) = Fake::serve(vec![Turn::Send(items, Open)]).await;
    let (listener, mut heard) = tokio::sync::watch::channel(super::StatementProgress::default());
    let statement = Statement::new("SELECT 1").telling(listener);
    let running = tokio::spawn(count(connect.execute(&session(), statement)));
    let told = heard.wait_for(|progress| progress.tasks_done == 5).await;
    assert_eq!(told.expect("it runs").tasks, 7);
    running.abort();
}

#[tokio::test]
async fn it_says_where_nothing_answers() {
    // Bound, so that nobody else gets the port, and not listening.
    let nobody = tokio::net::TcpSocket::new_v4().expect("a socket");
    let any = "127.0.0.1:0".parse().expect("an address");
    nobody.bind(any).expect("a free port");
    let address = nobody.local_addr().expect("bound");
    let remote = format!("sc://{address}").parse().expect("an address");
    let connect = Connect::new(remote).expect("an address");
    let Err(ConnectError::Unreachable { remote, reason }) = count(start(&connect)).await else {
        panic!("nothing listens there");
    };
    assert_eq!(remote, format!("sc://{address}"));
    assert!(reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn it_asks_for_the_version() {
    let (_fake, connect) = Fake::serve(vec![]).await;
    assert_eq!(connect.version(&session()).await, Ok("4.3.0".to_owned()));
}
