//! A server for one run of tests, which all tests of the run share.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::{Programs, ServerState, account, arguments, make_cluster, make_folder, state};

const READY_WITHIN: Duration = Duration::from_secs(60);

/// How often another port is tried when a program has taken ours before PostgreSQL could.
const ATTEMPTS: u32 = 5;

/// Runs PostgreSQL as long as the watched process lives, then removes its files. When PostgreSQL
/// ends by itself they stay, for the next attempt.
const KEEPER: &str = r#"
trap '' INT TERM
"$@" & server=$!
while kill -0 "$WATCHED" 2> /dev/null && kill -0 "$server" 2> /dev/null; do sleep 0.5; done
kill -INT "$server" 2> /dev/null
wait "$server"
kill -0 "$WATCHED" 2> /dev/null || rm -rf "$FOLDER" "$FOLDER".*
"#;

/// A server for one run of tests. It ends with the run, and nothing of it stays.
#[derive(Debug, Clone)]
pub struct TestCluster {
    port: u16,
    log: PathBuf,
}

impl TestCluster {
    /// Starts the server, or finds the one that another test of this run has started: nextest gives
    /// each test a process of its own, and a cluster for each would cost more than the tests.
    ///
    /// # Panics
    /// When it cannot be started; the reason is the message.
    pub fn of_this_run(password: &str) -> &'static Self {
        static CLUSTER: OnceLock<TestCluster> = OnceLock::new();
        CLUSTER.get_or_init(|| match start(password) {
            Ok(cluster) => cluster,
            Err(error) => panic!("the tests' PostgreSQL did not come up: {error:#}"),
        })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the server's files.
    pub fn folder(&self) -> PathBuf {
        self.log.with_extension("").join("cluster")
    }

    /// All that the server has written into its log so far.
    pub fn log(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}

fn start(password: &str) -> anyhow::Result<TestCluster> {
    // The process whose end ends PostgreSQL.
    let watched = match std::env::var_os("NEXTEST_RUN_ID") {
        Some(_) => std::os::unix::process::parent_id(),
        None => std::process::id(),
    };
    let folder = std::env::temp_dir().join(format!("portcullis-test-postgres-{watched}"));
    let lock = File::create(folder.with_extension("lock"))?;
    lock.lock()?;
    let port_file = folder.with_extension("port");
    let started = std::fs::read_to_string(&port_file).ok();
    let port = match started.and_then(|text| text.parse().ok()) {
        Some(port) => port,
        None => {
            let port = start_in(&folder, watched, password)?;
            std::fs::write(&port_file, port.to_string())?;
            port
        }
    };
    let log = folder.with_extension("log");
    Ok(TestCluster { port, log })
}

fn start_in(folder: &Path, watched: u32, password: &str) -> anyhow::Result<u16> {
    let programs = Programs::of_this_machine()?;
    let account = account()?;
    make_folder(folder, account.as_ref())?;
    let quick = ["--locale=C", "--no-sync"];
    make_cluster(&programs, folder, account.as_ref(), password, &quick)?;
    let mut seen = String::new();
    for _ in 0..ATTEMPTS {
        let port = supervisor::free_port()?;
        let log = folder.with_extension("log");
        let mut keeper = Command::new("setsid");
        keeper.args(["--fork", "sh", "-c", KEEPER, "keeper"]);
        if let Some(account) = &account {
            keeper.arg("setpriv");
            keeper.arg(format!("--reuid={}", account.uid));
            keeper.arg(format!("--regid={}", account.gid));
            keeper.arg("--clear-groups");
        }
        let kept = keeper
            .arg(programs.folder().join("postgres"))
            .args(arguments(&folder.join("cluster"), port, None))
            .args(["-c", "fsync=off", "-c", "max_connections=200"])
            .args(["-c", "logging_collector=off", "-c", "track_functions=pl"])
            .env("FOLDER", folder)
            .env("WATCHED", watched.to_string())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .status()
            .context("cannot run `setsid`")?;
        ensure!(kept.success(), "setsid: {kept}");
        match wait_until_ready(&folder.join("cluster"), &log)? {
            Ok(()) => return Ok(port),
            Err(taken) => seen = taken,
        }
    }
    bail!("no port stayed free: {seen}")
}

/// Waits until the server says that it serves; the log, when its port was taken meanwhile.
fn wait_until_ready(cluster: &Path, log: &Path) -> anyhow::Result<Result<(), String>> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        if state(cluster) == ServerState::Ready {
            return Ok(Ok(()));
        }
        let seen = std::fs::read(log).unwrap_or_default();
        let seen = String::from_utf8_lossy(&seen).into_owned();
        if seen.contains("could not create any TCP/IP sockets") {
            return Ok(Err(seen));
        }
        ensure!(Instant::now() < deadline, "not within a minute: {seen}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
