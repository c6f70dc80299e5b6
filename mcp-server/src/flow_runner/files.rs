//! Files that flows may touch, and the file without a name that rows go through.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use orchestrator::StepCall;

use crate::services::Services;
use crate::tools::ToolFailure;

/// A file that no folder names: it is gone with this process, however that ends. Nobody else may
/// open it in the moment in which it has a name.
pub(super) fn spool() -> Result<File, ToolFailure> {
    let path = std::env::temp_dir().join(format!("portcullis-rows-{}", uuid::Uuid::now_v7()));
    let mut options = File::options();
    options.read(true).write(true).create_new(true).mode(0o600);
    let file = options.open(&path).and_then(|file| {
        fs::remove_file(&path)?;
        Ok(file)
    });
    file.map_err(|error| failure("the rows cannot be kept on this server's disk", &error))
}

/// Opens a file below the folder of pipelines for reading.
pub(super) fn open(services: &Services, path: &str) -> Result<File, ToolFailure> {
    let folder = folder(services)?;
    let unreadable = |error| failure(&format!("the file `{path}` cannot be read"), &error);
    let file = folder.join(path).canonicalize().map_err(unreadable)?;
    if !file.starts_with(&folder) {
        return Err(outside(path));
    }
    // To open a pipe would wait for whoever writes into it, and nothing could end that.
    if !fs::metadata(&file).map_err(unreadable)?.is_file() {
        return Err(ToolFailure::invalid_arguments(format!(
            "`{path}` is no plain file"
        )));
    }
    File::open(file).map_err(unreadable)
}

/// A file that takes the place of another one when it is whole.
pub(super) struct Replacement {
    part: PathBuf,
    target: PathBuf,
}

impl Replacement {
    /// Begins a file below the folder of pipelines; the folder that it is in must be there. The
    /// beginnings of earlier attempts are removed: a process that is still at one of them has then
    /// nothing left to put into its place.
    pub(super) fn begin(
        services: &Services,
        call: &StepCall,
        path: &str,
    ) -> Result<(Self, File), ToolFailure> {
        let folder = folder(services)?;
        let unwritable = |error| failure(&format!("the file `{path}` cannot be written"), &error);
        let target = folder.join(path);
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(outside(path));
        };
        let parent = parent.canonicalize().map_err(unwritable)?;
        if !parent.starts_with(&folder) {
            return Err(outside(path));
        }
        let part = |token: i64| {
            let (run, step) = (call.leased.lease.run, call.leased.lease.step);
            parent.join(format!(".{run}-{step}-{token}.part"))
        };
        for earlier in 1..call.leased.lease.token.0 {
            let _ = fs::remove_file(part(earlier));
        }
        let part = part(call.leased.lease.token.0);
        let target = parent.join(name);
        let file = File::options().write(true).create_new(true).open(&part);
        let file = file.map_err(unwritable)?;
        Ok((Self { part, target }, file))
    }

    /// Puts the file into its place; whoever reads it sees the old one or the new one.
    pub(super) fn finish(self, file: &File) -> Result<(), ToolFailure> {
        let placed = file
            .sync_all()
            .and_then(|()| fs::rename(&self.part, &self.target));
        placed.map_err(|error| failure("the file cannot be put into its place", &error))
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // Gone already when it was put into its place.
        let _ = fs::remove_file(&self.part);
    }
}

/// The failure of an operation on a file, in the caller's words and the log's.
pub(super) fn failure(message: &str, error: &io::Error) -> ToolFailure {
    let code = match error.kind() {
        io::ErrorKind::NotFound => "not_found",
        io::ErrorKind::StorageFull => "unavailable",
        _ => "file",
    };
    ToolFailure::new(code, format!("{message}: {}", error.kind())).with_log(error.to_string())
}

fn folder(services: &Services) -> Result<PathBuf, ToolFailure> {
    let folder = services.pipelines.files();
    let folder = folder.ok_or_else(ToolFailure::no_pipeline_files)?;
    let canonical = Path::canonicalize(folder);
    canonical.map_err(|error| failure("the folder of pipelines (MCP_PIPELINE_FILES)", &error))
}

fn outside(path: &str) -> ToolFailure {
    ToolFailure::invalid_arguments(format!("`{path}` leads out of the folder of pipelines"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn it_keeps_rows_in_a_file_that_nobody_else_may_open() {
        let spool = super::spool().expect("a file").metadata().expect("known");
        assert_eq!(spool.permissions().mode() & 0o777, 0o600);
    }
}
