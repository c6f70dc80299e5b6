//! What a job needs on disk: its source, where the caller gave that instead of a path, and the wrapper that ends Python with its driver

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::fs;

use super::job::JobId;

/// A killed driver leaves its Python behind unless the kernel ends that with it.
const WRAPPER: &str = "#!/bin/sh
# Starts the Python of a Spark job so that it ends when its driver does.
python=${PYSPARK_PYTHON:-python3}
if command -v setpriv >/dev/null 2>&1; then
    exec setpriv --pdeathsig KILL \"$python\" \"$@\"
fi
exec \"$python\" \"$@\"
";

/// The folder `jobs` of the server's data.
#[derive(Debug, Clone)]
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    /// Under `data`, or under the default folder of the product.
    pub(super) fn new(data: Option<&Path>) -> Self {
        let data = data.map_or_else(default_data, Path::to_owned);
        Self {
            folder: data.join("jobs"),
        }
    }

    /// Writes the source of a job; gives the path that Spark is to run.
    pub(super) async fn write_source(&self, id: JobId, source: &str) -> io::Result<PathBuf> {
        let folder = self.folder.join(id.to_string());
        readable_folder(&folder).await?;
        let path = folder.join("script.py");
        write(&path, source, 0o644).await?;
        Ok(path)
    }

    /// The wrapper, written if it is not there yet.
    pub(super) async fn python_wrapper(&self) -> io::Result<PathBuf> {
        let path = self.folder.join("python-of-a-driver");
        if fs::read_to_string(&path).await.ok().as_deref() != Some(WRAPPER) {
            readable_folder(&self.folder).await?;
            write(&path, WRAPPER, 0o755).await?;
        }
        Ok(path)
    }
}

/// Spark may run as another user, so it must be able to enter.
async fn readable_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder).await?;
    fs::set_permissions(folder, Permissions::from_mode(0o755)).await
}

/// Writes a file in one step, so that nobody runs half of it.
async fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let draft = path.with_extension(format!("draft-{}", uuid::Uuid::new_v4()));
    fs::write(&draft, text).await?;
    fs::set_permissions(&draft, Permissions::from_mode(mode)).await?;
    fs::rename(&draft, path).await
}

fn default_data() -> PathBuf {
    let root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    match std::env::var_os("HOME") {
        Some(home) if !root => PathBuf::from(home).join(".local/state/portcullis"),
        _ => PathBuf::from("/var/lib/portcullis"),
    }
}
