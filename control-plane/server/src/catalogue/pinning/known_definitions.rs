//! The definitions of a pinned server's tools that were approved, rejected, or wait, to be compared
//! with what it lists.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use serde_json::Value;
use store::{Catalogue, DefinitionReview, RawTool, ReviewState};

use crate::catalogue::{MOST_DEFINITION_BYTES, MOST_OF_A_NAME};

/// The definitions of a list by the names of their tools.
pub(super) struct KnownDefinitions<'l>(BTreeMap<&'l str, OfName<'l>>);

/// The definitions of one name.
#[derive(Default)]
pub(super) struct OfName<'l> {
    /// Those that were approved, as many as are kept of a name; with the review of one that its
    /// server did not list any more.
    pub(super) approved: Vec<(Definition<'l>, Option<&'l DefinitionReview>)>,
    /// The one that was rejected, and the one that waits.
    pub(super) reviewed: Vec<(Definition<'l>, &'l DefinitionReview)>,
}

impl<'l> KnownDefinitions<'l> {
    pub(super) fn of(list: &'l Catalogue) -> Self {
        let mut known: BTreeMap<&str, OfName<'_>> = BTreeMap::new();
        let in_force = list.tools.iter().map(|tool| (tool, None));
        let of_state = |state| {
            let reviews = list.reviews.iter();
            reviews.filter(move |review| review.state == state)
        };
        let gone = of_state(ReviewState::Approved).map(|review| (&review.tool, Some(review)));
        for (tool, review) in in_force.chain(gone) {
            let approved = &mut known.entry(&tool.name).or_default().approved;
            if approved.len() < MOST_OF_A_NAME {
                approved.push((Definition::of(tool), review));
            }
        }
        for review in of_state(ReviewState::Rejected).chain(of_state(ReviewState::Unreviewed)) {
            let of_name = known.entry(&review.tool.name).or_default();
            let definition = Definition::of(&review.tool);
            of_name.reviewed.push((definition, review));
        }
        Self(known)
    }

    /// The definitions of each name.
    pub(super) fn by_name(&self) -> impl Iterator<Item = (&'l str, &OfName<'l>)> {
        self.0.iter().map(|(name, known)| (*name, known))
    }

    pub(super) fn of_name(&self, name: &str) -> &OfName<'l> {
        const NOTHING: &OfName<'static> = &OfName {
            approved: Vec::new(),
            reviewed: Vec::new(),
        };
        self.0.get(name).unwrap_or(NOTHING)
    }
}

/// A definition that is read once, when it is compared with one in other bytes.
pub(super) struct Definition<'l> {
    pub(super) tool: &'l RawTool,
    /// Nothing where it cannot be read, or is too long to be.
    value: OnceCell<Option<Value>>,
}

impl<'l> Definition<'l> {
    pub(super) fn of(tool: &'l RawTool) -> Self {
        let value = OnceCell::new();
        Self { tool, value }
    }

    /// Whether two definitions say the same, whatever the order of their fields and the spaces
    /// between.
    pub(super) fn is_same(&self, other: &Definition<'_>) -> bool {
        step_count::count(1);
        self.tool.json == other.tool.json
            || matches!((self.value(), other.value()), (Some(one), Some(other)) if one == other)
    }

    fn value(&self) -> Option<&Value> {
        let read = || {
            step_count::count(1);
            let text = &self.tool.json;
            let is_read = text.len() <= MOST_DEFINITION_BYTES;
            is_read.then(|| serde_json::from_str(text).ok()).flatten()
        };
        self.value.get_or_init(read).as_ref()
    }
}
