//! Answers that are lost on the way: the connection ends after the request was sent.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::thread::JoinHandle;

use crate::peer::{answer, receive};
use crate::program::{portcullis, words};

/// Runs a command against this peer.
fn ask(arguments: &[&str], listener: &TcpListener, folder: &Path) -> Output {
    let address = listener.local_addr().unwrap().to_string();
    let more = ["--rest-address", &address];
    let output = portcullis(folder, &[arguments, &more].concat()).output();
    output.unwrap()
}

/// Loses the answer to so many requests, and gives them. The last one is answered by `end`.
fn lose(
    listener: &TcpListener,
    times: usize,
    end: Option<(&'static str, &'static str)>,
) -> JoinHandle<Vec<String>> {
    let listener = listener.try_clone().unwrap();
    std::thread::spawn(move || {
        let lost = (0..times).map(|_| receive(&listener).1);
        let mut requests: Vec<String> = lost.collect();
        if let Some((status, body)) = end {
            let (peer, request) = receive(&listener);
            answer(peer, status, body);
            requests.push(request);
        }
        requests
    })
}

fn key_of(request: &str) -> &str {
    let mut lines = request.lines();
    let key = lines.find_map(|line| line.strip_prefix("idempotency-key: "));
    key.unwrap()
}

#[test]
fn it_asks_for_a_lost_answer_again_by_the_key_of_the_change() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let done = r#"{"revision":3,"outcome":"accepted"}"#;
    let put = ["put", "rules", "a", "--set", "{}"];
    for change in [
        ["rollback", "3"].as_slice(),
        &put,
        &["delete", "rules", "a"],
    ] {
        let peer = lose(&listener, 2, Some(("200 OK", done)));
        let output = ask(change, &listener, folder.path());
        let requests = peer.join().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", words(&output));
        assert!(words(&output).contains("the answer was lost"));
        assert!(requests.iter().all(|request| *request == requests[0]));
        // The next change is another one.
        let peer = lose(&listener, 0, Some(("200 OK", done)));
        ask(change, &listener, folder.path());
        assert_ne!(key_of(&peer.join().unwrap()[0]), key_of(&requests[0]));
    }
}

#[test]
fn it_waits_for_a_change_that_still_runs_where_its_answer_was_lost() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.try_clone().unwrap();
    let peer = std::thread::spawn(move || {
        drop(receive(&own));
        let (peer, _) = receive(&own);
        let running = r#"{"type":"urn:portcullis:running","detail":"it goes on"}"#;
        answer(peer, "409 Conflict", running);
        let (peer, _) = receive(&own);
        answer(peer, "200 OK", r#"{"revision":3,"outcome":"accepted"}"#);
    });
    let output = ask(&["rollback", "3"], &listener, folder.path());
    peer.join().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
}

#[test]
fn it_says_that_nobody_knows_whether_a_change_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ended = r#"{"type":"urn:portcullis:unknown-outcome","detail":"it ended while it ran"}"#;
    let remove = ["modules", "remove", "6d1e"];
    for (arguments, place) in [
        (
            ["put", "rules", "a", "--set", "{}"].as_slice(),
            "`portcullis history`",
        ),
        (&["delete", "rules", "a"], "`portcullis history`"),
        (&remove, "`portcullis modules list`"),
    ] {
        let peer = lose(&listener, 1, Some(("409 Conflict", ended)));
        let output = ask(arguments, &listener, folder.path());
        peer.join().unwrap();
        assert_eq!(output.status.code(), Some(4), "{}", words(&output));
        for part in ["whether it is done is unknown", place] {
            assert!(words(&output).contains(part), "{}", words(&output));
        }
    }
    let peer = lose(&listener, 1, Some(("409 Conflict", ended)));
    let output = ask(&["rollback", "3", "-o", "json"], &listener, folder.path());
    peer.join().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", words(&output));
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = shown["error"].as_str().unwrap();
    assert!(error.contains("it ended while it ran"), "{error}");
}

#[test]
fn it_gives_up_on_a_lost_answer_when_nobody_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let peer = std::thread::spawn(move || receive(&listener).1);
    let arguments = ["rollback", "3", "--rest-address", &address];
    let output = portcullis(folder.path(), &arguments).output().unwrap();
    peer.join().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", words(&output));
}

#[test]
fn it_calls_a_question_without_an_answer_nothing_worse_than_that() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let trial = ["rollback", "--dry-run"];
    for arguments in [["nodes"].as_slice(), &trial] {
        let peer = lose(&listener, 1, None);
        let output = ask(arguments, &listener, folder.path());
        peer.join().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", words(&output));
        assert!(!words(&output).contains("unknown"), "{}", words(&output));
    }
}

#[test]
fn it_does_not_call_a_tool_twice_whose_answer_was_lost() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    for begun in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"] {
        let own = listener.try_clone().unwrap();
        let peer = std::thread::spawn(move || {
            let (mut peer, _) = receive(&own);
            peer.write_all(begun.as_bytes()).unwrap();
        });
        let output = portcullis(folder.path(), &["tools", "call", "x", "--url", &url]);
        let output = { output }.output().unwrap();
        peer.join().unwrap();
        assert_eq!(output.status.code(), Some(4), "{}", words(&output));
        assert!(words(&output).contains("the tool may have run"));
    }
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "it was called again");
}
