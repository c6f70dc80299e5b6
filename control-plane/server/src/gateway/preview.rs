//! Tries a change without making it.

use std::sync::Arc;

use gateway_document::CheckedDocument;
use store::RevisionNumber;

use super::Gateway;
use super::change::{ChangeError, Edit, Precondition};
use super::in_hand::InHand;
use super::rollback::loosens;
use crate::aside;
use crate::generation::Built;

/// The generation that a change is made to, and the one that it would make. Of servers that the
/// change registers or moves no list is known: nobody is asked for a change that is not made.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The generation that the next change is made to.
    pub before: Arc<Built>,
    /// The generation that the change would make.
    pub after: Arc<Built>,
    /// Why no Envoy has judged it, where one was to.
    pub unjudged: Option<String>,
}

impl Preview {
    /// Whether calls may pass afterwards that are refused now; what nobody can compare counts as
    /// such.
    #[must_use]
    pub fn loosens(&self) -> bool {
        loosens(&self.before, &self.after)
    }
}

impl Gateway {
    /// Tries a change on what is desired now. Nothing is stored, no server is asked for its list
    /// and no Envoy that serves traffic is sent anything. The secrets that it brings are read, and
    /// the Envoy that is asked about changes is asked about this one.
    ///
    /// # Errors
    /// When the change would be refused before Envoys are sent it.
    pub async fn preview(
        &self,
        _in_hand: &InHand,
        edit: Edit,
        precondition: Precondition,
    ) -> Result<Preview, ChangeError> {
        let seen = self.desired();
        if !precondition.is_met_by(seen.built.revision) {
            return Err(self.stale(seen.built.revision).await?);
        }
        let (before, module) = (Arc::clone(&seen.built), seen.module.clone());
        let document = self.edited(&edit, &before).await?;
        let secrets = self.secrets.read(&document, &before.document).await;
        secrets.map_err(ChangeError::Invalid)?;
        let after = aside::run(move || {
            let revision = RevisionNumber(seen.head.0 + 1);
            seen.built.next(revision, document, &seen.lists, module)
        });
        let after = Arc::new(after.await?);
        let unjudged = self.fly_ahead(&before, &after).await?;
        Ok(Preview {
            before,
            after,
            unjudged,
        })
    }

    /// The generation that a stored revision would make today: with the lists and the module that
    /// are desired now.
    ///
    /// # Errors
    /// When the document does not hold together with them.
    pub async fn make_today(
        &self,
        _in_hand: &InHand,
        revision: RevisionNumber,
        document: Arc<CheckedDocument>,
    ) -> Result<Built, ChangeError> {
        let seen = self.desired();
        let made = aside::run_question(move || {
            let module = seen.module.clone();
            seen.built.next(revision, document, &seen.lists, module)
        });
        Ok(made.await?)
    }
}
