//! Puts snapshots together with the secrets that they name.

use std::sync::{Arc, Weak};

use crate::{ResourceType, SecretTable, Snapshot};

/// Snapshots together with the secrets that they name: each is put together once for all Envoys
/// that have it.
#[derive(Debug, Default)]
pub(crate) struct WithSecrets {
    secrets: SecretTable,
    /// A snapshot as it was handed out, and with its secrets.
    known: Vec<(Weak<Snapshot>, Weak<Snapshot>)>,
}

impl WithSecrets {
    /// Replaces the secrets. Tells whether they are others.
    pub(crate) fn replace(&mut self, secrets: SecretTable) -> bool {
        let is_new = self.secrets != secrets;
        if is_new {
            self.secrets = secrets;
            self.known.clear();
        }
        is_new
    }

    /// The snapshot with the secrets that it names; the very snapshot, where it names none.
    pub(crate) fn complete(&mut self, snapshot: &Arc<Snapshot>) -> Arc<Snapshot> {
        if snapshot.referred(ResourceType::Secret).next().is_none() {
            return Arc::clone(snapshot);
        }
        let given = Arc::downgrade(snapshot);
        let mut known = self.known.iter();
        if let Some(complete) = known
            .find(|(other, _)| other.ptr_eq(&given))
            .and_then(|(_, complete)| complete.upgrade())
        {
            return complete;
        }
        let complete = Arc::new(snapshot.with_secrets(&self.secrets));
        self.known
            .retain(|(_, complete)| complete.strong_count() > 0);
        self.known.push((given, Arc::downgrade(&complete)));
        complete
    }
}
