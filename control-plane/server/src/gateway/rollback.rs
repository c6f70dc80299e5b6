//! The way back to an earlier revision, as a change like any other.

use std::sync::Arc;

use gateway_document::{CheckedDocument, Format};
use store::{Revision, StoreError};

use super::Gateway;
use super::change::{ChangeError, Edit};
use super::loosening::{may_loosen, may_loosen_unseen};
use super::report::WayBack;
use crate::generation::Built;

/// Whether a change may let something pass that is refused now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loosening {
    /// It may not, or may but nobody has said that it is meant.
    Refused,
    /// It may: whoever makes the change has said so.
    Meant,
}

impl Gateway {
    /// The way back to a revision. Without one it leads to the newest revision that every Envoy
    /// accepted before the one which changes are made to now; there is none where there is no such
    /// one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn way_back(&self, to: Option<u64>) -> Result<Option<WayBack>, StoreError> {
        let (from, newest) = {
            let state = self.read();
            (state.desired.built.revision, state.desired.head)
        };
        let to = match to {
            Some(to) => Some(to),
            None => {
                let accepted = self.store.last_accepted_revision(from).await?;
                accepted.map(|number| number.0)
            }
        };
        Ok(to.map(|to| WayBack {
            to,
            from: from.0,
            taken_back: (newest != from).then_some(newest.0),
        }))
    }
}

/// The document of a stored revision.
///
/// # Errors
/// When this version no longer takes it.
pub fn document_of(revision: &Revision) -> Result<CheckedDocument, ChangeError> {
    let document = gateway_document::parse(&revision.document, Format::Json)?;
    CheckedDocument::new(document).map_err(ChangeError::Invalid)
}

/// The change back to `revision`, which keeps today's lists and module.
///
/// # Errors
/// When this version no longer takes its document.
pub fn to_revision(revision: &Revision, loosening: Loosening) -> Result<Edit, ChangeError> {
    let number = revision.summary.number;
    let document = document_of(revision)?;
    Ok(Arc::new(move |built| {
        if loosening == Loosening::Refused && document_loosens(built, &document) {
            return Err(ChangeError::Loosens(number));
        }
        Ok(document.clone())
    }))
}

/// Whether Envoys that run `built` might pass more with this document. One that cannot be made is
/// found out by whoever makes it.
fn document_loosens(built: &Built, document: &CheckedDocument) -> bool {
    let target = built.next(
        built.revision,
        Arc::new(document.clone()),
        &built.lists,
        built.module.clone(),
    );
    target.is_ok_and(|target| loosens(built, &target))
}

/// Whether Envoys that go from one generation to another might pass more; what nobody can compare
/// counts as such.
pub(super) fn loosens(from: &Built, to: &Built) -> bool {
    may_loosen(from, to) || may_loosen_unseen(from, to)
}
