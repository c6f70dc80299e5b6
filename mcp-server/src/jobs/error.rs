//! Why a job cannot be submitted or looked up: facts, of which a tool makes its sentences.

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
    /// The source cannot be written.
    #[error("the source of the job cannot be written to this server's data folder")]
    Files(#[from] std::io::Error),
    /// The script is not where it should be.
    #[error("there is no file `{0}`")]
    NoScript(String),
    /// A credential that only a command line could bring to the workers.
    #[error(
        "{0} looks like a credential, and everybody on a worker could read it on the command line"
    )]
    Exposed(String),
}
