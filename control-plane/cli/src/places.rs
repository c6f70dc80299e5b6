//! Finds things on this machine: the downloads, the state, our own programs.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

/// The folders, each with a flag and an environment variable.
#[derive(Debug, Clone, Args)]
pub(crate) struct Folders {
    /// Folder of the downloads that `make setup` fills [default: ~/.cache/portcullis]
    #[arg(long, env = "PORTCULLIS_HOME", value_name = "FOLDER")]
    home: Option<PathBuf>,

    /// Folder of databases, revisions, jobs and logs [default: ~/.local/state/portcullis; as root
    /// /var/lib/portcullis]
    #[arg(long, env = "PORTCULLIS_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
}

impl Folders {
    /// The folder that set-up filled, absolute.
    pub(crate) fn home(&self) -> anyhow::Result<Home> {
        let named = match &self.home {
            Some(named) => with_home(named)?,
            None => user_folder()?.join(".cache/portcullis"),
        };
        Ok(Home {
            root: std::path::absolute(named)?,
        })
    }

    /// The state, absolute; it may not exist yet.
    pub(crate) fn data(&self) -> anyhow::Result<PathBuf> {
        let named = match &self.data {
            Some(named) => with_home(named)?,
            None => data_folder::default_data_folder(),
        };
        Ok(std::path::absolute(named)?)
    }
}

/// `PORTCULLIS_HOME`, as set-up fills it.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    root: PathBuf,
}

impl Home {
    /// The Envoy that set-up fetched.
    pub(crate) fn envoy(&self) -> anyhow::Result<PathBuf> {
        self.part("bin/envoy")
    }

    /// The folder of Spark: `SPARK_HOME`.
    pub(crate) fn spark(&self) -> anyhow::Result<PathBuf> {
        self.part("spark")
    }

    /// The check, for Spark's class path, that statements only read.
    pub(crate) fn spark_extension(&self) -> anyhow::Result<PathBuf> {
        self.part("spark-extension.jar")
    }

    /// The Python that has Spark's package.
    pub(crate) fn spark_python(&self) -> anyhow::Result<PathBuf> {
        self.part("spark-python")
    }

    /// The folder of Java: `JAVA_HOME`.
    pub(crate) fn java(&self) -> anyhow::Result<PathBuf> {
        self.part("java")
    }

    /// The folder of PostgreSQL's server programs, where it really is: the user that runs them may
    /// not reach our link to it.
    pub(crate) fn postgres(&self) -> anyhow::Result<PathBuf> {
        let link = self.part("postgres")?;
        link.canonicalize()
            .with_context(|| format!("cannot follow `{}`", link.display()))
    }

    fn part(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.root.join(name);
        if !path.exists() {
            bail!("`{}` is missing: type `make setup`", path.display());
        }
        Ok(path)
    }
}

/// One of our other programs, from the folder that this one is in.
pub(crate) fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let path = own_folder()?.join(name);
    if !path.exists() {
        bail!("`{}` is missing: type `make build`", path.display());
    }
    Ok(path)
}

/// The filter module that `wasm-build` made, beside the folder of this program.
pub(crate) fn module() -> anyhow::Result<PathBuf> {
    let own = own_folder()?;
    let path = own
        .parent()
        .unwrap_or(Path::new("/"))
        .join("filters/mcp-filter.wasm");
    if !path.exists() {
        bail!(
            "`{}` is missing: type `cargo run --release -p wasm-build`",
            path.display()
        );
    }
    Ok(path)
}

fn own_folder() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program")?;
    own.parent()
        .map(Path::to_owned)
        .context("this program is in no folder")
}

fn user_folder() -> anyhow::Result<PathBuf> {
    std::env::home_dir().context("this user has no home folder: set PORTCULLIS_HOME")
}

/// A leading `~` is the user's folder, also where no shell has replaced it.
fn with_home(path: &Path) -> anyhow::Result<PathBuf> {
    match path.strip_prefix("~") {
        Ok(rest) => Ok(user_folder()?.join(rest)),
        Err(_) => Ok(path.to_owned()),
    }
}
