//! Work that hashes much or waits for the disk, in the midst of a task.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does such work. Where this thread drives tasks, another drives the rest of them meanwhile.
pub(crate) fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // A thread alone has nobody to leave its tasks to, and others have none.
        _ => work(),
    }
}
