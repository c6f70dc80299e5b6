//! The server under test as a process of its own, whose memory can be read and which can be killed.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::client::Client;
use crate::database::{Database, PASSWORD};

/// A running process of the server; it is killed when this is dropped.
pub struct ServerProcess {
    child: Child,
    pub address: String,
}

impl ServerProcess {
    /// A server on `database` that keeps what must last in `data`.
    pub fn on(database: &Database, data: &Path, flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-server"));
        command
            .arg("--address=127.0.0.1:0")
            .args(["--spark-remote=sc://127.0.0.1:1"])
            .args(["--spark-master-rest=http://127.0.0.1:1"])
            .args(["--spark-master-ui=http://127.0.0.1:1"])
            .args(["--postgres-host=127.0.0.1", "--postgres-user=postgres"])
            .args(["--postgres-allow-superuser=postgres"])
            .args(["--postgres-port", &database.port.to_string()])
            .args(["--postgres-db", &database.name])
            .arg("--data")
            .arg(data)
            .args(flags)
            .env("POSTGRES_PASSWORD", PASSWORD)
            .env("MCP_TOOLS", "read-only")
            // A query that shall be stopped must not end by itself before the test gives up.
            .env("POSTGRES_STATEMENT_TIMEOUT_MS", "600000")
            .env("RUST_LOG", "info")
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let stderr = child.stderr.take().expect("it is piped");
        let mut lines = BufReader::new(stderr).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                let line: Value = serde_json::from_str(&line).ok()?;
                let is_it = line["message"] == "listening";
                is_it.then(|| line["address"].as_str().map(ToOwned::to_owned))?
            })
            .expect("it says where it listens");
        // A pipe that nobody reads would stop the server.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, address }
    }

    /// A client of protocol 2026-07-28.
    pub fn client(&self) -> Client {
        Client::modern(&self.address)
    }

    /// The most memory that the process has had, in bytes.
    pub fn peak_of_memory(&self) -> usize {
        self.bytes_of("VmHWM")
    }

    /// The memory that the process has now, in bytes.
    pub fn memory(&self) -> usize {
        self.bytes_of("VmRSS")
    }

    fn bytes_of(&self, name: &str) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("this is Linux, and it runs");
        let line = status.lines().find(|line| line.starts_with(name));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
        let kilobytes = kilobytes.and_then(|text| text.parse::<usize>().ok());
        kilobytes.expect("the kernel tells") << 10
    }

    /// Tells the process to stop, as a supervisor does.
    pub fn tell_to_stop(&self) {
        let process = i32::try_from(self.child.id()).expect("a process");
        let process = Pid::from_raw(process).expect("a process");
        kill_process(process, Signal::TERM).expect("it runs");
    }

    /// Ends the process as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
