//! The program as a test runs it: in a folder of its own, beside nothing that it could find.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use tokio::net::TcpSocket;

pub fn portcullis(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .args(arguments)
        .current_dir(folder)
        .env("PORTCULLIS_DATA", folder.join("data"))
        .env("PORTCULLIS_HOME", folder.join("home"));
    command
}

/// A port that nobody else gets while this lives, and that the program may still listen on.
pub fn reserve() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Every port free, so that a test is about one of them. They stay so as long as what is returned
/// lives.
pub fn on_free_ports(command: &mut Command) -> Vec<TcpSocket> {
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

pub fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

pub fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
