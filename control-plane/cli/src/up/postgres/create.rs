//! Makes the database cluster, in full or not at all: in a folder beside its place, into which it
//! is renamed at the end.
//!
//! The SQL goes in through the server's single-user mode, before the server ever listens: no port,
//! no client program.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, bail};
use local_postgres::{Programs, make_cluster, make_folder};
use supervisor::Account;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::passwords::Passwords;

const USERS_AND_DATABASES: &str = include_str!("users_and_databases.sql");
const DEMO: &str = include_str!("demo.sql");
const WRITER: &str = include_str!("writer.sql");
const WRITER_IN_DEMO: &str = include_str!("writer_in_demo.sql");

/// Makes the cluster in its place, with every user, every database and the demo data.
pub(crate) async fn cluster(
    programs: &Programs,
    place: &Path,
    account: Option<&Account>,
    passwords: &Passwords,
) -> anyhow::Result<()> {
    let fresh = place.join("unfinished");
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh)
            .with_context(|| format!("cannot remove `{}`", fresh.display()))?;
    }
    let make = {
        let (programs, fresh, account) = (programs.clone(), fresh.clone(), account.cloned());
        let password = passwords.superuser.clone();
        move || {
            make_folder(&fresh, account.as_ref())?;
            let locale = ["--locale=C.UTF-8"];
            make_cluster(&programs, &fresh, account.as_ref(), &password, &locale)
        }
    };
    tokio::task::spawn_blocking(make).await??;
    let cluster = fresh.join("cluster");

    let users = USERS_AND_DATABASES
        .replace("{owner_password}", &passwords.owner)
        .replace("{reader_password}", &passwords.reader);
    let [writer, writer_in_demo] = writer_of(passwords);
    for (database, sql) in [
        ("postgres", [users.as_str(), &writer].join("\n")),
        ("demo", [DEMO, &writer_in_demo].join("\n")),
    ] {
        fill(programs, &fresh, account, database, &sql).await?;
    }

    std::fs::rename(&cluster, place.join("cluster"))
        .context("cannot put the new database into its place")?;
    std::fs::remove_dir_all(&fresh).with_context(|| format!("cannot remove `{}`", fresh.display()))
}

/// Adds the user that may write to a cluster that was made before there was one.
pub(crate) async fn writer(
    programs: &Programs,
    place: &Path,
    account: Option<&Account>,
    passwords: &Passwords,
) -> anyhow::Result<()> {
    let programs = programs.clone().for_cluster(&place.join("cluster"))?;
    for (database, sql) in ["postgres", "demo"].into_iter().zip(writer_of(passwords)) {
        fill(&programs, place, account, database, &sql).await?;
    }
    Ok(())
}

/// The statements that make the user that may write, and those that let it into the demo data.
/// They may run again.
fn writer_of(passwords: &Passwords) -> [String; 2] {
    [
        WRITER.replace("{writer_password}", &passwords.writer),
        WRITER_IN_DEMO.to_owned(),
    ]
}

/// Runs statements in a database of the cluster in `folder`, which no server runs on.
async fn fill(
    programs: &Programs,
    folder: &Path,
    account: Option<&Account>,
    database: &str,
    sql: &str,
) -> anyhow::Result<()> {
    let mut single = Command::from(programs.command("postgres", folder, account));
    // `-j`: a statement ends with a semicolon before an empty line.
    single
        .args(["--single", "-j", "-D"])
        .arg(folder.join("cluster"))
        .arg(database)
        .kill_on_drop(true);
    let said = run(single, sql).await?;
    // This mode ends well whatever the statements did.
    if let Some(line) = said.lines().find(|line| {
        ["ERROR:", "FATAL:", "PANIC:"]
            .iter()
            .any(|sign| line.contains(sign))
    }) {
        bail!("the database `{database}` could not be filled: {line}");
    }
    Ok(())
}

/// Runs to the end and returns what was printed.
async fn run(mut command: Command, input: &str) -> anyhow::Result<String> {
    let name = command.as_std().get_program().display().to_string();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{name}`"))?;
    let mut stdin = child.stdin.take().context("no way to talk to it")?;
    // At the same time: it prints while it reads.
    let (written, output) = tokio::join!(
        async move {
            stdin.write_all(input.as_bytes()).await?;
            stdin.shutdown().await
        },
        child.wait_with_output()
    );
    let output = output.with_context(|| format!("`{name}` broke off"))?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    if !output.status.success() {
        bail!("`{name}` failed:\n{}", said.trim());
    }
    written.with_context(|| format!("cannot talk to `{name}`"))?;
    Ok(said)
}
