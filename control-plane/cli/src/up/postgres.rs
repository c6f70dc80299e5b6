//! The local PostgreSQL: our own durable records, and a demo database for the tools.

mod create;
mod passwords;
mod place;
mod port;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use local_postgres::{Programs, ServerState, account};
use supervisor::{Account, Program, Readiness, Restart, Signal, Stop};
use url::Url;

use passwords::Passwords;
use place::place;
use port::port;

use super::stack::Stack;

/// A database cluster that is there and can be started.
#[derive(Debug)]
pub(crate) struct Database {
    programs: Programs,
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
        let passwords_file = stack.data.join("postgres-passwords.json");
        let mut passwords = Passwords::keep(&passwords_file)?;
        let is_from_before_writers = passwords.add_writer()?;
        let programs = Programs::in_folder(stack.home.postgres()?);
        let cluster = place.join("cluster");
        if !cluster.exists() {
            create::cluster(&programs, &place, account.as_ref(), &passwords).await?;
        } else if is_from_before_writers {
            create::writer(&programs, &place, account.as_ref(), &passwords).await?;
        }
        if is_from_before_writers {
            passwords.save(&passwords_file)?;
        }
        let programs = programs.for_cluster(&cluster)?;
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
        let cluster = self.place.join("cluster");
        let arguments = local_postgres::arguments(&cluster, self.port, Some(&self.place));
        let postgres = self.programs.folder().join("postgres");
        Program::new("PostgreSQL", postgres, &self.log)
            .args(arguments)
            .in_folder(&self.place)
            .run_as(self.account.clone())
            .ready_when(Readiness::when(move || {
                let cluster = cluster.clone();
                async move {
                    tokio::net::TcpStream::connect(address)
                        .await
                        .map_err(|error| {
                            format!("{address} does not accept connections: {error}")
                        })?;
                    match local_postgres::state(&cluster) {
                        ServerState::Ready => Ok(()),
                        ServerState::Other(state) => Err(format!("its state is `{state}`")),
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

    /// The demo database: queries as a user that can only read, and writing tools as one that may
    /// write there.
    pub(crate) fn demo_variables(&self) -> [(&'static str, String); 7] {
        [
            ("POSTGRES_HOST", "127.0.0.1".to_owned()),
            ("POSTGRES_PORT", self.port.to_string()),
            ("POSTGRES_USER", "portcullis_reader".to_owned()),
            ("POSTGRES_PASSWORD", self.passwords.reader.clone()),
            ("POSTGRES_WRITE_USER", "portcullis_writer".to_owned()),
            ("POSTGRES_WRITE_PASSWORD", self.passwords.writer.clone()),
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
