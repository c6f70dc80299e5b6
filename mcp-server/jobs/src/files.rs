//! Files of jobs: their sources, what their scripts are called with, and the programs that start
//! them.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use data_folder::default_data_folder;
use serde::Serialize;
use tokio::fs;

use super::job::JobId;
use config::JobFileAccess;

/// A killed driver leaves its Python behind unless the kernel ends that with it.
const WRAPPER: &str = "#!/bin/sh
# Starts the Python of a Spark job so that it ends when its driver does.
python=${PYSPARK_PYTHON:-python3}
if command -v setpriv >/dev/null 2>&1; then
    exec setpriv --pdeathsig KILL \"$python\" \"$@\"
fi
exec \"$python\" \"$@\"
";

/// Everybody on a worker sees command lines, and Spark shows them on its pages and in its logs; so
/// a script's arguments, and settings that are credentials, come in a file.
const LAUNCHER: &str = r#""""Runs the script of a Spark job as a file says: arguments, settings."""
import json
import os
import runpy
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    job = json.load(file)
script = job["script"]
if job["settings"]:
    from pyspark import SparkContext

    for name, value in job["settings"].items():
        SparkContext.setSystemProperty(name, value)


def show(kind, error, trace):
    """Shows an error as if the script had been started by itself."""
    start = trace
    while start and start.tb_frame.f_code.co_filename != script:
        start = start.tb_next
    sys.__excepthook__(kind, error, start)


sys.excepthook = show
sys.argv = [script, *job["arguments"]]
sys.path[0] = os.path.dirname(script)
runpy.run_path(script, run_name="__main__")
"#;

/// The folder `jobs` of the server's data.
#[derive(Debug, Clone)]
pub(super) struct Files {
    folder: PathBuf,
    access: JobFileAccess,
}

/// The script that the launcher runs, and how.
#[derive(Debug, Serialize)]
pub(super) struct Launch<'a> {
    /// Absolute path of the script.
    pub script: &'a str,
    /// Arguments that the script is called with.
    pub arguments: &'a [String],
    /// Settings of Spark that no command line may show.
    pub settings: std::collections::BTreeMap<&'a str, &'a str>,
}

impl Files {
    /// Under `data`, or under the default folder of the product.
    pub(super) fn new(data: Option<&Path>, access: JobFileAccess) -> Self {
        let data = data.map_or_else(default_data_folder, Path::to_owned);
        Self {
            folder: data.join("jobs"),
            access,
        }
    }

    /// Writes the source of a job; gives the path that Spark is to run.
    pub(super) async fn write_source(&self, id: JobId, source: &str) -> io::Result<PathBuf> {
        let path = self.folder_of(id).await?.join("script.py");
        self.write(&path, source).await?;
        Ok(path)
    }

    /// Writes what a job's script is called with; gives the program that calls it, and its
    /// argument.
    pub(super) async fn write_launch(
        &self,
        id: JobId,
        launch: &Launch<'_>,
    ) -> io::Result<(PathBuf, PathBuf)> {
        let path = self.folder_of(id).await?.join("launch.json");
        self.write(&path, &serde_json::to_string(launch)?).await?;
        let launcher = self.folder.join("launch.py");
        self.keep(&launcher, LAUNCHER).await?;
        Ok((launcher, path))
    }

    /// The wrapper, written if it is not there yet.
    pub(super) async fn python_wrapper(&self) -> io::Result<PathBuf> {
        let path = self.folder.join("python-of-a-driver");
        self.make_folder(&self.folder).await?;
        self.keep(&path, WRAPPER).await?;
        fs::set_permissions(&path, folders_for(self.access)).await?;
        Ok(path)
    }

    /// The jobs that have files here.
    pub(super) async fn jobs(&self) -> io::Result<Vec<JobId>> {
        let mut entries = match fs::read_dir(&self.folder).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut jobs = Vec::new();
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.parse().ok());
            jobs.extend(id.map(JobId));
        }
        Ok(jobs)
    }

    /// Removes what a job's script is called with.
    pub(super) async fn remove_launch(&self, id: JobId) -> io::Result<()> {
        let path = self.folder.join(id.to_string()).join("launch.json");
        unless_gone(fs::remove_file(path).await)
    }

    /// Removes all files of a job.
    pub(super) async fn remove(&self, id: JobId) -> io::Result<()> {
        unless_gone(fs::remove_dir_all(self.folder.join(id.to_string())).await)
    }

    async fn folder_of(&self, id: JobId) -> io::Result<PathBuf> {
        self.make_folder(&self.folder).await?;
        let folder = self.folder.join(id.to_string());
        self.make_folder(&folder).await?;
        Ok(folder)
    }

    async fn make_folder(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder).await?;
        fs::set_permissions(folder, folders_for(self.access)).await
    }

    async fn keep(&self, path: &Path, text: &str) -> io::Result<()> {
        if fs::read_to_string(path).await.ok().as_deref() == Some(text) {
            return Ok(());
        }
        self.write(path, text).await
    }

    /// Writes a file in one step, so that nobody runs half of it and nobody else ever reads it.
    async fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        use tokio::io::AsyncWriteExt as _;

        let draft = path.with_extension(format!("draft-{}", uuid::Uuid::new_v4()));
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .await?;
        file.write_all(text.as_bytes()).await?;
        file.flush().await?;
        fs::set_permissions(&draft, files_for(self.access)).await?;
        fs::rename(&draft, path).await
    }
}

fn unless_gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn folders_for(access: JobFileAccess) -> Permissions {
    Permissions::from_mode(match access {
        JobFileAccess::Owner => 0o700,
        JobFileAccess::Group => 0o750,
    })
}

fn files_for(access: JobFileAccess) -> Permissions {
    Permissions::from_mode(match access {
        JobFileAccess::Owner => 0o600,
        JobFileAccess::Group => 0o640,
    })
}
