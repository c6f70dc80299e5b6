//! The local PostgreSQL: our own durable records, and a demo database for the tools.

mod create;
mod passwords;
mod place;
mod port;
mod version;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use supervisor::{Account, Program, Readiness, Restart, Signal, Stop};
use url::Url;

use passwords::Passwords;
use place::{account, place};
use port::port;
use version::programs_for;

use super::stack::Stack;

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
                    // It listens before it serves; the eighth line tells (PostgreSQL's
                    // `pidfile.h`).
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

    /// Host and port where this PostgreSQL listens.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// URL of the database that keeps the data server's own records.
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
            "PORTCULLIS_STORE_URL is no PostgreSQL URL: write \
             `postgres://user:password@host:5432/database`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_only_postgresql_as_a_store() {
        assert!(check_store_url("postgres://me@localhost/x").is_ok());
        assert!(check_store_url("mysql://me@localhost/x").is_err());
        assert!(check_store_url("localhost").is_err());
    }
}
