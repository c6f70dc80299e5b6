//! The places and the bytes that each owner's tasks take, so that none takes what others need.

use std::collections::HashMap;

use uuid::Uuid;

/// Whom a task belongs to; `None` for all callers without identity.
pub(super) type Owner = Option<String>;

/// The tasks of one owner that are on the disk, and the bytes of their answers and requests.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    tasks: usize,
    bytes: u64,
}

/// The places and bytes of all tasks, by owner. An owner may have half of what the others leave:
/// however much one takes, there is room for the next.
#[derive(Debug, Default)]
pub(super) struct Shares {
    used: HashMap<Owner, Used>,
    /// Whose the tasks are, so that no file is read twice for it.
    owners: HashMap<Uuid, Owner>,
}

impl Shares {
    /// Whether `owner` may have one more of the `most` tasks.
    pub(super) fn have_place(&self, owner: &Owner, most: usize) -> bool {
        let (own, others) = self.own_and_others(owner);
        own.tasks < most.saturating_sub(others.tasks).div_ceil(2)
    }

    /// Whether `owner` may have so many more of the `most` bytes.
    pub(super) fn have_room(&self, owner: &Owner, bytes: u64, most: u64) -> bool {
        let (own, others) = self.own_and_others(owner);
        own.bytes.saturating_add(bytes) <= most.saturating_sub(others.bytes) / 2
    }

    /// Counts one more task.
    pub(super) fn add_task(&mut self, id: Uuid, owner: &Owner) {
        self.used.entry(owner.clone()).or_default().tasks += 1;
        self.owners.insert(id, owner.clone());
    }

    /// Counts a task no more that was counted just now.
    pub(super) fn remove_task(&mut self, id: Uuid) {
        if let Some(used) = self
            .owners
            .remove(&id)
            .and_then(|of| self.used.get_mut(&of))
        {
            used.tasks = used.tasks.saturating_sub(1);
        }
    }

    /// Counts more bytes of an owner's tasks.
    pub(super) fn add_bytes(&mut self, owner: &Owner, bytes: u64) {
        self.used.entry(owner.clone()).or_default().bytes += bytes;
    }

    /// Counts bytes no more that were counted.
    pub(super) fn remove_bytes(&mut self, owner: &Owner, bytes: u64) {
        if let Some(used) = self.used.get_mut(owner) {
            used.bytes = used.bytes.saturating_sub(bytes);
        }
    }

    /// Whose task this is, if it was counted before.
    pub(super) fn owner(&self, id: Uuid) -> Option<&Owner> {
        self.owners.get(&id)
    }

    fn own_and_others(&self, owner: &Owner) -> (Used, Used) {
        let mut others = Used::default();
        for (of, used) in &self.used {
            if of != owner {
                others.tasks += used.tasks;
                others.bytes = others.bytes.saturating_add(used.bytes);
            }
        }
        let own = self.used.get(owner).copied();
        (own.unwrap_or_default(), others)
    }
}
