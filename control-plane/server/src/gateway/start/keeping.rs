//! A start knows again what Envoys keep that was rejected, because going back may allow more.
//!
//! The store knows the inputs of what is kept until Envoys accept something, or are taken back.

use std::collections::BTreeSet;

use store::{Input, RevisionNumber, WithheldInput};

use crate::generation::Built;

/// The revision of the generation that Envoys keep, unless an operator has written something since.
/// An accepted generation may be kept long after a later revision was taken back; whatever is taken
/// back after it was kept ends that.
pub(super) fn still_kept(
    kept: &[WithheldInput],
    withheld: &BTreeSet<Input>,
    head: RevisionNumber,
    good: Option<&Built>,
) -> Option<RevisionNumber> {
    let revisions = kept.iter().filter_map(|kept| match &kept.input {
        Input::Revision(number) => Some(*number),
        // They are to blame only where the document was the accepted one.
        Input::List { .. } | Input::Module(_) => good.map(|good| good.revision),
    });
    let newest = revisions.max()?;
    let settled = taken_back(withheld).fold(newest, RevisionNumber::max);
    (settled == head).then_some(newest)
}

/// Whether this is an input of that generation. If not, Envoys keep another one besides.
pub(super) fn is_of(kept: &WithheldInput, built: &Built) -> bool {
    match &kept.input {
        Input::Revision(number) => *number == built.revision,
        Input::List { server, hash } => {
            let list = built.lists.get(server.as_str());
            list.is_some_and(|list| list.stored.hash == *hash)
        }
        Input::Module(sha256) => *sha256 == built.module.sha256,
    }
}

/// The revisions that were taken back.
pub(super) fn taken_back(withheld: &BTreeSet<Input>) -> impl Iterator<Item = RevisionNumber> {
    withheld.iter().filter_map(|input| match input {
        Input::Revision(number) => Some(*number),
        Input::List { .. } | Input::Module(_) => None,
    })
}

/// Whether servers listed nothing else for the one than for the other.
pub(super) fn has_lists_of(one: &Built, other: &Built) -> bool {
    let hash_in = |built: &Built, name: &str| {
        let list = built.lists.get(name);
        list.map(|list| list.stored.hash.clone())
    };
    let mut names = one.lists.keys().chain(other.lists.keys());
    names.all(|name| hash_in(one, name.as_str()) == hash_in(other, name.as_str()))
}
