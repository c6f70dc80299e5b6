//! The desired state: what Envoys are to have next, whatever they have now.
//!
//! Whoever replaces it makes the next one from the one that it has seen, without a lock, and then
//! takes the turn to replace it. If somebody else was first, it begins anew with what is desired by
//! then.

use std::sync::Arc;

use store::RevisionNumber;
use tokio::sync::OwnedMutexGuard;

use super::Gateway;
use crate::generation::{BuildError, Built, Lists};
use crate::module::ModuleFile;

/// The inputs of the next generation, and that generation.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The newest revision that is stored. It is not the one of `built` where Envoys rejected it.
    pub head: RevisionNumber,
    /// The generation of the newest inputs that Envoys have not rejected.
    pub built: Arc<Built>,
    /// The lists of servers, of the document in `built` and of others.
    pub lists: Lists,
    /// The filter module that the next generation is made with.
    pub module: ModuleFile,
    /// How often it has been replaced.
    pub(super) edition: u64,
}

/// How often the next state is made anew because another replaced the one that it was made from.
/// Small changes without end would keep a large one out for ever without such a bound; a lower one
/// would have everyone wait for a large one that would have had its chance soon.
const MOST_RACES: u32 = 3;

/// The right to replace the desired state, as long as it is kept.
pub(super) struct Turn(OwnedMutexGuard<()>);

impl Desired {
    /// The desired state at the start of the process.
    pub(super) fn first(
        head: RevisionNumber,
        built: Arc<Built>,
        lists: Lists,
        module: ModuleFile,
    ) -> Self {
        Self {
            head,
            built,
            lists,
            module,
            edition: 0,
        }
    }
}

impl Gateway {
    /// The desired state, to make the next one from.
    pub(super) fn desired(&self) -> Desired {
        self.read().desired.clone()
    }

    /// Waits for the turn to replace the desired state.
    pub(super) async fn turn(&self) -> Turn {
        Turn(Arc::clone(&self.replacing).lock_owned().await)
    }

    /// The turn, for somebody who has begun anew so often that it is to be its turn from the
    /// beginning; the others wait for it.
    pub(super) async fn turn_at_last(&self, races: u32) -> Option<Turn> {
        if races < MOST_RACES {
            return None;
        }
        Some(self.turn().await)
    }

    /// Waits for the turn to replace the desired state, unless it is in hand; none if that is
    /// another one than `seen` by then.
    pub(super) async fn turn_after(&self, in_hand: Option<Turn>, seen: &Desired) -> Option<Turn> {
        let turn = match in_hand {
            Some(turn) => turn,
            None => self.turn().await,
        };
        (self.read().desired.edition == seen.edition).then_some(turn)
    }

    /// Replaces the desired state. The actor hands it out when it is done with what it has in hand.
    pub(super) fn desire(&self, Turn(_turn): &Turn, desired: Desired) {
        let latest = Arc::clone(&desired.built.document);
        {
            let mut state = self.write();
            let edition = state.desired.edition + 1;
            state.desired = Desired { edition, ..desired };
        }
        self.document.send_if_modified(|document| {
            let changed = *document != latest;
            *document = latest;
            changed
        });
        self.replaced.notify_one();
    }
}

/// Makes `built` anew with these lists and this module. Where that changes nothing for the Envoys
/// it has the very snapshot of `built`.
pub(super) fn remade(
    built: &Built,
    lists: &Lists,
    module: ModuleFile,
) -> Result<Built, BuildError> {
    let remade = built.next(built.revision, Arc::clone(&built.document), lists, module)?;
    if remade.generation() != built.generation() {
        return Ok(remade);
    }
    Ok(remade.with_snapshot(Arc::clone(&built.snapshot)))
}
