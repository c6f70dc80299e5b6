//! The port against a Spark Connect that plays a script: whose session a statement runs in, what is
//! run again, and what is told of a failure.

use clap::Parser as _;
use fair_shares::Claimant;
use results::JsonRows;
use tonic::Status;

use super::*;
use connect::fake::{Asked, Ending, Fake, Item, Turn};
use connect::samples;

fn done() -> Turn {
    Turn::Send(vec![Item::Rows(0, 1), Item::Complete], Ending::Quiet)
}

fn endless() -> Turn {
    Turn::Send(Vec::new(), Ending::Open)
}

fn refused(class: &str) -> Turn {
    Turn::Refuse(samples::error(class, "HY000", "refused"))
}

async fn run(spark: &Spark, caller: Option<&str>, sql: &str) -> Result<usize, Error> {
    let caller = SparkCaller {
        session: caller.map(ToOwned::to_owned),
        claimant: Claimant::Unknown,
    };
    let mut rows = JsonRows::new(spark.limits());
    let sink = Sink::Rows(&mut rows);
    let run = spark.run(&caller, Statement::new(sql), sink);
    run.await?;
    Ok(rows.row_count())
}

fn count(fake: &Fake, wanted: fn(&Asked) -> bool) -> usize {
    fake.asked().iter().filter(|asked| wanted(asked)).count()
}

fn executes(fake: &Fake) -> usize {
    count(fake, |asked| matches!(asked, Asked::Execute { .. }))
}

fn opens(fake: &Fake) -> usize {
    count(fake, |asked| matches!(asked, Asked::Open { .. }))
}

async fn health_where(turn: Turn) -> Health {
    let (_fake, spark) = Fake::serve_spark(vec![turn]).await;
    spark.health().await
}

#[tokio::test]
async fn it_is_down_when_spark_tells_its_version_and_runs_no_statement() {
    assert!(matches!(health_where(done()).await, Health::Up { .. }));
    for message in [
        "Application error processing RPC",
        "Cannot call methods on a stopped SparkContext.\nIt was created at:\n\nx.y(z.java:1)",
    ] {
        let refusal = Turn::Refuse(Status::unknown(message));
        let Health::Down { reason } = health_where(refusal).await else {
            panic!("{message}: no statement runs");
        };
        assert!(reason.contains("SparkContext has stopped"), "{reason}");
        assert!(!reason.contains(".java"), "{reason}");
    }
}

#[tokio::test]
async fn it_is_up_again_in_a_session_of_a_server_that_was_restarted() {
    let (fake, spark) = Fake::serve_spark(vec![done()]).await;
    let gone = samples::error("INVALID_HANDLE.SESSION_CHANGED", "HY000", "gone");
    let unchecked = || Ok(());
    let checked = Err(samples::refusal("`java_method` runs code"));
    fake.answer_analyses(vec![unchecked(), Err(gone), checked]);
    let Health::Up { detail, .. } = spark.health().await else {
        panic!("it was restarted, and is there");
    };
    let expected = "Spark Connect 4.3.0; statements only read, by Spark's own verdict";
    assert_eq!(detail, expected);
    assert_eq!(opens(&fake), 2);
}

#[tokio::test]
async fn it_says_in_its_health_what_statements_may_do() {
    for (access, expected) in [
        (Access::Write, "statements may write"),
        (Access::Read, "so only plain queries are taken"),
    ] {
        let (_fake, spark) = Fake::serve_spark_with(vec![done()], access).await;
        let Health::Up { detail, .. } = spark.health().await else {
            panic!("it answers");
        };
        assert!(detail.ends_with(expected), "{detail}");
    }
}

#[tokio::test]
async fn it_runs_a_statement_in_another_session_when_spark_had_closed_the_one_it_was_sent_to() {
    for access in [Access::Read, Access::Write] {
        let script = vec![refused("INVALID_HANDLE.SESSION_CLOSED"), done()];
        let (fake, spark) = Fake::serve_spark_with(script, access).await;
        assert_eq!(run(&spark, Some("a"), "SELECT 1").await.expect("rows"), 1);
        assert_eq!(executes(&fake), 2);
        let sessions: Vec<_> = fake
            .asked()
            .into_iter()
            .filter_map(|asked| match asked {
                Asked::Execute { session, .. } => Some(session),
                _ => None,
            })
            .collect();
        assert_ne!(sessions[0], sessions[1], "{access:?}");
    }
}

#[tokio::test]
async fn it_gives_a_statement_up_whose_second_session_is_closed_too() {
    let closed = || refused("INVALID_HANDLE.SESSION_CLOSED");
    let (fake, spark) = Fake::serve_spark(vec![closed(), closed()]).await;
    let ended = run(&spark, None, "SELECT 1").await;
    assert!(
        matches!(ended, Err(Error::Connect(ConnectError::SessionGone))),
        "{ended:?}"
    );
    assert_eq!(executes(&fake), 2);
}

#[tokio::test]
async fn it_tells_a_caller_that_what_it_had_made_in_its_session_is_gone_and_runs_nothing() {
    let closed = refused("INVALID_HANDLE.SESSION_CLOSED");
    let script = vec![done(), closed, done()];
    let (fake, spark) = Fake::serve_spark_with(script, Access::Write).await;
    let made = run(&spark, Some("a"), "CREATE TEMPORARY VIEW v AS SELECT 1").await;
    assert_eq!(made.expect("it is made"), 1);
    let gone = run(&spark, Some("a"), "SELECT * FROM v").await;
    let is_lost = matches!(gone, Err(Error::Session(SessionError::Lost)));
    assert!(is_lost, "{gone:?}");
    assert_eq!(executes(&fake), 2);
    // The session after that is a new one, of which nothing is missed.
    let next = run(&spark, Some("a"), "SELECT 1").await;
    assert_eq!(next.expect("rows"), 1);
}

#[tokio::test]
async fn it_tells_a_caller_so_whose_session_was_lost_in_the_middle_of_another_statement() {
    let script = vec![
        done(),
        Turn::Send(vec![Item::Rows(0, 1)], Ending::Quiet),
        refused("INVALID_HANDLE.SESSION_NOT_FOUND"),
        done(),
    ];
    let (fake, spark) = Fake::serve_spark_with(script, Access::Write).await;
    run(&spark, Some("a"), "USE other").await.expect("a schema");
    let delete = || run(&spark, Some("a"), "DELETE FROM t");
    let cut = delete().await;
    assert!(
        matches!(cut, Err(Error::Connect(ConnectError::Lost))),
        "{cut:?}"
    );
    // It would run in another schema.
    let gone = delete().await;
    let is_lost = matches!(gone, Err(Error::Session(SessionError::Lost)));
    assert!(is_lost, "{gone:?}");
    assert_eq!(executes(&fake), 2);
    delete().await.expect("the caller knows");
}

#[tokio::test]
async fn it_runs_nothing_again_that_may_have_had_its_effect() {
    for access in [Access::Read, Access::Write] {
        let script = vec![
            Turn::Send(vec![Item::Rows(0, 1)], Ending::Quiet),
            refused("INVALID_HANDLE.SESSION_NOT_FOUND"),
            done(),
        ];
        let (fake, spark) = Fake::serve_spark_with(script, access).await;
        let lost = run(&spark, None, "SELECT 1").await;
        assert!(
            matches!(lost, Err(Error::Connect(ConnectError::Lost))),
            "{lost:?}"
        );
        assert_eq!(executes(&fake), 1);
        let before = opens(&fake);
        assert_eq!(run(&spark, None, "SELECT 1").await.expect("rows"), 1);
        assert!(opens(&fake) > before, "the session is not used again");
    }
}

#[tokio::test]
async fn it_changes_no_session_that_ends_with_its_call() {
    let (fake, spark) = Fake::serve_spark_with(Vec::new(), Access::Write).await;
    for (sql, changed) in [
        ("SET a.b = 1", "a setting"),
        ("USE sales", "the current catalogue or schema"),
        ("DECLARE x INT", "a variable"),
    ] {
        match run(&spark, None, sql).await {
            Err(Error::NeedsSession(found)) => assert_eq!(found, changed, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
    assert_eq!(fake.asked(), []);
}

#[tokio::test]
async fn it_interrupts_what_takes_longer_than_it_may() {
    let (fake, mut spark) = Fake::serve_spark(vec![endless(), endless()]).await;
    let short = Duration::from_millis(200);
    let mut rows = JsonRows::new(spark.limits());
    let sink = Sink::Rows(&mut rows);
    let late = spark
        .run_read(
            &SparkCaller::server(),
            Statement::new("SELECT 1"),
            Some(short),
            sink,
        )
        .await;
    assert!(
        matches!(late, Err(Error::OutOfTime { limit }) if limit == short),
        "{late:?}"
    );
    spark.statement_timeout = short;
    let late = run(&spark, None, "SELECT 2").await;
    assert!(matches!(late, Err(Error::OutOfTime { .. })), "{late:?}");
    spark.drain().await;
    let interrupts = count(&fake, |asked| matches!(asked, Asked::Interrupt { .. }));
    assert_eq!(interrupts, 2);
}

#[tokio::test]
async fn it_asks_for_one_row_more_than_is_taken_and_interrupts_the_rest() {
    let script = vec![Turn::Send(vec![Item::Rows(0, 11)], Ending::Open)];
    let (fake, spark) = Fake::serve_spark(script).await;
    let mut rows = JsonRows::new(spark.limits());
    let written = spark
        .run(
            &SparkCaller::server(),
            Statement::new("SELECT 1"),
            Sink::Rows(&mut rows),
        )
        .await
        .expect("rows");
    assert_eq!(rows.row_count(), 10);
    assert_eq!(written.truncation, Some(results::Truncation::Rows));
    let plan = format!("{:?}", fake.plans());
    assert!(plan.contains("limit: 11"), "{plan}");
    fake.until(|asked| matches!(asked, Asked::Interrupt { .. }))
        .await;
}

#[tokio::test]
async fn it_ends_a_statement_whose_reader_has_gone_away() {
    let items = vec![Item::Rows(0, 1), Item::Rows(1, 2)];
    let (fake, spark) = Fake::serve_spark(vec![Turn::Send(items, Ending::Open)]).await;
    let (events, mut read) = tokio::sync::mpsc::channel(1);
    let reader = async move {
        let first = read.recv().await;
        assert!(matches!(first, Some(connect::Event::Batch(_))), "{first:?}");
    };
    let (caller, statement) = (SparkCaller::server(), Statement::new("SELECT 1"));
    let run = spark.run_read(&caller, statement, None, Sink::Events(events));
    let (ended, ()) = tokio::join!(run, reader);
    ended.expect("nobody wants more");
    fake.until(|asked| matches!(asked, Asked::Interrupt { .. }))
        .await;
}

#[tokio::test]
async fn it_takes_plain_queries_alone_where_spark_has_no_check() {
    let (fake, spark) = Fake::serve_spark(vec![done()]).await;
    let code = "SELECT my_function(1)";
    assert!(matches!(
        run(&spark, None, code).await,
        Err(Error::NotPlain)
    ));
    let checked = spark.check_read(Statement::new(code)).await;
    assert!(matches!(checked, Err(Error::NotPlain)), "{checked:?}");
    assert_eq!(executes(&fake), 0);
    let plain = Statement::new("SELECT 1");
    spark.check_read(plain).await.expect("it is plain");
    assert_eq!(run(&spark, None, "SELECT 1").await.expect("rows"), 1);
}

#[tokio::test]
async fn it_gives_sparks_verdict_on_a_read_without_running_it() {
    let (fake, spark) = Fake::serve_spark(Vec::new()).await;
    let no_read = "this server reads only, and `drop table` is no read: send SELECT";
    let gone = samples::error("INVALID_HANDLE.SESSION_CLOSED", "HY000", "gone");
    fake.answer_analyses(vec![
        Err(samples::refusal("`java_method` runs code")),
        Ok(()),
        Err(samples::refusal(no_read)),
        Err(gone),
    ]);
    let check = |sql: &str| spark.check_read(Statement::new(sql));
    check("SELECT my_function(1)").await.expect("Spark lets it");
    match check("DROP TABLE t").await {
        Err(Error::Connect(ConnectError::Spark(failure))) => {
            assert_eq!(failure.refusal(), Some(no_read));
        }
        other => panic!("{other:?}"),
    }
    check("SELECT 1").await.expect_err("the session is gone");
    assert_eq!(opens(&fake), 1);
    check("SELECT 1").await.expect("in another session");
    assert_eq!((opens(&fake), executes(&fake)), (2, 0));
}

#[tokio::test]
async fn it_says_that_no_statement_runs_where_nothing_listens() {
    let config = config::Config::parse_from(["mcp-server", "--spark-remote=sc://127.0.0.1:1"]);
    let spark = Spark::new(&config.spark).expect("an address");
    let down = spark.health().await;
    let expected = "Spark Connect at `sc://127.0.0.1:1` does not answer";
    assert!(
        matches!(&down, Health::Down { reason } if reason.starts_with(expected)),
        "{down:?}"
    );
    let refused = run(&spark, None, "SELECT 1").await.expect_err("no server");
    assert!(refused.to_string().starts_with(expected), "{refused}");
}

#[tokio::test]
async fn it_closes_what_a_caller_has_in_spark_when_its_session_ends() {
    let (fake, spark) = Fake::serve_spark_with(vec![done()], Access::Write).await;
    assert_eq!(run(&spark, Some("a"), "SELECT 1").await.expect("rows"), 1);
    spark.end_session("nobody");
    spark.end_session("a");
    spark.drain().await;
    let closed = count(&fake, |asked| matches!(asked, Asked::Close { .. }));
    assert_eq!(closed, 1);
}

#[tokio::test]
async fn it_takes_its_token_and_its_authorities_from_files_and_shows_neither() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let token = file("token", "s3cret\n");
    let no_certificate = file("key", "s3cret");
    let made = |arguments: &[&str]| {
        let arguments = ["mcp-server"].iter().chain(arguments);
        let spark = Spark::new(&config::Config::parse_from(arguments).spark);
        let said = match &spark {
            Ok(spark) => format!("{spark:?}"),
            Err(error) => format!("{error:#}"),
        };
        assert!(!said.contains("s3cret"), "{said}");
        spark.map(drop).map_err(|_| said)
    };
    let far = "--spark-remote=sc://spark.example.com/;use_ssl=true";
    let given = ["--spark-connect-token-file", &token];
    for (arguments, expected) in [
        (vec![far, given[0], given[1]], None),
        (
            vec!["--spark-remote=sc://spark.example.com", given[0], given[1]],
            Some("without encryption"),
        ),
        (
            vec![far, "--spark-connect-token-file=/nonexistent/token"],
            Some("SPARK_CONNECT_TOKEN_FILE has no token"),
        ),
        (
            vec![far, "--spark-sslrootcert=/nonexistent/authorities"],
            Some("SPARK_SSLROOTCERT: `/nonexistent/authorities` cannot be read"),
        ),
        (
            vec![far, "--spark-sslrootcert", &no_certificate],
            Some("there is no certificate in PEM"),
        ),
        (
            vec!["--spark-remote=spark://127.0.0.1:7077"],
            Some("is no address of Spark Connect"),
        ),
    ] {
        let found = made(&arguments);
        match expected {
            None => found.expect("it is right"),
            Some(expected) => {
                let said = found.expect_err(expected);
                assert!(said.contains(expected), "{said}");
            }
        }
    }
}
