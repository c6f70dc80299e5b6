//! The places and the bytes that each caller's tasks take, so that none takes what others need.

use std::collections::HashMap;

use fair_shares::Shares;
use uuid::Uuid;

/// On whose account a task is kept: its caller's claimant, as it is written into the task's file.
/// Callers without a name, who own their tasks together, have one for each address. The empty one
/// is that of files which do not say it.
pub(super) type Account = String;

/// The tasks on each account that are on the disk, and the bytes of their answers and requests.
#[derive(Debug, Default)]
pub(super) struct TaskShares {
    tasks: Shares<Account>,
    pub(super) bytes: Shares<Account>,
    /// The accounts of the tasks, so that no file is read twice for it.
    accounts: HashMap<Uuid, Account>,
}

impl TaskShares {
    /// Whether one more of the `most` tasks may be on this account.
    pub(super) fn have_place(&self, account: &Account, most: usize) -> bool {
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        self.tasks.have_room(account, 1, most)
    }

    /// Counts one more task.
    pub(super) fn add_task(&mut self, id: Uuid, account: &Account) {
        self.tasks.add(account.clone(), 1);
        self.accounts.insert(id, account.clone());
    }

    /// Counts a task no more that was counted just now.
    pub(super) fn remove_task(&mut self, id: Uuid) {
        if let Some(account) = self.accounts.remove(&id) {
            self.tasks.remove(&account, 1);
        }
    }

    /// The account of this task, if it was counted before.
    pub(super) fn account(&self, id: Uuid) -> Option<&Account> {
        self.accounts.get(&id)
    }
}
