//! The server under test, in this process, on a port of its own.

use clap::Parser as _;
use mcp_server::config::Config;
use mcp_server::transport::http;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::client::Client;
use crate::database::{Database, PASSWORD};

/// A running server; it stops when this is dropped.
pub struct Server {
    pub address: String,
    _stop: DropGuard,
    _data: TempDir,
}

impl Server {
    /// The status and the report of its health.
    pub async fn health(&self) -> (u16, Value) {
        let asked = reqwest::get(format!("http://{}/health", self.address)).await;
        let answer = asked.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().await.expect("JSON"))
    }

    /// A server on `database` as the superuser, with more flags.
    pub async fn on(database: &Database, flags: &[&str]) -> Self {
        Self::at(database.port, &database.name, flags).await
    }

    /// A server on `database` as the superuser, who has not been allowed by name.
    pub async fn on_unasked(database: &Database, flags: &[&str]) -> Self {
        Self::start(database.port, &database.name, "postgres", flags).await
    }

    /// A server on `database` as an ordinary user.
    pub async fn as_user(database: &Database, user: &str, flags: &[&str]) -> Self {
        Self::start(database.port, &database.name, user, flags).await
    }

    /// A server on whatever listens on `port`.
    pub async fn at(port: u16, database: &str, flags: &[&str]) -> Self {
        let allowed = [&["--postgres-allow-superuser=postgres"], flags].concat();
        Self::start(port, database, "postgres", &allowed).await
    }

    /// The words with which a server on `database` does not start.
    pub async fn refusal(database: &Database, flags: &[&str]) -> String {
        let data = tempfile::tempdir().expect("a folder");
        let allowed = [&["--postgres-allow-superuser=postgres"], flags].concat();
        let config = settings(database.port, &database.name, "postgres", &allowed, &data);
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port is free");
        // A server that starts after all ends at once, and says nothing.
        let stop = CancellationToken::new();
        stop.cancel();
        let served = http::serve_on(listener, &config, stop).await;
        format!("{:#}", served.expect_err("it does not start"))
    }

    async fn start(port: u16, database: &str, user: &str, flags: &[&str]) -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let config = settings(port, database, user, flags, &data);
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            http::serve_on(listener, &config, stopped)
                .await
                .expect("it serves");
        });
        Self {
            address,
            _stop: stop.drop_guard(),
            _data: data,
        }
    }

    /// A client of protocol 2026-07-28.
    pub fn client(&self) -> Client {
        Client::modern(&self.address)
    }
}

/// The settings of a server under test, with more flags.
fn settings(port: u16, database: &str, user: &str, flags: &[&str], data: &TempDir) -> Config {
    let port = port.to_string();
    let own = [
        "mcp-server",
        "--postgres-host=127.0.0.1",
        "--postgres-port",
        &port,
        "--postgres-user",
        user,
        "--postgres-password",
        PASSWORD,
        "--postgres-db",
        database,
    ];
    // A query that shall be stopped must not end by itself before the test gives up.
    let everything = ["--tools=all", "--postgres-statement-timeout-ms=600000"];
    // What a test does not name must lead nowhere: by default it is whatever runs on this
    // machine.
    let nowhere = [
        "--spark-remote=sc://127.0.0.1:1",
        "--spark-master-rest=http://127.0.0.1:1",
        "--spark-master-ui=http://127.0.0.1:1",
    ];
    let own_data = [format!("--data={}", data.path().display())];
    let is_named = |flag: &&&str| {
        let name = flag.split('=').next().unwrap_or(flag);
        flags
            .iter()
            .any(|given| given.split('=').next() == Some(name))
    };
    let own_data: Vec<&str> = own_data.iter().map(String::as_str).collect();
    let unnamed = nowhere.iter().chain(&everything).chain(&own_data);
    let unnamed = unnamed.filter(|flag| !is_named(flag));
    Config::parse_from(own.iter().chain(unnamed).chain(flags))
}
