//! Things that a stranger types, and that nobody can do.

use std::io::Write;
use std::net::TcpListener;

use crate::peer::{answer_body, receive, serve};
use crate::program::{portcullis, reserve, words};

#[test]
fn it_takes_no_name_that_would_lead_to_another_resource() {
    let folder = tempfile::tempdir().unwrap();
    let (_reserved, nobody) = reserve();
    let nobody = nobody.to_string();
    for arguments in [
        ["delete", "servers", ".."].as_slice(),
        &["servers", "remove", "."],
        &["get", "servers", ""],
        &["get", ".."],
        &["nodes", ""],
        &["modules", "remove", ".."],
        &["tools", "policy", "..", "--close"],
        &["rollout", "abort", ".."],
    ] {
        let more = ["--rest-address", &nobody];
        let output = portcullis(folder.path(), &[arguments, &more].concat());
        let output = { output }.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let sentence = "has a name that is empty, `.` or `..`";
        assert!(words(&output).contains(sentence), "{}", words(&output));
    }
}

#[test]
fn it_tells_every_failure_as_an_object_where_one_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (_reserved, nobody) = reserve();
    let nobody = nobody.to_string();
    for form in ["json", "yaml"] {
        for arguments in [
            ["apply", "not-there.yaml"].as_slice(),
            &["validate", "not-there.yaml"],
            &["put", "rules", "a", "--set-from", "not-there.yaml"],
            &["explain", "not-there.json"],
            &["modules", "upload", "not-there.wasm"],
            &["modules", "remove", "6d1e"],
            &["servers", "add", "x", "http://x/mcp", "--set", "[]"],
            &["rollout", "show", "--watch"],
            &["status", "--watch"],
            &["top"],
        ] {
            let more = ["--rest-address", &nobody, "--output", form];
            let output = portcullis(folder.path(), &[arguments, &more].concat());
            let output = { output }.output().unwrap();
            assert!(!output.status.success(), "{arguments:?}");
            let shown: serde_json::Value = yaml_serde::from_slice(&output.stdout).unwrap();
            let error = shown["error"].as_str().unwrap_or_default();
            assert!(!error.is_empty(), "{arguments:?}: {shown}");
            assert!(words(&output).contains(error), "{}", words(&output));
            assert_eq!(output.stdout.starts_with(b"{"), form == "json");
        }
    }
    // A file of this would be applied.
    let get = ["get", "config", "--rest-address", &nobody];
    let output = portcullis(folder.path(), &get).output().unwrap();
    assert!(output.stdout.is_empty());
}

#[test]
fn it_ends_a_list_whose_pages_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = serve(listener, 2, r#"{"nodes":[],"next_cursor":"same"}"#);
    let output = portcullis(folder.path(), &["nodes", "--rest-address", &address]);
    let output = { output }.output().unwrap();
    serving.join().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains("do not end"), "{}", words(&output));
}

#[test]
fn it_waits_for_no_stream_where_a_list_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = receive(&listener);
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        stream.write_all(head).unwrap();
        let index = r#"{"resources":[{"path":"/api/v1/servers","methods":["GET"]}]}"#;
        answer_body(&listener, index);
    });
    let output = portcullis(
        folder.path(),
        &["get", "events", "--rest-address", &address],
    );
    let output = { output }.output().unwrap();
    peer.join().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let sentence = "there is no kind `events`; there are `servers`";
    assert!(words(&output).contains(sentence), "{}", words(&output));
}

#[test]
fn it_says_what_a_value_of_the_command_line_must_be() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, part) in [
        (["history", "--limit", "0"].as_slice(), "1..=1000"),
        (&["audit", "--limit", "1001"], "1..=1000"),
        (&["diff", "one", "2"], "'one'"),
        (&["nodes", "--rest-address", ""], "a host and a port"),
        (&["nodes", "--rest-address", "https://x:1"], "speaks no TLS"),
        (&["nodes", "--output", "xml"], "table, json, yaml"),
        (&["rollback", "-1"], "'-1'"),
    ] {
        let output = portcullis(folder.path(), arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(words(&output).contains(part), "{}", words(&output));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn it_shows_nothing_where_a_change_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = serve(listener, 1, "null");
    let sha256 = "6d".repeat(32);
    let remove = ["modules", "remove", &sha256, "--rest-address", &address];
    let output = portcullis(folder.path(), &remove).output().unwrap();
    serving.join().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    assert!(output.stdout.is_empty());
    assert!(words(&output).contains("is gone"), "{}", words(&output));
}
