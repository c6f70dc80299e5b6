//! Why a job cannot be submitted or looked up: facts, of which a tool makes its sentences.

use super::master::MasterError;
use super::store::StoreError;

/// Why a job cannot be submitted or looked up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no registry, and without one a job would be lost with this process.
    #[error(
        "Spark jobs cannot be submitted or listed here: this server has no registry to keep them in"
    )]
    NoStore,
    /// The registry cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The master does not answer, or refuses.
    #[error("{0}")]
    Master(String),
    /// The master cannot be asked about a job now.
    #[error("{0}")]
    Away(String),
    /// The source cannot be written.
    #[error("the source of the job cannot be written to this server's data folder")]
    Files(#[from] std::io::Error),
    /// The script is not where it should be.
    #[error("there is no file `{0}`")]
    NoScript(String),
    /// The key was used for something else.
    #[error("a job was submitted with the key `{0}` and other arguments")]
    KeyTaken(String),
    /// It runs on a cluster that this server does not watch.
    #[error("the job was submitted to the master `{0}`, which is not this server's")]
    OtherMaster(String),
    /// There is no such log, or it cannot be read now.
    #[error("{0}")]
    NoLog(String),
    /// A credential that only a command line could bring to the workers.
    #[error(
        "{0} looks like a credential, and everybody on a worker could read it on the command line"
    )]
    Exposed(String),
}

impl From<MasterError> for Error {
    fn from(error: MasterError) -> Self {
        Self::Away(error.to_string())
    }
}
