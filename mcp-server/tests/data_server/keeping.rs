//! COMMIT: whoever does not hear its outcome does not say that nothing was changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::client::{Client, read};
use crate::database::{Database, PASSWORD};
use crate::server::Server;

const INSERT: &str = "INSERT INTO kept VALUES (1)";

const KEPT: &str = "SELECT count(*) FROM kept";

/// A server whose PostgreSQL keeps what it is told to keep, and says so only when asked.
struct SlowAnswers {
    database: Database,
    server: Server,
    answer: watch::Sender<bool>,
}

impl SlowAnswers {
    async fn start() -> Self {
        let database = Database::with("CREATE TABLE kept (a int)").await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let (answer, asked) = watch::channel(true);
        let behind = database.port;
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", behind)).await;
                let (from_server, to_server) = server.expect("a PostgreSQL").into_split();
                let (from_client, to_client) = client.into_split();
                let is_committing = Arc::<AtomicBool>::default();
                tokio::spawn(requests(from_client, to_server, Arc::clone(&is_committing)));
                tokio::spawn(answers(
                    from_server,
                    to_client,
                    is_committing,
                    asked.clone(),
                ));
            }
        });
        let flags = [
            "--postgres-write-user=postgres",
            "--postgres-write-password",
            PASSWORD,
            "--postgres-statement-timeout-ms=2000",
        ];
        let server = Server::at(port, &database.name, &flags).await;
        // The session is there and the statement known, so that later calls take little time.
        let client = server.client();
        let first = client.call("execute_dml", json!({"sql": INSERT})).await;
        assert_eq!(first.structured()["affected_rows"], json!(1));
        answer.send_replace(false);
        Self {
            database,
            server,
            answer,
        }
    }

    fn client(&self) -> Client {
        self.server.client()
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, commits: Arc<AtomicBool>) {
    let mut buffer = vec![0; 65_536];
    while let Ok(size @ 1..) = from.read(&mut buffer).await {
        let piece = buffer.get(..size).unwrap_or_default();
        if piece.windows(7).any(|bytes| bytes == b"COMMIT\0") {
            commits.store(true, Ordering::SeqCst);
        }
        if to.write_all(piece).await.is_err() {
            return;
        }
    }
}

async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    is_committing: Arc<AtomicBool>,
    mut asked: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 65_536];
    while let Ok(size @ 1..) = from.read(&mut buffer).await {
        if is_committing.load(Ordering::SeqCst) && asked.wait_for(|asked| *asked).await.is_err() {
            return;
        }
        is_committing.store(false, Ordering::SeqCst);
        let piece = buffer.get(..size).unwrap_or_default();
        if to.write_all(piece).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn it_says_that_a_change_may_stand_whose_commit_is_not_answered() {
    let slow = SlowAnswers::start().await;
    let client = slow.client();
    let answer = client.call("execute_dml", json!({"sql": INSERT})).await;
    let (code, message) = answer.failure();
    assert_eq!(code, "unavailable", "{answer:?}");
    assert!(message.contains("may stand or not"), "{answer:?}");
    slow.database.wait_for_count(KEPT, 2).await;

    let table = json!({"table": "made", "columns": [{"name": "a", "type": "integer"}]});
    let answer = client.call("create_table", table).await;
    let (code, message) = answer.failure();
    assert_eq!(code, "unavailable", "{answer:?}");
    assert!(message.contains("may stand or not"), "{answer:?}");
    let made = "SELECT count(*) FROM pg_class WHERE relname = 'made'";
    slow.database.wait_for_count(made, 1).await;
}

#[tokio::test]
async fn it_says_that_a_call_may_have_had_its_effect_that_the_gateway_stopped() {
    let slow = SlowAnswers::start().await;
    let call = json!({"name": "execute_dml", "arguments": {"sql": INSERT}});
    let deadline = [("x-envoy-expected-rq-timeout-ms", "2000")];
    let sent = slow.client().send("tools/call", call, &deadline).await;
    let answer = read(sent).await;
    assert_eq!(answer.failure().0, "timeout", "{answer:?}");
    let text = answer.result().to_string();
    assert!(text.contains("it may have had its effect"), "{answer:?}");
    slow.database.wait_for_count(KEPT, 2).await;
}

#[tokio::test]
async fn it_tells_what_a_change_did_when_the_answer_to_its_commit_comes_late() {
    let slow = SlowAnswers::start().await;
    let client = slow.client();
    let kept = async {
        slow.database.wait_for_count(KEPT, 2).await;
        slow.answer.send_replace(true);
    };
    let (answer, ()) = tokio::join!(client.call("execute_dml", json!({"sql": INSERT})), kept);
    assert_eq!(answer.structured()["affected_rows"], json!(1), "{answer:?}");
}
