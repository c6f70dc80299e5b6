//! Makes the database cluster, in full or not at all: in a folder beside its place, into which it
//! is renamed at the end.
//!
//! The SQL goes in through the server's single-user mode, before the server ever listens: no port,
//! no client program.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, bail};
use supervisor::Account;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::passwords::Passwords;

const USERS_AND_DATABASES: &str = include_str!("users_and_databases.sql");
const DEMO: &str = include_str!("demo.sql");

pub(crate) async fn cluster(
    programs: &Path,
    place: &Path,
    account: Option<&Account>,
    passwords: &Passwords,
) -> anyhow::Result<()> {
    let fresh = place.join("unfinished");
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh)
            .with_context(|| format!("cannot remove `{}`", fresh.display()))?;
    }
    make_folder(&fresh, account)?;

    let password_file = fresh.join("superuser-password");
    std::fs::write(&password_file, &passwords.superuser)?;
    own(&password_file, account)?;
    let cluster = fresh.join("cluster");
    let mut initdb = command(&programs.join("initdb"), &fresh, account);
    initdb
        .arg("--pgdata")
        .arg(&cluster)
        .arg("--pwfile")
        .arg(&password_file);
    initdb.args([
        "--username=postgres",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--no-instructions",
    ]);
    run(initdb, "").await?;
    std::fs::remove_file(&password_file)?;

    let users = USERS_AND_DATABASES
        .replace("{owner_password}", &passwords.owner)
        .replace("{reader_password}", &passwords.reader);
    for (database, sql) in [("postgres", users.as_str()), ("demo", DEMO)] {
        let mut single = command(&programs.join("postgres"), &fresh, account);
        // `-j`: a statement ends with a semicolon before an empty line.
        single
            .args(["--single", "-j", "-D"])
            .arg(&cluster)
            .arg(database);
        let said = run(single, sql).await?;
        // This mode ends well whatever the statements did.
        if let Some(line) = said.lines().find(|line| {
            ["ERROR:", "FATAL:", "PANIC:"]
                .iter()
                .any(|sign| line.contains(sign))
        }) {
            bail!("the database `{database}` could not be filled: {line}");
        }
    }

    std::fs::rename(&cluster, place.join("cluster"))
        .context("cannot put the new database into its place")?;
    std::fs::remove_dir_all(&fresh).with_context(|| format!("cannot remove `{}`", fresh.display()))
}

fn make_folder(folder: &Path, account: Option<&Account>) -> anyhow::Result<()> {
    std::fs::create_dir(folder)
        .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    own(folder, account)?;
    std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

fn own(path: &Path, account: Option<&Account>) -> anyhow::Result<()> {
    if let Some(account) = account {
        std::os::unix::fs::chown(path, Some(account.uid), Some(account.gid))
            .with_context(|| format!("cannot give `{}` to `{}`", path.display(), account.name))?;
    }
    Ok(())
}

fn command(program: &Path, folder: &Path, account: Option<&Account>) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .kill_on_drop(true);
    if let Some(account) = account {
        command.gid(account.gid).uid(account.uid);
    }
    command
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
    // `initdb` reads nothing: a closed pipe there is no failure.
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).with_context(|| format!("cannot talk to `{name}`"))
        }
        _ => Ok(said),
    }
}
