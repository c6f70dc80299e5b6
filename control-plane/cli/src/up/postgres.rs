//! The local PostgreSQL: our own durable records, and a demo database for the tools.

mod create;
mod passwords;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use supervisor::{Account, Program, Readiness, Restart, Signal, Stop};
use url::Url;

use passwords::Passwords;

use super::stack::Stack;

/// The users that the server may run as when we are root, which it refuses to run as.
const ACCOUNTS: [&str; 2] = ["postgres", "nobody"];
/// A socket's path has to fit into the kernel's 108 bytes, with the name that the server adds.
const LONGEST_SOCKET_FOLDER: usize = 80;

/// A database cluster that is there and can be started.
#[derive(Debug)]
pub(crate) struct Database {
    programs: PathBuf,
    place: PathBuf,
    account: Option<Account>,
    port: u16,
    passwords: Passwords,
    log: PathBuf,
}

impl Database {
    /// Finds the cluster, or makes it: users, databases, demo data and all.
    pub(crate) async fn prepare(stack: &Stack) -> anyhow::Result<Self> {
        let account = account()?;
        let place = place(&stack.data, account.as_ref())?;
        let passwords = Passwords::keep(&stack.data.join("postgres-passwords.json"))?;
        let programs = stack.home.postgres()?;
        let cluster = place.join("cluster");
        if !cluster.exists() {
            create::cluster(&programs, &place, account.as_ref(), &passwords).await?;
        }
        let programs = programs_for(&cluster, programs)?;
        let port = port(&place, stack.settings.postgres.local_postgres_port)?;
        Ok(Self {
            programs,
            place,
            account,
            port,
            passwords,
            log: stack.log("postgres"),
        })
    }

    /// The server, ready when it says so in its own state file.
    pub(crate) fn program(&self) -> Program {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let state = self.place.join("cluster/postmaster.pid");
        let sockets = if self.place.as_os_str().len() > LONGEST_SOCKET_FOLDER {
            String::new()
        } else {
            self.place.display().to_string()
        };
        Program::new("PostgreSQL", self.programs.join("postgres"), &self.log)
            .arg("-D")
            .arg(self.place.join("cluster"))
            .args(["-p".to_owned(), self.port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1", "-c"])
            .arg(format!("unix_socket_directories={sockets}"))
            .in_folder(&self.place)
            .run_as(self.account.clone())
            .ready_when(Readiness::when(move || {
                let state = state.clone();
                async move {
                    tokio::net::TcpStream::connect(address)
                        .await
                        .map_err(|error| {
                            format!("{address} does not accept connections: {error}")
                        })?;
                    // It listens before it serves; the eighth line tells (PostgreSQL's `pidfile.h`).
                    let text = tokio::fs::read_to_string(&state).await.unwrap_or_default();
                    match text.lines().nth(7).map(str::trim) {
                        Some("ready") => Ok(()),
                        state => Err(format!("its state is `{}`", state.unwrap_or("unknown"))),
                    }
                }
            }))
            .restart(Restart::WithBackoff)
            // A fast shutdown: open connections are ended, and everything is written.
            .stop_with(Stop {
                signal: Signal::INT,
                patience: Duration::from_secs(30),
            })
            .when_orphaned(Signal::INT)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Our own records.
    pub(crate) fn store_url(&self) -> String {
        format!(
            "postgres://portcullis:{}@127.0.0.1:{}/portcullis",
            self.passwords.owner, self.port
        )
    }

    /// The demo database, as a user that can only read.
    pub(crate) fn demo_variables(&self) -> [(&'static str, String); 5] {
        [
            ("POSTGRES_HOST", "127.0.0.1".to_owned()),
            ("POSTGRES_PORT", self.port.to_string()),
            ("POSTGRES_USER", "portcullis_reader".to_owned()),
            ("POSTGRES_PASSWORD", self.passwords.reader.clone()),
            ("POSTGRES_DB", "demo".to_owned()),
        ]
    }
}

/// Whether `url`, from the environment, can be a store; told before anything starts.
pub(crate) fn check_store_url(url: &str) -> anyhow::Result<()> {
    let scheme = Url::parse(url).map(|url| url.scheme().to_owned());
    match scheme.as_deref() {
        Ok("postgres" | "postgresql") => Ok(()),
        _ => bail!(
            "PORTCULLIS_STORE_URL is no PostgreSQL URL: write `postgres://user:password@host:5432/database`"
        ),
    }
}

fn account() -> anyhow::Result<Option<Account>> {
    if !Account::we_are_root() {
        return Ok(None);
    }
    match Account::first_of(&ACCOUNTS) {
        Some(account) => Ok(Some(account)),
        None => bail!(
            "PostgreSQL does not run as root, and this machine has no user `postgres` or `nobody`: create one"
        ),
    }
}

/// The folder of the cluster: under the data folder, or, where the server's user cannot reach that, beside the system's state.
fn place(data: &Path, account: Option<&Account>) -> anyhow::Result<PathBuf> {
    let usual = data.join("postgres");
    let place = match account {
        Some(account) if !account.can_enter(data).unwrap_or(false) => {
            let name: String = data
                .display()
                .to_string()
                .chars()
                .map(|letter| {
                    if letter.is_alphanumeric() {
                        letter
                    } else {
                        '-'
                    }
                })
                .collect();
            PathBuf::from("/var/lib/portcullis/postgres-of").join(name.trim_matches('-'))
        }
        _ => usual,
    };
    std::fs::create_dir_all(&place)
        .with_context(|| format!("cannot make the folder `{}`", place.display()))?;
    if let Some(account) = account {
        std::os::unix::fs::chown(&place, Some(account.uid), Some(account.gid))
            .with_context(|| format!("cannot give `{}` to `{}`", place.display(), account.name))?;
        if !account.can_enter(&place)? {
            bail!(
                "the user `{}` cannot reach `{}`: name another folder in PORTCULLIS_DATA",
                account.name,
                place.display()
            );
        }
    }
    Ok(place)
}

/// The server programs of the version that made the cluster.
fn programs_for(cluster: &Path, found: PathBuf) -> anyhow::Result<PathBuf> {
    let file = cluster.join("PG_VERSION");
    let version = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read `{}`", file.display()))?
        .trim()
        .to_owned();
    let output = std::process::Command::new(found.join("postgres"))
        .arg("--version")
        .output()
        .with_context(|| format!("cannot run `{}`", found.join("postgres").display()))?;
    let says = String::from_utf8_lossy(&output.stdout);
    if major(&says) == Some(version.as_str()) {
        return Ok(found);
    }
    let other = Path::new("/usr/lib/postgresql").join(&version).join("bin");
    if other.join("postgres").exists() {
        return Ok(other);
    }
    bail!(
        "the database in `{}` was made by PostgreSQL {version}, and this machine has `{}`: install PostgreSQL {version}, or move that folder away to begin a new one",
        cluster.display(),
        says.trim()
    )
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` → `15`.
fn major(says: &str) -> Option<&str> {
    says.split_once("(PostgreSQL) ")?
        .1
        .split(['.', ' ', '\n'])
        .next()
}

/// The port that the user chose, or the one of the last time, or a free one, which is remembered.
fn port(place: &Path, chosen: Option<u16>) -> anyhow::Result<u16> {
    let file = place.join("port");
    if let Some(port) = chosen {
        return Ok(port);
    }
    let remembered = std::fs::read_to_string(&file)
        .ok()
        .and_then(|text| text.trim().parse::<u16>().ok());
    if let Some(port) = remembered
        && supervisor::is_free(([127, 0, 0, 1], port).into())?
    {
        return Ok(port);
    }
    let port = supervisor::free_port().context("no port is free for PostgreSQL")?;
    std::fs::write(&file, port.to_string())
        .with_context(|| format!("cannot write `{}`", file.display()))?;
    Ok(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_the_major_version() {
        assert_eq!(
            major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some("15")
        );
        assert_eq!(major("postgres (PostgreSQL) 18\n"), Some("18"));
        assert_eq!(major("mysqld"), None);
    }

    #[test]
    fn it_keeps_its_port() {
        let place = tempfile::tempdir().unwrap();
        let first = port(place.path(), None).unwrap();
        assert_eq!(port(place.path(), None).unwrap(), first);
        assert_eq!(port(place.path(), Some(1)).unwrap(), 1);
    }

    #[test]
    fn it_takes_another_port_when_its_own_is_taken() {
        let place = tempfile::tempdir().unwrap();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let number = taken.local_addr().unwrap().port();
        std::fs::write(place.path().join("port"), number.to_string()).unwrap();
        assert_ne!(port(place.path(), None).unwrap(), number);
    }

    #[test]
    fn a_store_must_be_postgres() {
        assert!(check_store_url("postgres://me@localhost/x").is_ok());
        assert!(check_store_url("mysql://me@localhost/x").is_err());
        assert!(check_store_url("localhost").is_err());
    }
}
