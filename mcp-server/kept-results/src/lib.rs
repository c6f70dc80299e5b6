//! Results of any size, kept on this server's disk in blocks that are read one by one.
//!
//! A result that is too large for an answer is written into a [`ResultDraft`] as its rows arrive,
//! and becomes a file of its own, which nobody changes any more, with an id that nobody can guess.
//! [`KeptResults::open`] finds it again for its owner, after a restart of the server too, until it
//! expires; [`KeptResults::sweep`] takes back what has expired and what a process that was killed
//! has left half written. Memory holds one block.
//!
//! [`GrowingRows`] and [`GrowingBatches`] are the sinks that decide where a result goes: into the
//! answer while it is small, onto the disk when it is not. Nothing here knows of MCP or of a
//! database.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use kept_results::{KeptResults, KeptResultsSettings, ResultUri};
//!
//! # let folder = tempfile::tempdir()?;
//! let kept = KeptResults::new(KeptResultsSettings {
//!     folder: folder.path().to_owned(),
//!     node: None,
//!     quota: 1 << 20,
//!     expiry: std::time::Duration::from_secs(60),
//! });
//! let uri: ResultUri = "result://n1/no-such-id".parse()?;
//! assert!(kept.open(&uri, None).is_err());
//! # Ok(())
//! # }
//! ```

mod aside;
mod counts;
mod cutting;
mod disk_room;
mod draft;
mod draft_view;
mod file;
mod folder;
mod growing;
mod growing_batches;
mod growing_rows;
mod quota;
mod reading;
mod result_uri;
mod store;

pub use counts::ResultCounts;
pub use draft::{Purpose, ResultDraft, ResultHandle};
pub use file::ResultFacts;
pub use folder::KeptResultsSettings;
pub use growing::{BlockLimits, BlockListener, BlocksSoFar, GrownResult, Keeping};
pub use growing_batches::{GrowingBatches, GrownBatches};
pub use growing_rows::{GrowingRows, GrownRows};
pub use reading::{Block, KeptResult, UnreadBlock};
pub use result_uri::{InvalidResultUri, ResultUri};
pub use store::{KeptResults, UnknownResult};

use std::io;

/// Why a result cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// Its caller wants it in the answer alone.
    #[error("it was not asked for in blocks")]
    NotAsked,
    /// One result may not have so many bytes.
    #[error("it is over the {most} bytes that one result may have on this server's disk")]
    TooLarge {
        /// The most bytes that one result may have.
        most: u64,
    },
    /// All results together have as many bytes as they may.
    #[error("the {most} bytes that results may have on this server's disk are in use")]
    QuotaUsed {
        /// The most bytes that all results may have.
        most: u64,
    },
    /// The disk must keep some room for others.
    #[error("this server's disk is nearly full")]
    DiskNearlyFull,
    /// The disk refuses it. The cause is for the log.
    #[error("this server's disk does not take it")]
    Disk(#[source] io::Error),
}
