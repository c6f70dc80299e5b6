//! How many files a process may have open: each connection through Envoy is two.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const ENOUGH: u64 = 65_536;

/// Raises our own limit, which the programs inherit, as far as the system lets us and it makes
/// sense.
pub(crate) fn allow_enough() {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if limit.current.is_some_and(|current| current < most) {
        // Best effort: with less, Envoy turns connections away earlier.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(most),
                ..limit
            },
        );
    }
}
