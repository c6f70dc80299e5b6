//! How often a call waits for PostgreSQL, counted between the server and PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::database::{Database, run};
use crate::server::Server;

/// A line between the server under test and PostgreSQL that counts round trips: how often the
/// server speaks after PostgreSQL has answered. Two flushes before an answer would count as one.
pub struct CountingLine {
    pub port: u16,
    turns: Arc<AtomicUsize>,
    /// Whether whatever the server says ends the connection, as a crash of PostgreSQL does.
    pub is_cut: Arc<AtomicBool>,
}

impl CountingLine {
    pub async fn to(postgres: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&turns);
        let is_cut = Arc::<AtomicBool>::default();
        let asked = Arc::clone(&is_cut);
        tokio::spawn(async move {
            while let Ok((server, _)) = listener.accept().await {
                let database = TcpStream::connect(("127.0.0.1", postgres)).await;
                let database = database.expect("PostgreSQL listens");
                let (counted, asked) = (Arc::clone(&counted), Arc::clone(&asked));
                tokio::spawn(forward(server, database, counted, asked));
            }
        });
        Self {
            port,
            turns,
            is_cut,
        }
    }

    /// How often the server has spoken.
    pub fn turns(&self) -> usize {
        self.turns.load(Ordering::SeqCst)
    }
}

async fn forward(
    server: TcpStream,
    database: TcpStream,
    turns: Arc<AtomicUsize>,
    is_cut: Arc<AtomicBool>,
) {
    let (mut from_server, mut to_server) = server.into_split();
    let (mut from_database, mut to_database) = database.into_split();
    let (mut said, mut answered) = ([0; 65536], [0; 65536]);
    let mut has_answered = true;
    loop {
        let is_open = tokio::select! {
            biased;
            count = from_server.read(&mut said) => {
                if has_answered {
                    turns.fetch_add(1, Ordering::SeqCst);
                    has_answered = false;
                }
                if is_cut.load(Ordering::SeqCst) {
                    return;
                }
                pass_on(&said, count, &mut to_database, &from_database).await
            }
            count = from_database.read(&mut answered) => {
                has_answered = true;
                pass_on(&answered, count, &mut to_server, &from_server).await
            }
        };
        if !is_open {
            return;
        }
    }
}

/// Passes on what was read; whether the line is still open.
async fn pass_on(
    bytes: &[u8],
    count: std::io::Result<usize>,
    to: &mut OwnedWriteHalf,
    _kept_open: &OwnedReadHalf,
) -> bool {
    match count {
        Ok(count @ 1..) => to.write_all(&bytes[..count]).await.is_ok(),
        _ => false,
    }
}

async fn server_on(database: &Database, more: &[&str]) -> (Server, CountingLine) {
    let line = CountingLine::to(database.port).await;
    let flags = [&["--postgres-connections=1"], more].concat();
    let server = Server::at(line.port, &database.name, &flags).await;
    (server, line)
}

/// So many calls find one moment in which nobody writes.
const CALLS: usize = 1000;

const THINGS: &str = "CREATE TABLE things AS SELECT n AS id, 'thing ' || n AS name
    FROM generate_series(1, 1000) n";

#[tokio::test]
async fn it_asks_postgresql_once_for_a_query_that_it_knows() {
    check_known_queries(&[]).await;
}

#[tokio::test]
async fn it_asks_postgresql_once_for_a_query_that_is_known_to_be_cheap_enough() {
    check_known_queries(&["--postgres-max-cost=500"]).await;
}

async fn check_known_queries(flags: &[&str]) {
    let database = Database::with(THINGS).await;
    let (server, line) = server_on(&database, flags).await;
    let client = server.client();
    for (sql, parameters, first) in [
        ("SELECT 1", json!([]), json!([1])),
        (
            "SELECT id, name FROM things ORDER BY id",
            json!([]),
            json!([1, "thing 1"]),
        ),
        (
            "SELECT name FROM things WHERE id = $1",
            json!([7]),
            json!(["thing 7"]),
        ),
    ] {
        client.query(sql, parameters.clone()).await.structured();
        let mut turns = usize::MAX;
        // Whatever other tests write into the same PostgreSQL changes its state.
        for _ in 0..CALLS {
            let before = line.turns();
            let answer = client.query(sql, parameters.clone()).await;
            assert_eq!(answer.structured()["rows"][0], first, "{sql}");
            turns = turns.min(line.turns() - before);
            if turns == 1 {
                break;
            }
        }
        assert_eq!(turns, 1, "{sql}");
    }
}

#[tokio::test]
async fn it_asks_postgresql_twice_for_a_new_query_of_known_names() {
    let database = Database::with(THINGS).await;
    let (server, line) = server_on(&database, &[]).await;
    let client = server.client();
    client.query("SELECT 1", json!([])).await.structured();
    let mut turns = usize::MAX;
    for number in 2..CALLS {
        let before = line.turns();
        let answer = client.query(&format!("SELECT {number}"), json!([])).await;
        assert_eq!(answer.structured()["rows"], json!([[number]]));
        turns = turns.min(line.turns() - before);
        if turns <= 2 {
            break;
        }
    }
    assert_eq!(turns, 2);
}

#[tokio::test]
async fn it_sends_no_query_again_in_which_postgresql_may_have_crashed() {
    let database = Database::with(THINGS).await;
    let (server, line) = server_on(&database, &[]).await;
    let client = server.client();
    let mut turns = 0;
    for _ in 0..CALLS {
        let before = line.turns();
        let answer = client.query("SELECT 1", json!([])).await;
        assert_eq!(answer.structured()["rows"], json!([[1]]));
        turns = line.turns() - before;
        if turns == 1 {
            break;
        }
    }
    assert_eq!(turns, 1);
    line.is_cut.store(true, Ordering::SeqCst);
    let before = line.turns();
    let answer = client.query("SELECT 1", json!([])).await;
    assert_eq!(line.turns() - before, 1);
    line.is_cut.store(false, Ordering::SeqCst);
    let (code, message) = answer.failure();
    assert_eq!(code, "unavailable");
    assert!(
        message.contains("connection to PostgreSQL broke"),
        "{message}"
    );
    let answer = client.query("SELECT 1", json!([])).await;
    assert_eq!(answer.structured()["rows"], json!([[1]]));
}

#[tokio::test]
async fn it_leaves_no_transaction_open_after_a_query_that_fails() {
    let database = Database::with(THINGS).await;
    let (server, _line) = server_on(&database, &[]).await;
    let client = server.client();
    for divisor in [1, 0, 1, 0, 1] {
        let sql = "SELECT 10 / $1::int";
        let answer = client.query(sql, json!([divisor])).await;
        match divisor {
            0 => assert_eq!(answer.failure().0, "22012"),
            _ => assert_eq!(answer.structured()["rows"], json!([[10]])),
        }
    }
    let missing = client.query("SELECT 10 / $1::int", json!([])).await;
    assert!(missing.failure().1.contains("parameter"), "{missing:?}");
    let answer = client.query("SELECT now() = transaction_timestamp()", json!([]));
    assert_eq!(answer.await.structured()["rows"], json!([[true]]));
}

#[tokio::test]
async fn it_runs_nothing_of_a_query_whose_names_mean_something_else_now() {
    let database = Database::with(
        "CREATE TABLE seen (id int);
         CREATE FUNCTION one() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'",
    )
    .await;
    let (server, line) = server_on(&database, &[]).await;
    let client = server.client();
    let mut connection = database.connection().await;
    for round in 1..4 {
        // Until it is asked once, so that the next call hopes that nothing has changed.
        let mut turns = 0;
        while turns != 1 {
            let before = line.turns();
            let answer = client.query("SELECT one()", json!([])).await;
            assert_eq!(answer.structured()["rows"], json!([[1]]), "{round}");
            turns = line.turns() - before;
        }
        let replaced = "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE plpgsql VOLATILE
            AS 'BEGIN PERFORM pg_advisory_lock(9); RETURN 1; END'";
        run(&mut connection, replaced).await;
        let answer = client.query("SELECT one()", json!([])).await;
        assert_eq!(answer.failure().0, "42501", "{round}");
        let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 9";
        database.wait_for_count(locks, 0).await;
        let restored = "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql STABLE
            AS 'SELECT 1'";
        run(&mut connection, restored).await;
    }
}

#[tokio::test]
async fn it_reads_the_catalogue_anew_only_when_something_has_changed() {
    let database = Database::with(THINGS).await;
    let (server, line) = server_on(&database, &[]).await;
    let client = server.client();
    let mut connection = database.connection().await;
    let schema = json!({"uri": "postgres://schema/public"});
    for round in 1..4 {
        let last = format!("of_round_{round}");
        run(&mut connection, &format!("CREATE TABLE {last} (id int)")).await;
        let table = json!({"name": "get_table_schema", "arguments": {"table": last}});
        for (method, params, looks) in [
            (
                "tools/call",
                json!({"name": "list_tables", "arguments": {}}),
                1,
            ),
            ("tools/call", table, 1),
            // Its tables, and its functions.
            ("resources/read", schema.clone(), 2),
        ] {
            let mut turns = usize::MAX;
            for _ in 0..CALLS {
                let before = line.turns();
                let answer = client.request(method, params.clone()).await;
                assert!(answer.result().to_string().contains(&last), "{params}");
                turns = turns.min(line.turns() - before);
                if turns == looks {
                    break;
                }
            }
            assert_eq!(turns, looks, "{params}");
        }
    }
}
