//! The command line, as far as nothing has to run for it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tokio::net::TcpSocket;

fn portcullis(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .args(arguments)
        .current_dir(folder)
        .env("PORTCULLIS_DATA", folder.join("data"))
        .env("PORTCULLIS_HOME", folder.join("home"));
    command
}

/// A port that nobody else gets while this lives, and that the program may still listen on.
fn reserve() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Every port free, so that a test is about one of them. They stay so as long as what is returned
/// lives.
fn on_free_ports(command: &mut Command) -> Vec<TcpSocket> {
    let mut reserved = Vec::new();
    for name in [
        "GATEWAY_ADDRESS",
        "ENVOY_ADMIN_ADDRESS",
        "CONTROL_PLANE_XDS_ADDRESS",
        "CONTROL_PLANE_REST_ADDRESS",
        "MCP_SERVER_ADDRESS",
    ] {
        let (socket, address) = reserve();
        command.env(name, address.to_string());
        reserved.push(socket);
    }
    for part in [
        "",
        "REST_",
        "MASTER_UI_",
        "WORKER_UI_",
        "CONNECT_",
        "DRIVER_UI_",
    ] {
        let (socket, address) = reserve();
        command.env(
            format!("PORTCULLIS_SPARK_{part}PORT"),
            address.port().to_string(),
        );
        reserved.push(socket);
    }
    reserved
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

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
fn it_uses_the_settings_of_a_dot_env_file_and_the_environment_wins() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join(".env"),
        format!(
            "PORTCULLIS_DATA={}\n",
            folder.path().join("named").display()
        ),
    )
    .unwrap();
    let output = portcullis(folder.path(), &["down"])
        .env_remove("PORTCULLIS_DATA")
        .output()
        .unwrap();
    assert!(said(&output).contains("/named)"), "{}", said(&output));
    let output = portcullis(folder.path(), &["down"]).output().unwrap();
    assert!(said(&output).contains("/data)"), "{}", said(&output));
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

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn it_says_what_is_wrong_with_an_address_at_which_no_gateway_can_be() {
    let folder = tempfile::tempdir().unwrap();
    for (url, sentence) in [
        ("https://127.0.0.1:10000/mcp", "does not speak TLS yet"),
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

/// Answers one request, whatever it is, with this tool result; gives the request.
fn answer_once(listener: TcpListener, result: &str) -> std::thread::JoinHandle<String> {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
    std::thread::spawn(move || answer_body(&listener, &body))
}

/// Answers one request with this body, whatever it is; gives the request.
fn answer_body(listener: &TcpListener, body: &str) -> String {
    let (mut peer, _) = listener.accept().unwrap();
    let mut request = String::new();
    let mut reader = BufReader::new(peer.try_clone().unwrap());
    while !request.ends_with("\r\n\r\n") {
        reader.read_line(&mut request).unwrap();
    }
    let length = request
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut sent = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut sent).unwrap();
    request.push_str(std::str::from_utf8(&sent).unwrap());
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    peer.write_all((head + body).as_bytes()).unwrap();
    request
}

/// Answers each of so many requests, whatever it is, with this JSON.
fn serve(
    listener: TcpListener,
    requests: usize,
    body: &'static str,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for _ in 0..requests {
            answer_body(&listener, body);
        }
    })
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
