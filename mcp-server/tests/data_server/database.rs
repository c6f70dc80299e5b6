//! A PostgreSQL of our own: one for each run of the tests, one database for each test.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection};

/// The password of the databases of these tests, which no answer may ever contain.
pub const PASSWORD: &str = "a-password-of-the-tests";

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

struct Cluster {
    port: u16,
}

/// A database of one test.
pub struct Database {
    pub port: u16,
    pub name: String,
}

impl Database {
    /// A new database, made ready by `sql`.
    pub async fn with(sql: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let cluster = cluster();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        let mut postgres = connect(cluster.port, "postgres").await;
        run(&mut postgres, &format!("CREATE DATABASE {name}")).await;
        let database = Self {
            port: cluster.port,
            name,
        };
        run(&mut database.connection().await, sql).await;
        database
    }

    /// How often functions in a procedural language have run here, once all others have hung up.
    pub async fn calls_of_functions(&self) -> Vec<String> {
        let others = "SELECT count(*) FROM pg_stat_activity \
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";
        self.wait_for_count(others, 0).await;
        let mut connection = self.connection().await;
        sqlx::query_scalar("SELECT format('%s %s', funcname, calls) FROM pg_stat_user_functions")
            .fetch_all(&mut connection)
            .await
            .expect("it counts")
    }

    /// All that PostgreSQL has written into its log, whatever the database.
    pub fn log() -> String {
        let log = folder_of(watched()).with_extension("log");
        String::from_utf8_lossy(&std::fs::read(log).expect("there is a log")).into_owned()
    }

    /// Waits until `sql`, which counts, has counted to `expected`.
    pub async fn wait_for_count(&self, sql: &'static str, expected: i64) {
        let mut connection = self.connection().await;
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let found: i64 = sqlx::query_scalar(sql)
                .fetch_one(&mut connection)
                .await
                .expect("it counts");
            if found == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{found}, not {expected}: {sql}");
            tokio::task::yield_now().await;
        }
    }

    /// The name of a user without any right but to read what is everyone's.
    pub async fn ordinary_user(&self) -> &'static str {
        let mut connection = self.connection().await;
        let sql = format!(
            "DO $$ BEGIN CREATE ROLE ordinary LOGIN PASSWORD '{PASSWORD}'; \
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        );
        run(&mut connection, &sql).await;
        "ordinary"
    }

    /// A connection as the superuser, past the server under test.
    pub async fn connection(&self) -> PgConnection {
        connect(self.port, &self.name).await
    }
}

/// Runs statements of the test's own.
pub async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .unwrap_or_else(|error| panic!("{error}: {sql}"));
}

async fn connect(port: u16, database: &str) -> PgConnection {
    PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username("postgres")
        .password(PASSWORD)
        .database(database)
        .disable_statement_logging()
        .connect()
        .await
        .expect("the tests' PostgreSQL takes connections")
}

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(start)
}

/// Starts PostgreSQL, or finds the one that another test of this run has started: nextest gives
/// each test a process of its own, and a cluster for each would cost more than the tests.
fn start() -> Cluster {
    let watched = watched();
    let folder = folder_of(watched);
    let lock = File::create(folder.with_extension("lock")).expect("the temporary folder is there");
    lock.lock().expect("locks are granted");
    let port_file = folder.with_extension("port");
    let started = std::fs::read_to_string(&port_file).ok();
    let port = started
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| {
            let port = start_in(&folder, watched);
            std::fs::write(&port_file, port.to_string()).expect("the temporary folder is there");
            port
        });
    Cluster { port }
}

/// The process whose end ends PostgreSQL.
fn watched() -> u32 {
    match std::env::var_os("NEXTEST_RUN_ID") {
        Some(_) => std::os::unix::process::parent_id(),
        None => std::process::id(),
    }
}

fn folder_of(watched: u32) -> PathBuf {
    std::env::temp_dir().join(format!("portcullis-test-postgres-{watched}"))
}

fn start_in(folder: &Path, watched: u32) -> u16 {
    let programs = programs();
    let user = user();
    make_folder(folder, user);
    let data = folder.join("data");
    let password = folder.join("password");
    std::fs::write(&password, PASSWORD).expect("the folder is there");
    let made = as_user(user, &programs.join("initdb"))
        .arg("-D")
        .arg(&data)
        .args(["-U", "postgres", "-E", "UTF8", "--locale=C"])
        .args(["--no-sync", "-A", "scram-sha-256"])
        .arg(format!("--pwfile={}", password.display()))
        .output()
        .expect("initdb runs");
    assert!(
        made.status.success(),
        "initdb: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    let postgres = as_user(user, &programs.join("postgres"));
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        let port = free_port();
        let log = folder.with_extension("log");
        let kept = Command::new("setsid")
            .args(["--fork", "sh", "-c", KEEPER, "keeper"])
            .arg(postgres.get_program())
            .args(postgres.get_args())
            .arg("-D")
            .arg(&data)
            .args(["-c", &format!("port={port}")])
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories="])
            .args(["-c", "fsync=off", "-c", "max_connections=200"])
            .args(["-c", "logging_collector=off", "-c", "track_functions=pl"])
            .env("FOLDER", folder)
            .env("WATCHED", watched.to_string())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("the temporary folder is there"))
            .status()
            .expect("setsid runs");
        assert!(kept.success(), "setsid: {kept}");
        match wait_until_ready(&log) {
            Ok(()) => return port,
            Err(seen) => last = seen,
        }
    }
    panic!("PostgreSQL did not come up: {last}");
}

/// Waits for the line of the log that says so: whoever connects before is turned away.
///
/// # Errors
/// The log, when the port was taken meanwhile.
fn wait_until_ready(log: &Path) -> Result<(), String> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        let seen = std::fs::read_to_string(log).unwrap_or_default();
        if seen.contains("ready to accept connections") {
            return Ok(());
        }
        if seen.contains("could not create any TCP/IP sockets") {
            return Err(seen);
        }
        assert!(
            Instant::now() < deadline,
            "PostgreSQL did not come up: {seen}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn programs() -> PathBuf {
    let found = Command::new("pg_config").arg("--bindir").output();
    let folder = found
        .ok()
        .filter(|found| found.status.success())
        .map(|found| PathBuf::from(String::from_utf8_lossy(&found.stdout).trim()));
    match folder {
        Some(folder) if folder.join("initdb").exists() && folder.join("postgres").exists() => {
            folder
        }
        _ => panic!(
            "these tests need PostgreSQL 14 or newer with `pg_config` on the PATH: on Debian, \
             `apt-get install postgresql libpq-dev`"
        ),
    }
}

/// PostgreSQL refuses to run as root.
fn user() -> Option<&'static str> {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    if id.stdout != b"0\n" {
        return None;
    }
    let exists = |user: &str| {
        Command::new("id")
            .arg(user)
            .output()
            .is_ok_and(|output| output.status.success())
    };
    Some(if exists("postgres") {
        "postgres"
    } else {
        "nobody"
    })
}

fn make_folder(folder: &Path, user: Option<&str>) {
    let mut install = Command::new("install");
    install.args(["-d", "-m", "700"]);
    if let Some(user) = user {
        install.args(["-o", user]);
    }
    let made = install.arg(folder).status().expect("install runs");
    assert!(
        made.success(),
        "the folder {} could be made",
        folder.display()
    );
}

fn as_user(user: Option<&str>, program: &Path) -> Command {
    let Some(user) = user else {
        return Command::new(program);
    };
    let group = Command::new("id")
        .args(["-gn", user])
        .output()
        .expect("id runs");
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={user}"))
        .arg(format!(
            "--regid={}",
            String::from_utf8_lossy(&group.stdout).trim()
        ))
        .arg("--clear-groups")
        .arg(program)
        .current_dir("/");
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}
