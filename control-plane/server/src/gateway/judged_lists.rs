//! Lists as they are judged, for a state that may have to be made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gateway_document::{KnownSchemas, Server, ServerName};
use store::Catalogue;

use crate::catalogue::{KnownList, Listing};

/// Lists of servers, judged and compiled once. Whoever loses the race to replace the desired state,
/// and has the turn at last, compiles nothing while all others wait.
#[derive(Default)]
pub(super) struct JudgedLists(BTreeMap<ServerName, Judged>);

/// All that a list is judged by, beside what the server listed.
pub(super) struct Grounds<'a> {
    pub(super) server: &'a Server,
    /// The list before it.
    pub(super) previous: Option<&'a Arc<KnownList>>,
    /// Whether what was approved of that stays so.
    pub(super) is_pinned: bool,
}

struct Judged {
    server: Server,
    previous: Option<Arc<KnownList>>,
    is_pinned: bool,
    list: Arc<KnownList>,
    is_new: bool,
}

impl JudgedLists {
    /// Judges what a server listed, and compiles its schemas if it says something new; both only if
    /// that is not done yet.
    pub(super) fn judge(
        &mut self,
        name: &ServerName,
        listing: &Listing,
        grounds: &Grounds<'_>,
        known: &KnownSchemas,
    ) -> &Arc<KnownList> {
        if !self.has(name, grounds) {
            let judged = Judged::new(name, listing, grounds);
            if judged.is_new {
                judged.list.tools.compile_schemas(known);
            }
            // What is replaced has kept the schemas that both have in common.
            self.0.insert(name.clone(), judged);
        }
        &self.0[name].list
    }

    /// Whether the list of a server is judged by just this.
    pub(super) fn has(&self, name: &ServerName, grounds: &Grounds<'_>) -> bool {
        self.0.get(name).is_some_and(|judged| judged.is_by(grounds))
    }

    /// The list of a server, if it is judged by just this and says something new.
    pub(super) fn new_list(
        &self,
        name: &ServerName,
        grounds: &Grounds<'_>,
    ) -> Option<&Arc<KnownList>> {
        let judged = self.0.get(name).filter(|judged| judged.is_by(grounds));
        judged
            .filter(|judged| judged.is_new)
            .map(|judged| &judged.list)
    }

    /// Forgets the list of a server that is asked once more.
    pub(super) fn forget(&mut self, name: &ServerName) {
        self.0.remove(name);
    }
}

impl Judged {
    fn new(name: &ServerName, listing: &Listing, grounds: &Grounds<'_>) -> Self {
        let Grounds {
            server,
            previous,
            is_pinned,
        } = *grounds;
        let before = previous.map(|list| &**list);
        let approved = before.filter(|_| is_pinned);
        let list = KnownList::observed(name, listing.clone(), before, approved);
        let is_known = before.is_some_and(|before| {
            before.may_be_of(server) && same_list(&before.stored, &list.stored)
        });
        Self {
            server: server.clone(),
            previous: previous.cloned(),
            is_pinned,
            list: Arc::new(list),
            is_new: !is_known,
        }
    }

    fn is_by(&self, grounds: &Grounds<'_>) -> bool {
        let previous = match (&self.previous, grounds.previous) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        previous && self.is_pinned == grounds.is_pinned && self.server == *grounds.server
    }
}

/// Whether two lists say the same; servers may list in any order.
fn same_list(one: &Catalogue, other: &Catalogue) -> bool {
    fn definitions(list: &Catalogue) -> BTreeSet<&str> {
        list.tools.iter().map(|tool| tool.json.as_str()).collect()
    }
    one.protocol == other.protocol
        && one.about == other.about
        && one.reviews == other.reviews
        && (one.hash == other.hash
            || (one.tools.len() == other.tools.len() && definitions(one) == definitions(other)))
}

#[cfg(test)]
mod tests;
