//! A real Envoy, which ends with the test.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::client::{Running, in_time};

/// A real Envoy; it ends with the value.
pub struct Envoy {
    process: Child,
    directory: TempDir,
}

impl Envoy {
    pub fn start(way: &str, running: &Running) -> Self {
        let directory = TempDir::new().expect("a temporary folder");
        let file = directory.path().join("envoy.yaml");
        let bootstrap = std::fs::read_to_string(repository().join("envoy").join(way));
        let bootstrap = bootstrap
            .expect("it is in the repository")
            .replace(
                "port_value: 18000",
                &format!("port_value: {}", running.port()),
            )
            .replace("port_value: 9901", "port_value: 0");
        std::fs::write(&file, bootstrap).expect("written");
        let log = File::create(directory.path().join("log")).expect("a log");
        let process = Command::new(home().join("bin/envoy"))
            .arg("-c")
            .arg(&file)
            .arg("--admin-address-path")
            .arg(directory.path().join("admin"))
            .args([
                "--use-dynamic-base-id",
                "--concurrency",
                "1",
                "-l",
                "warning",
            ])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Envoy is not there: run `make setup`");
        Self { process, directory }
    }

    /// The answer of Envoy's own administration.
    pub async fn admin(&self, path: &str) -> String {
        let address = std::fs::read_to_string(self.directory.path().join("admin"));
        get(&address.expect("Envoy runs"), path).await
    }

    pub async fn counter(&self, name: &str) -> u64 {
        let stats = self.admin("/stats?format=text").await;
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")));
        let value = line.unwrap_or_else(|| panic!("Envoy counts no `{name}`"));
        value.trim().parse().expect("a number")
    }
}

/// The answer at an address to a request that is the only one of its connection.
pub async fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    in_time(stream.read_to_string(&mut answer))
        .await
        .expect("text");
    answer
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.path().join("log"));
            eprintln!("Envoy's log:\n{}", log.unwrap_or_default());
        }
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn home() -> PathBuf {
    let home = std::env::var_os("PORTCULLIS_HOME").map(PathBuf::from);
    home.unwrap_or_else(|| {
        let user = std::env::var_os("HOME").expect("HOME is set");
        Path::new(&user).join(".cache/portcullis")
    })
}
