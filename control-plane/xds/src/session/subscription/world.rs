//! The state-of-the-world protocol's part of a subscription: each request carries all names, and
//! for clusters and listeners each response carries everything that the Envoy is to have.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use super::{Reply, Subscription, Wildcard};
use crate::{Resource, ResourceType, Version};

/// The facts that a subscription keeps where its stream speaks the state-of-the-world protocol.
#[derive(Debug)]
pub(in crate::session) struct World {
    /// Whether a request of this stream has named anything; from then on, one that names nothing
    /// asks for nothing.
    pub(in crate::session) has_named: bool,
    /// Nothing for the types of which a response may hold a part.
    set: Option<WholeSet>,
}

/// The whole set of a type as responses carry it: what is missing in one is removed.
#[derive(Debug)]
struct WholeSet {
    /// The contents of the next response, as far as nothing has changed since the last one.
    contents: BTreeMap<Arc<str>, Arc<Resource>>,
    /// The last contents that the Envoy acknowledged on this stream.
    good: BTreeMap<Arc<str>, Arc<Resource>>,
    earlier: Earlier,
    /// Whether a set that was not answered went out again, to have the Envoy say something.
    has_gone_out_again: bool,
}

/// Whether the Envoy may have resources that it was not sent on this stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Earlier {
    /// The Envoy has no resources of the type.
    Nothing,
    /// It accepted a set before this stream: whatever a response leaves out, it may lose.
    Unknown,
}

/// The whole set that goes out next.
pub(in crate::session) struct NextSet {
    pub(in crate::session) contents: Vec<Arc<Resource>>,
    /// Those of the contents that the Envoy has not acknowledged yet.
    pub(in crate::session) unanswered: Vec<Arc<Resource>>,
}

impl World {
    pub(in crate::session) fn new(resource_type: ResourceType, earlier: Earlier) -> Self {
        let set = resource_type.is_sent_whole().then(|| WholeSet {
            contents: BTreeMap::new(),
            good: BTreeMap::new(),
            earlier,
            has_gone_out_again: false,
        });
        Self {
            has_named: false,
            set,
        }
    }
}

impl WholeSet {
    /// Has the next response carry the content that the Envoy runs on with, after it rejected the
    /// one that it was sent.
    fn fall_back(&mut self, name: &Arc<str>) {
        match self.good.get(name) {
            Some(good) => {
                self.contents.insert(Arc::clone(name), Arc::clone(good));
            }
            None if self.earlier == Earlier::Nothing => {
                self.contents.remove(name);
            }
            // The Envoy may run on with a version that only it knows.
            None => {}
        }
    }
}

impl Subscription {
    /// Whether each response carries everything that the Envoy is to have of the type.
    pub(in crate::session) fn is_sent_whole(&self) -> bool {
        self.set().is_some()
    }

    /// Whether a response can say that something is no more. Removing an extension configuration
    /// answers live traffic with 500 (envoy#32823).
    pub(in crate::session) fn can_tell_absence(&self, resource_type: ResourceType) -> bool {
        resource_type.is_removed() && (self.world.is_none() || self.is_sent_whole())
    }

    /// Takes the Envoy to have all of `contents`, which it says by their common version.
    pub(in crate::session) fn has_all(&mut self, contents: impl Iterator<Item = Arc<Resource>>) {
        if let Some(set) = self.set_mut() {
            set.contents = contents
                .map(|resource| (Arc::clone(resource.name()), resource))
                .collect();
            set.good = set.contents.clone();
            set.earlier = Earlier::Nothing;
        }
    }

    /// The whole set of the next response, which is sent because of `changed` and `removed`;
    /// nothing where a response holds a part.
    pub(in crate::session) fn next_set(
        &mut self,
        changed: &[Arc<Resource>],
        removed: &[Arc<str>],
    ) -> Option<NextSet> {
        let set = self.world.as_mut()?.set.as_mut()?;
        for resource in changed {
            set.contents
                .insert(Arc::clone(resource.name()), Arc::clone(resource));
        }
        for name in removed {
            set.contents.remove(name);
            set.good.remove(name);
        }
        let changed: BTreeSet<&Arc<str>> = changed.iter().map(|one| one.name()).collect();
        let is_open = |resource: &&Arc<Resource>| {
            let tracked = self.tracked.get(resource.name());
            let has_no_answer = tracked.is_some_and(|tracked| {
                tracked.reply != Reply::Acked && tracked.sent.as_ref() == Some(resource.version())
            });
            has_no_answer || changed.contains(resource.name())
        };
        let contents: Vec<_> = set.contents.values().map(Arc::clone).collect();
        let unanswered = contents.iter().filter(is_open).map(Arc::clone).collect();
        Some(NextSet {
            contents,
            unanswered,
        })
    }

    /// The hash of all that the Envoy is to have of the type, as it was last sent; nothing in the
    /// incremental protocol.
    pub(in crate::session) fn set_version(&self) -> Option<Version> {
        let world = self.world.as_ref()?;
        Some(match &world.set {
            Some(set) => {
                let contents = set.contents.values();
                Version::of_set(contents.map(|resource| (resource.name(), resource.version())))
            }
            None => {
                let sent = self.tracked.iter();
                Version::of_set(
                    sent.filter_map(|(name, tracked)| Some((name, tracked.sent.as_ref()?))),
                )
            }
        })
    }

    /// Leaves names out of the next response that the Envoy no longer asks for.
    pub(super) fn leave_out_what_is_not_wanted(&mut self) {
        let (wildcard, named) = (self.wildcard, &self.named);
        if let Some(set) = self.world.as_mut().and_then(|world| world.set.as_mut())
            && wildcard == Wildcard::No
        {
            set.contents.retain(|name, _| named.contains(name));
            set.good.retain(|name, _| named.contains(name));
        }
    }

    /// Takes in that the Envoy acknowledged these contents of a whole set.
    pub(super) fn set_was_acknowledged(&mut self, contents: &[Arc<Resource>]) {
        let Some(set) = self.set_mut() else {
            return;
        };
        for resource in contents {
            set.good
                .insert(Arc::clone(resource.name()), Arc::clone(resource));
        }
        set.earlier = Earlier::Nothing;
        set.has_gone_out_again = false;
    }

    /// Has the next set hold the content that the Envoy runs on with.
    pub(super) fn fall_back(&mut self, name: &Arc<str>) {
        if let Some(set) = self.set_mut() {
            set.fall_back(name);
        }
    }

    /// Takes in the rejection of a whole set. Those are to blame that the Envoy's words name; where
    /// they name none, the set goes out again with halves of what is new, until that which is to
    /// blame is alone. If nothing may be left out, all that is new is to blame.
    ///
    /// An Envoy may be silent about a set, and give that one's rejection for its answer to the
    /// next: what names nothing of the next one, `after_silence`, has it sent again.
    pub(super) fn set_was_rejected(
        &mut self,
        contents: &[Arc<Resource>],
        message: &str,
        after_silence: bool,
        now: Instant,
    ) {
        let is_named = |resource: &Arc<Resource>| names(message, resource.name());
        let names_any = contents.iter().any(is_named);
        let Some(set) = self.set_mut() else {
            return;
        };
        set.has_gone_out_again = false;
        let may_leave_out = set.earlier == Earlier::Nothing;
        if !names_any && !after_silence && may_leave_out && contents.len() > 1 {
            for resource in contents {
                set.fall_back(resource.name());
            }
            self.split(contents, &BTreeSet::new(), "");
            return;
        }
        for resource in contents {
            if !self.is_last_sent(resource) {
                continue;
            }
            if is_named(resource) || !(names_any || after_silence) {
                self.was_rejected(resource, message.to_owned(), now);
                self.fall_back(resource.name());
            } else {
                self.send_again(resource.name());
            }
        }
    }

    /// Takes in that a whole set was not answered in time. It goes out once more: an Envoy that
    /// keeps a rejection to itself gives it for its answer to the next response.
    pub(super) fn set_was_not_answered(&mut self, contents: &[Arc<Resource>], now: Instant) {
        let goes_out_again = self
            .set_mut()
            .is_some_and(|set| !std::mem::replace(&mut set.has_gone_out_again, true));
        for resource in contents {
            if !self.is_last_sent(resource) {
                continue;
            }
            if let Some(tracked) = self.tracked.get_mut(resource.name()) {
                tracked.reply = Reply::Overdue;
                tracked.since = now;
                // A late acknowledgement of an earlier sending may have come since.
                self.unheard.insert(Arc::clone(resource.name()));
            }
            if goes_out_again {
                self.send_again(resource.name());
            }
        }
    }

    pub(super) fn is_last_sent(&self, resource: &Resource) -> bool {
        let tracked = self.tracked.get(resource.name());
        tracked.is_some_and(|tracked| tracked.sent.as_ref() == Some(resource.version()))
    }

    pub(super) fn send_again(&mut self, name: &Arc<str>) {
        if let Some(tracked) = self.tracked.get_mut(name) {
            tracked.repeat();
            self.pending.insert(Arc::clone(name));
        }
    }

    fn set(&self) -> Option<&WholeSet> {
        self.world.as_ref()?.set.as_ref()
    }

    fn set_mut(&mut self) -> Option<&mut WholeSet> {
        self.world.as_mut()?.set.as_mut()
    }
}

/// Whether words name a resource: its name stands there, and not as a part of a longer one.
fn names(words: &str, name: &str) -> bool {
    let goes_on = |character: char| character.is_alphanumeric() || "_-".contains(character);
    words.match_indices(name).any(|(start, _)| {
        let before = words[..start].chars().next_back();
        let after = words[start + name.len()..].chars().next();
        !before.is_some_and(goes_on) && !after.is_some_and(goes_on)
    })
}
