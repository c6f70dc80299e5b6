//! A PostgreSQL of our own: one per test process, one database per test.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection};

/// What no answer may ever hold.
pub const PASSWORD: &str = "a-password-of-the-tests";

const READY_WITHIN: Duration = Duration::from_secs(60);

/// Runs PostgreSQL until its standard input closes, be it by the end of the tests or by their death, then removes its folder.
const KEEPER: &str = r#"
trap '' INT TERM
"$@" & server=$!
cat > /dev/null
kill -INT "$server"
wait "$server"
rm -rf "$FOLDER"
"#;

struct Cluster {
    port: u16,
    _stays_open: ChildStdin,
    _keeper: Child,
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
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut postgres = connect(cluster.port, "postgres").await;
        run(&mut postgres, &format!("CREATE DATABASE {name}")).await;
        let database = Self {
            port: cluster.port,
            name,
        };
        run(&mut database.connection().await, sql).await;
        database
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

fn start() -> Cluster {
    let programs = programs();
    let folder =
        std::env::temp_dir().join(format!("portcullis-test-postgres-{}", std::process::id()));
    let user = user();
    make_folder(&folder, user);
    let data = folder.join("data");
    let password = folder.join("password");
    std::fs::write(&password, PASSWORD).expect("the folder is there");
    let made = as_user(user, &programs.join("initdb"))
        .arg("-D")
        .arg(&data)
        .args([
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
            "-A",
            "scram-sha-256",
        ])
        .arg(format!("--pwfile={}", password.display()))
        .output()
        .expect("initdb runs");
    assert!(
        made.status.success(),
        "initdb: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    let port = free_port();
    let postgres = as_user(user, &programs.join("postgres"));
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .arg(postgres.get_program())
        .args(postgres.get_args())
        .arg("-D")
        .arg(&data)
        .args(["-c", &format!("port={port}")])
        .args([
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
        ])
        .args([
            "-c",
            "fsync=off",
            "-c",
            "max_connections=200",
            "-c",
            "logging_collector=off",
        ])
        .env("FOLDER", &folder)
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh runs");
    let stays_open = keeper.stdin.take().expect("it is piped");
    let log = keeper.stderr.take().expect("it is piped");
    wait_until_ready(port, log);
    Cluster {
        port,
        _stays_open: stays_open,
        _keeper: keeper,
    }
}

/// The log says when it is ready; whoever comes before is turned away. It is read to the end, so that it never blocks.
fn wait_until_ready(port: u16, log: std::process::ChildStderr) {
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let deadline = Instant::now() + READY_WITHIN;
    let mut seen = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok(line) if line.contains("ready to accept connections") => return,
            Ok(line) => seen.push(line),
            Err(_) => panic!(
                "PostgreSQL on port {port} did not come up: {}",
                seen.join("\n")
            ),
        }
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
            "these tests need PostgreSQL 14 or newer with `pg_config` on the PATH: on Debian, `apt-get install postgresql libpq-dev`"
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
