//! What the command line says before anything starts.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

fn portcullis(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .args(arguments)
        .current_dir(folder)
        .env("PORTCULLIS_DATA", folder.join("data"))
        .env("PORTCULLIS_HOME", folder.join("home"));
    command
}

/// Every port free, so that a test is about one of them.
fn on_free_ports(command: &mut Command) -> &mut Command {
    for name in [
        "GATEWAY_ADDRESS",
        "ENVOY_ADMIN_ADDRESS",
        "CONTROL_PLANE_XDS_ADDRESS",
        "CONTROL_PLANE_REST_ADDRESS",
        "MCP_SERVER_ADDRESS",
    ] {
        command.env(
            name,
            format!("127.0.0.1:{}", supervisor::free_port().unwrap()),
        );
    }
    for part in [
        "",
        "REST_",
        "MASTER_UI_",
        "WORKER_UI_",
        "CONNECT_",
        "DRIVER_UI_",
    ] {
        command.env(
            format!("PORTCULLIS_SPARK_{part}PORT"),
            supervisor::free_port().unwrap().to_string(),
        );
    }
    command
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn a_taken_port_is_named_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let _holder = TcpListener::bind(taken).unwrap();
    let mut command = portcullis(folder.path(), &["up"]);
    let output = on_free_ports(&mut command)
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
fn without_set_up_it_says_what_to_type() {
    let folder = tempfile::tempdir().unwrap();
    let output = on_free_ports(&mut portcullis(folder.path(), &["up"]))
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(
        said(&output).contains("type `make setup`"),
        "{}",
        said(&output)
    );
}

#[test]
fn taking_down_what_does_not_run_is_no_failure() {
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
fn the_settings_of_a_dot_env_file_are_used_and_the_environment_wins() {
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
fn a_call_of_a_gateway_that_is_not_there_is_a_failure_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}/mcp", supervisor::free_port().unwrap());
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
