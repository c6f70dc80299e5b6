//! The places and the bytes that each owner's tasks take, so that none takes what others need.

use std::collections::HashMap;

use fair_shares::Shares;
use uuid::Uuid;

/// Whom a task belongs to; `None` for all callers without identity.
pub(super) type Owner = Option<String>;

/// The tasks of each owner that are on the disk, and the bytes of their answers and requests.
#[derive(Debug, Default)]
pub(super) struct TaskShares {
    tasks: Shares<Owner>,
    pub(super) bytes: Shares<Owner>,
    /// Whose the tasks are, so that no file is read twice for it.
    owners: HashMap<Uuid, Owner>,
}

impl TaskShares {
    /// Whether `owner` may have one more of the `most` tasks.
    pub(super) fn have_place(&self, owner: &Owner, most: usize) -> bool {
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        self.tasks.have_room(owner, 1, most)
    }

    /// Counts one more task.
    pub(super) fn add_task(&mut self, id: Uuid, owner: &Owner) {
        self.tasks.add(owner.clone(), 1);
        self.owners.insert(id, owner.clone());
    }

    /// Counts a task no more that was counted just now.
    pub(super) fn remove_task(&mut self, id: Uuid) {
        if let Some(owner) = self.owners.remove(&id) {
            self.tasks.remove(&owner, 1);
        }
    }

    /// Whose task this is, if it was counted before.
    pub(super) fn owner(&self, id: Uuid) -> Option<&Owner> {
        self.owners.get(&id)
    }
}
