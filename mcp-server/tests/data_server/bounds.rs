//! Limits hold before memory is taken, for the whole call, and leave room for others.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::cancelling::{ENDLESS, PATIENT, sleeping};
use crate::client::Client;
use crate::database::Database;
use crate::server::Server;

#[tokio::test]
async fn it_survives_texts_that_overflow_a_parsers_stack() {
    let database = Database::with("CREATE TABLE t (id int)").await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();
    for text in [
        format!("SELECT * FROM t{}", " JOIN t".repeat(291)),
        format!(
            "SELECT count(*) FROM t{}",
            " NATURAL JOIN t AS x".repeat(400)
        ),
        format!("SELECT 1{}", " + 1".repeat(100_000)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(20_000)),
        format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000)),
        format!("SELECT {}1", "NOT ".repeat(100_000)),
        format!("SELECT {}1{}", "ARRAY[".repeat(5_000), "]".repeat(5_000)),
        format!("SELECT {}1{}", "abs(".repeat(5_000), ")".repeat(5_000)),
        format!("SELECT '{}'", "x".repeat(900_000)),
        format!("SELECT '{}'", "x".repeat(1 << 20)),
    ] {
        client.query(&text, json!([])).await.result();
    }
    let answer = client.query("SELECT 1", json!([])).await;
    assert_eq!(answer.structured()["rows"], json!([[1]]));
}

#[tokio::test]
async fn it_says_that_a_text_or_its_analysis_is_too_long() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();
    let text = format!("SELECT '{}'", "x".repeat(1 << 20));
    let answer = client.query(&text, json!([])).await;
    assert_eq!(answer.failure().0, "invalid_arguments");
    let rows = vec!["(1)"; 200_000].join(",");
    let answer = client.query(&format!("VALUES {rows}"), json!([])).await;
    assert_eq!(answer.failure().0, "54001", "{answer:?}");
    assert_eq!(
        client.query("SELECT 1", json!([])).await.structured()["rows"],
        json!([[1]])
    );
}

/// The most memory that this process has had, in bytes.
fn peak_of_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .expect("the kernel tells");
    let kilobytes: usize = line
        .split_whitespace()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .expect("a number");
    kilobytes << 10
}

#[tokio::test]
async fn it_refuses_a_long_cell_before_it_is_read() {
    let database = Database::with("").await;
    let server = Server::on(&database, &["--block-transport=false"]).await;
    let client = server.client();
    client.query("SELECT 1", json!([])).await.structured();
    let before = peak_of_memory();
    for sql in [
        "SELECT repeat('x', 300000000)",
        "SELECT ('[' || repeat('[],', 50000000) || '0]')::json",
        "SELECT 1, repeat('x', 250000000)::bytea, 2",
        "SELECT repeat('x', 100000000) FROM generate_series(1, 5)",
    ] {
        let answer = client.query(sql, json!([])).await;
        assert_eq!(answer.structured()["truncated_by"], json!("bytes"), "{sql}");
        assert_eq!(answer.structured()["rows"], json!([]), "{sql}");
    }
    let grown = peak_of_memory().saturating_sub(before);
    assert!(grown < 100 << 20, "{grown} bytes");
}

#[tokio::test]
async fn it_tells_what_was_wrong_with_a_value_whatever_its_length() {
    let database = Database::with("").await;
    let server = Server::on(&database, &["--postgres-connections=1"]).await;
    let client = server.client();
    let process = || client.query("SELECT pg_backend_pid()", json!([]));
    let before = process().await.structured()["rows"].clone();
    let long = "é".repeat(1_900_000);
    for (sql, parameters) in [
        ("SELECT $1::int", json!([long])),
        ("SELECT repeat('x', 3000000)::int", json!([])),
    ] {
        let answer = client.query(sql, parameters).await;
        let (code, message) = answer.failure();
        assert_eq!(code, "22P02", "{sql}");
        assert!(
            message.contains("invalid input syntax for type integer"),
            "{sql}"
        );
        assert!(answer.body.to_string().len() < 100_000, "{sql}");
    }
    assert_eq!(process().await.structured()["rows"], before);
}

#[tokio::test]
async fn it_leaves_no_memory_behind_for_long_texts() {
    let database = Database::with("").await;
    let server = Server::on(&database, &["--postgres-connections=1"]).await;
    let client = server.client();
    for number in 0..20 {
        let text = format!("SELECT '{number}', '{}'", "x".repeat(900_000));
        client.query(&text, json!([])).await.structured();
    }
    // A session that had analysed so much is gone: the one that answers is new, or small.
    check_memory_of_the_session(&client).await;
}

#[tokio::test]
async fn it_leaves_no_memory_behind_for_texts_that_are_refused() {
    let database = Database::with("").await;
    let server = Server::on(&database, &["--postgres-connections=1"]).await;
    let client = server.client();
    for number in 0..120 {
        let long = format!("{number} {}", "x".repeat(900_000));
        let text = match number % 4 {
            0 => format!("SELECT pg_notify('a', '{long}')"),
            1 => format!("/* {long} */"),
            2 => format!("SET application_name = '{long}'"),
            _ => format!("SELECT * FROM nowhere /* {long} */"),
        };
        client.query(&text, json!([])).await.failure();
    }
    check_memory_of_the_session(&client).await;
}

async fn check_memory_of_the_session(client: &Client) {
    let answer = client.query("SELECT pg_backend_pid()", json!([])).await;
    let process = answer.structured()["rows"][0][0]
        .as_i64()
        .expect("a number");
    let statm = std::fs::read_to_string(format!("/proc/{process}/statm")).expect("it runs");
    let pages = |at| -> usize {
        let field = statm.split_whitespace().nth(at);
        field.and_then(|text| text.parse().ok()).expect("a number")
    };
    let own = (pages(1) - pages(2)) * 4096;
    assert!(own < 30 << 20, "{own} bytes");
}

#[tokio::test]
async fn it_says_that_a_call_waited_in_the_queue_and_keeps_room_for_others() {
    let database = Database::with("CREATE TABLE t (id int)").await;
    let server = Server::on(&database, &["--postgres-connections=1", PATIENT]).await;
    let slow = server.client();
    let slow = tokio::spawn(async move { slow.query(ENDLESS, json!([])).await });
    sleeping(&database, 1).await;
    let client = server.client();
    // The one waits as long as the server lets it, the other as long as it wants to.
    for (timeout, waited) in [(600, 20), (1, 1)] {
        let arguments = json!({"sql": "SELECT 1", "timeout": timeout});
        let answer = client.call("execute_query", arguments).await;
        let (code, message) = answer.failure();
        assert_eq!(code, "unavailable", "{message}");
        let busy = format!("connections for queries are busy; the call waited {waited} s");
        assert!(message.contains(&busy), "{message}");
    }
    let tables = client.call("list_tables", json!({})).await;
    assert_eq!(tables.structured()["tables"][0]["name"], json!("t"));
    let schema = client.call("get_table_schema", json!({"table": "t"})).await;
    assert_eq!(schema.structured()["table"], json!("t"));
    let (_, report) = server.health().await;
    assert_eq!(report["services"]["postgres"]["status"], json!("up"));
    slow.abort();
    sleeping(&database, 0).await;
}

/// A server that lets everyone in and then says nothing more.
async fn silent_postgresql() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let _ = socket.read(&mut buffer).await;
                let let_in = [&b"R\0\0\0\x08\0\0\0\0"[..], &b"Z\0\0\0\x05I"[..]].concat();
                let _ = socket.write_all(&let_in).await;
                while matches!(socket.read(&mut buffer).await, Ok(1..)) {}
            });
        }
    });
    port
}

#[tokio::test]
async fn it_ends_a_call_when_postgresql_falls_silent() {
    let port = silent_postgresql().await;
    let server = Server::at(port, "postgres", &["--postgres-statement-timeout-ms=100"]).await;
    let client = &server.client();
    let calls = [
        ("execute_query", json!({"sql": "SELECT 1"})),
        ("list_tables", json!({})),
        ("get_table_schema", json!({"table": "t"})),
    ];
    let calls = calls.map(|(tool, arguments)| async move {
        let call = client.call(tool, arguments);
        (
            tool,
            tokio::time::timeout(Duration::from_secs(60), call).await,
        )
    });
    for (tool, answer) in join_all(calls).await {
        let answer = answer.expect("it ends");
        let (code, message) = answer.failure();
        assert_eq!(code, "unavailable", "{tool}");
        assert!(message.contains("does not answer"), "{tool}: {message}");
    }
}

#[tokio::test]
async fn it_opens_a_connection_within_the_time_that_the_call_has_and_says_so() {
    let port = silent_postgresql().await;
    let server = Server::at(port, "postgres", &[]).await;
    let arguments = json!({"sql": "SELECT 1", "timeout": 1});
    let answer = server.client().call("execute_query", arguments).await;
    let (code, message) = answer.failure();
    assert_eq!(code, "unavailable", "{message}");
    let words = "opened no connection within the 1 s that the call has";
    assert!(message.contains(words), "{message}");
}

/// All that `server` says to `text`, until it hangs up.
async fn said_to(server: &Server, text: &str) -> String {
    let mut stream = TcpStream::connect(&server.address)
        .await
        .expect("it listens");
    stream.write_all(text.as_bytes()).await.expect("it reads");
    let mut said = String::new();
    let reading = stream.read_to_string(&mut said);
    let ended = tokio::time::timeout(Duration::from_secs(60), reading).await;
    let _ = ended.expect("the server hangs up");
    said
}

#[tokio::test]
async fn it_refuses_a_body_that_is_announced_as_too_large_before_it_comes() {
    let server = Server::at(1, "postgres", &[]).await;
    let head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4194305\r\n\r\n";
    let said = said_to(&server, head).await;
    assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
    assert!(said.contains("larger than 4194304 bytes"), "{said}");
}

#[tokio::test]
async fn it_bounds_a_body_that_does_not_announce_its_length_on_every_way() {
    let server = Server::at(1, "postgres", &[]).await;
    let begun =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"execute_query","#;
    let body = begun.to_owned() + &" ".repeat(4 << 20);
    for (path, more) in [
        // A plain call, one that goes through rmcp, and one of a client on an event stream.
        ("/mcp", "mcp-protocol-version: 2025-11-25\r\n"),
        ("/mcp", "mcp-protocol-version: 2026-07-28\r\n"),
        ("/mcp", ""),
        ("/messages?sessionId=x", ""),
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\n{more}\
             transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}",
            body.len()
        );
        // Its end never comes.
        let said = said_to(&server, &request).await;
        assert!(said.starts_with("HTTP/1.1 413 "), "{path} {more} {said}");
    }
}

#[tokio::test]
async fn it_bounds_its_connections_and_says_so() {
    let server = Server::at(1, "postgres", &["--max-connections=64"]).await;
    let mut idle = Vec::new();
    for _ in 0..64 {
        idle.push(
            TcpStream::connect(&server.address)
                .await
                .expect("it listens"),
        );
    }
    let head = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let said = said_to(&server, head).await;
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
    assert!(
        said.contains("all 64 connections of the server are in use"),
        "{said}"
    );
}
