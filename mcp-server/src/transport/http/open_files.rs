//! How many connections fit into the files that the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The files that the process asks for: enough for the most connections and all that stands behind
/// them.
const WANTED: u64 = 16_384;

/// The most connections by default. Each costs some 20 KiB while it is idle, so these cost 40 MiB.
const MOST: u64 = 2048;

/// Raises the limit of open files as far as the system lets us and it makes sense.
pub(super) fn allow_many() {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(WANTED).min(WANTED);
    if limit.current.is_some_and(|current| current < most) {
        // Best effort: with less, fewer connections are served.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(most),
                ..limit
            },
        );
    }
}

/// The connections that are served at once where the operator says nothing: a fourth of the files,
/// since PostgreSQL, Spark and results need some too.
pub(super) fn connections() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(WANTED);
    usize::try_from((limit / 4).clamp(1, MOST)).unwrap_or(1)
}
