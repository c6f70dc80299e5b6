//! The command line, as far as nothing has to run for it.

mod dotenv;
mod hostile_words;
mod lost_answers;
mod peer;
mod program;
mod trust;
mod wrong_input;

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use peer::{answer_body, answer_once, serve};
use program::{on_free_ports, portcullis, reserve, said, words};

#[test]
fn it_names_a_taken_port_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let mut command = portcullis(folder.path(), &["up"]);
    let _reserved = on_free_ports(&mut command);
    let output = command
        .env("MCP_SERVER_ADDRESS", taken.to_string())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = said(&output);
    assert!(
        said.contains(&format!(
            "port {} for the data server is in use by",
            taken.port()
        )) && said.contains("`--mcp-address`"),
        "{said}"
    );
    assert!(!folder.path().join("data/postgres").exists());
}

#[test]
fn it_says_what_to_type_without_set_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = portcullis(folder.path(), &["up"]);
    let _reserved = on_free_ports(&mut command);
    let output = command.output().unwrap();
    assert!(!output.status.success());
    assert!(
        said(&output).contains("type `make setup`"),
        "{}",
        said(&output)
    );
}

#[test]
fn it_is_no_failure_to_take_down_what_does_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let output = portcullis(folder.path(), &["down"]).output().unwrap();
    assert!(output.status.success());
    assert!(
        said(&output).contains("is not running"),
        "{}",
        said(&output)
    );
}

#[test]
fn it_does_not_wait_for_another_process_that_has_taken_the_folder_since() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let path = data.join("up.lock");
    let lock = std::fs::File::create(&path).unwrap();
    lock.lock().unwrap();
    let mut running = Command::new("sleep").arg("600").spawn().unwrap();
    std::fs::write(&path, format!("{}\n", running.id())).unwrap();
    let mut down = portcullis(folder.path(), &["down"]).spawn().unwrap();
    running.wait().unwrap();
    std::fs::write(&path, format!("{}\n", std::process::id())).unwrap();
    assert!(down.wait().unwrap().success());
}

#[test]
fn it_names_the_gateway_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let (_reserved, nobody) = reserve();
    let url = format!("http://{nobody}/mcp");
    let output = portcullis(
        folder.path(),
        &["tools", "call", "list_tables", "--url", &url],
    )
    .output()
    .unwrap();
    assert!(!output.status.success());
    assert!(
        said(&output).contains(&format!("nothing answers at {url}")),
        "{}",
        said(&output)
    );
}

#[test]
fn it_says_what_is_wrong_with_an_address_at_which_no_gateway_can_be() {
    let folder = tempfile::tempdir().unwrap();
    for (url, sentence) in [
        ("http://127.0.0.1:10000", "its path is `/`; write `/mcp`"),
        ("http://127.0.0.1:10000/mcp/", "its path is `/mcp/`"),
        ("ftp://127.0.0.1/mcp", "does not speak `ftp`"),
        ("127.0.0.1:10000/mcp", "`127.0.0.1:10000/mcp`"),
    ] {
        let output = portcullis(folder.path(), &["tools", "call", "x", "--url", url])
            .output()
            .unwrap();
        assert!(!output.status.success());
        assert!(
            words(&output).contains(sentence),
            "{url}: {}",
            words(&output)
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn it_says_that_the_time_was_up() {
    let folder = tempfile::tempdir().unwrap();
    // It accepts connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", silent.local_addr().unwrap());
    let arguments = ["tools", "call", "x", "--url", &url, "--timeout", "1"];
    let output = portcullis(folder.path(), &arguments).output().unwrap();
    assert!(!output.status.success());
    for part in ["has not answered within 1 s", "`--timeout`"] {
        assert!(words(&output).contains(part), "{}", words(&output));
    }
}

#[test]
fn it_takes_no_time_for_a_call_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["tools", "call", "x", "--timeout", "0"];
    let output = portcullis(folder.path(), &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
}

#[test]
fn it_tells_what_answers_otherwise_from_what_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let peer = std::thread::spawn(move || listener.accept().unwrap().0.write_all(b"SSH-2.0\r\n"));
    let arguments = ["tools", "call", "x", "--url", &url];
    let output = portcullis(folder.path(), &arguments).output().unwrap();
    peer.join().unwrap().unwrap();
    let sentence = format!("no MCP endpoint answers at {url}");
    assert!(words(&output).contains(&sentence), "{}", words(&output));
}

#[test]
fn it_lists_the_tools_for_people_and_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let body = r#"{"revision":1,"warnings":[],"tools":[{"name":"t","listener":"mcp","server":"data",
        "tool":"t","state":"offered","access":["*"],"limits":[]}]}"#;
    let serving = serve(listener, 2, body);
    let list = |more: &[&str]| {
        let arguments = [&["tools", "list", "--rest-address", &address], more].concat();
        let output = portcullis(folder.path(), &arguments).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(
        list(&[]),
        "TOOL  SERVER  ACCESS    LIMITS\nt     data    everyone  none\n"
    );
    let data: serde_json::Value = serde_json::from_str(&list(&["--output", "json"])).unwrap();
    assert_eq!(data["tools"][0]["access"], serde_json::json!(["*"]));
    serving.join().unwrap();
}

#[test]
fn it_shows_every_list_for_people_and_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let body = r#"{"nodes":[],"servers":[],"rollouts":[],"versions":[],"records":[],"tools":[],
        "revision":1,"changes":[],"reporting":1}"#;
    let lists: [&[&str]; 8] = [
        &["nodes"],
        &["servers", "list"],
        &["rollout", "list"],
        &["history"],
        &["audit"],
        &["tools", "list"],
        &["diff", "1", "2"],
        &["top"],
    ];
    let serving = serve(listener, 3 * lists.len(), body);
    for list in lists {
        for form in ["table", "json", "yaml"] {
            let more = ["--rest-address", &address, "--output", form];
            let output = portcullis(folder.path(), &[list, &more].concat())
                .output()
                .unwrap();
            assert!(output.status.success(), "{list:?}: {}", said(&output));
            assert!(output.stderr.is_empty(), "{list:?}: {}", said(&output));
            let shown = String::from_utf8(output.stdout).unwrap();
            assert!(!shown.contains('\u{1b}'), "{shown:?}");
            let read: Option<serde_json::Value> = match form {
                "json" => serde_json::from_str(&shown).ok(),
                _ => yaml_serde::from_str(&shown).ok(),
            };
            let is_an_object = read.is_some_and(|read| read.is_object());
            assert_eq!(is_an_object, form != "table", "{list:?}: {shown}");
        }
    }
    serving.join().unwrap();
}

#[test]
fn it_answers_json_also_when_the_control_plane_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let (_reserved, nobody) = reserve();
    let nobody = nobody.to_string();
    // Somebody holds the lock of the data folder, as `up` does.
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let lock = std::fs::File::create(folder.path().join("data/up.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    writeln!(&lock, "4711").unwrap();
    for arguments in [["status"].as_slice(), &["tools", "list"]] {
        let more = ["--rest-address", &nobody, "--output", "json"];
        let output = portcullis(folder.path(), &[arguments, &more].concat())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        let data: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let error = data["error"].as_str().unwrap();
        assert!(error.contains("nothing answers at"), "{data}");
        assert!(words(&output).contains(error), "{}", words(&output));
        if arguments == ["status"] {
            assert_eq!(data["running"], true);
            assert_eq!(data["process"]["pid"], 4711);
        }
    }
}

#[test]
fn it_does_not_panic_when_nobody_reads_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    for closed in ["stdout", "stderr"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let answering = answer_once(listener, r#"{"content":[{"type":"text","text":"x"}]}"#);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = portcullis(folder.path(), &["tools", "call", "x", "--url", &url]);
        if closed == "stdout" {
            command.stdout(writer).stderr(Stdio::piped());
        } else {
            command.stdout(Stdio::piped()).stderr(writer);
        }
        let output = command.output().unwrap();
        answering.join().unwrap();
        assert_eq!(output.status.code(), Some(0), "{closed}: {}", said(&output));
        assert!(words(&output).is_empty(), "{}", words(&output));
    }
    let (_reserved, nobody) = reserve();
    let nobody = nobody.to_string();
    for arguments in [
        ["down", "--help"].as_slice(),
        &["down"],
        &["status", "--rest-address", &nobody],
        &["completions", "bash"],
        &["nonsense"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = portcullis(folder.path(), arguments);
        let status = command
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .status()
            .unwrap();
        // A panic would be 101, a signal no code at all.
        assert!(
            matches!(status.code(), Some(0..=3)),
            "{arguments:?}: {status}"
        );
    }
}

#[test]
fn it_sends_arguments_and_shows_results_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let object = r#"{"n":12345678901234567890123.10,"n":1e0,"z":1,"a":"\u00e9"}"#;
    let answering = answer_once(
        listener,
        &format!(r#"{{"structuredContent":{object},"content":[]}}"#),
    );
    let arguments = ["tools", "call", "x", object, "--url", &url];
    let output = portcullis(folder.path(), &arguments).output().unwrap();
    let request = answering.join().unwrap();
    assert!(
        request.contains(&format!(r#""arguments":{object},"#)),
        "{request}"
    );
    let shown = String::from_utf8(output.stdout).unwrap();
    let shown: String = shown.split_whitespace().collect();
    assert_eq!(shown, object);
}

#[test]
fn it_writes_data_to_standard_output_and_words_to_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let answering = answer_once(
        listener,
        r#"{"structuredContent":{"rows":[1]},"content":[]}"#,
    );
    let output = portcullis(folder.path(), &["tools", "call", "x", "--url", &url])
        .output()
        .unwrap();
    answering.join().unwrap();
    let data: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(data, serde_json::json!({"rows": [1]}));
    assert!(words(&output).is_empty(), "{}", words(&output));

    let (_reserved, nobody) = reserve();
    let nobody = nobody.to_string();
    let status = ["status", "--rest-address", &nobody];
    for arguments in [["down"].as_slice(), &status] {
        let output = portcullis(folder.path(), arguments).output().unwrap();
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(
            words(&output).contains("is not running"),
            "{}",
            words(&output)
        );
    }
    for form in ["json", "yaml"] {
        let output = portcullis(folder.path(), &[&status[..], &["--output", form]].concat())
            .output()
            .unwrap();
        // JSON is YAML, too.
        let data: serde_json::Value = yaml_serde::from_slice(&output.stdout).unwrap();
        assert_eq!(data["running"], false);
        assert_eq!(output.stdout.starts_with(b"{"), form == "json");
    }
}

#[test]
fn it_tells_a_refusal_a_mistyped_command_and_an_absent_gateway_apart_by_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let (_reserved, nobody) = reserve();
    let nobody = nobody.to_string();
    let url = format!("http://{nobody}/mcp");
    for (arguments, code) in [
        (["down"].as_slice(), 0),
        (&["apply", "not-there.yaml"], 1),
        (&["tools", "call", "x", "{", "--url", &url], 1),
        (&["servers", "add", "x", &url, "--set", "[]"], 1),
        (&["aply"], 2),
        (&["tools", "policy", "x", "--close", "--remove"], 2),
        (&["tools", "call", "x", "--url", &url], 3),
        (&["nodes", "--rest-address", &nobody], 3),
        (&["get", "config", "--rest-address", &nobody], 3),
        (
            &["rollout", "show", "--watch", "--rest-address", &nobody],
            3,
        ),
        (&["status", "--watch", "--rest-address", &nobody], 3),
    ] {
        let output = portcullis(folder.path(), arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {}", said(&output));
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn it_names_the_command_that_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, near) in [
        (["aply"].as_slice(), "'apply'"),
        (&["tools", "lst"], "'list'"),
        (&["status", "--ouptut", "json"], "'--output'"),
    ] {
        let output = portcullis(folder.path(), arguments).output().unwrap();
        assert!(words(&output).contains(near), "{}", words(&output));
    }
}

#[test]
fn it_completes_every_command_in_every_shell() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = portcullis(folder.path(), &["completions", shell]);
        let output = { output }.output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        for command in ["rollout", "promote", "explain", "allow-loosening"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
}

#[test]
fn it_names_the_tool_that_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let peer = std::thread::spawn(move || {
        let refused = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no such"}}"#;
        answer_body(&listener, refused);
        let tools = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"list_tables"}]}}"#;
        answer_body(&listener, tools)
    });
    let arguments = ["tools", "call", "list_table", "--url", &url];
    let output = portcullis(folder.path(), &arguments).output().unwrap();
    assert!(peer.join().unwrap().contains("tools/list"));
    assert_eq!(output.status.code(), Some(1));
    let expected = "refused: no such; did you mean `list_tables`?";
    assert!(words(&output).contains(expected), "{}", words(&output));
}

#[test]
fn it_refuses_to_overwrite_a_revision_that_its_author_has_not_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.yaml");
    for (text, more, expected) in [
        (
            "# revision 7, as it was read\nservers: {}\n",
            [].as_slice(),
            Some("\"7\""),
        ),
        ("# revision 7, as it was read\n", &["--overwrite"], None),
        (
            "# revision 7, as it was read\n",
            &["--if-match", "9"],
            Some("\"9\""),
        ),
        ("servers: {}\n", &[], None),
    ] {
        std::fs::write(&path, text).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let peer = std::thread::spawn(move || answer_body(&listener, r#"{"changes":[]}"#));
        let arguments = [
            "apply",
            "gateway.yaml",
            "-o",
            "json",
            "--rest-address",
            &address,
        ];
        let mut command = portcullis(folder.path(), &[&arguments[..], more].concat());
        assert!(command.output().unwrap().status.success());
        let request = peer.join().unwrap();
        let sent = request
            .lines()
            .find_map(|line| line.strip_prefix("if-match: "));
        assert_eq!(sent, expected, "{request}");
    }
}
