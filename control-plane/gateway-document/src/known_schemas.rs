//! The compiled schemas of a gateway's policies.

use std::sync::{Arc, Mutex, PoisonError};

use policy_engine::SchemaCache;

/// The compiled schemas of policies that are made one after the other or at the same time: each
/// compiles those that it brings, and no others. Nobody waits for a schema that somebody else
/// compiles, unless it needs that one.
#[derive(Debug, Clone, Default)]
pub struct KnownSchemas(Arc<Mutex<SchemaCache>>);

impl KnownSchemas {
    /// Looks schemas up and notes new ones. The others wait until that is done, so nothing is to be
    /// compiled in there.
    pub(crate) fn look_up<T>(&self, look: impl FnOnce(&mut SchemaCache) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
