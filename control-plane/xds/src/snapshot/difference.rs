//! In what two snapshots differ, worked out once for all sessions that go from one to the other.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, VecDeque},
    iter::Peekable,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use super::Snapshot;
use crate::ResourceType;

/// How many earlier snapshots a difference is remembered from. Envoys come from the one before;
/// from two or three where some are slow, or were given another one first. An Envoy that comes from
/// a yet older one has its difference worked out anew, and pushes out the oldest.
const MOST_KNOWN: usize = 8;

/// The names in which two snapshots differ, by type.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    /// The names whose resource is new, is another one, or is gone.
    changed: BTreeMap<ResourceType, Vec<Arc<str>>>,
    /// The names that are referred to in one of the two alone.
    referred: BTreeMap<ResourceType, Vec<Arc<str>>>,
}

impl Difference {
    pub(super) fn between(before: &Snapshot, after: &Snapshot) -> Self {
        let mut difference = Self::default();
        for resource_type in ResourceType::ALL {
            let (old, new) = (
                before.resources.get(&resource_type),
                after.resources.get(&resource_type),
            );
            if !is_same(old, new) {
                let changed = unequal(
                    old.into_iter().flat_map(|by_name| by_name.iter()),
                    new.into_iter().flat_map(|by_name| by_name.iter()),
                    |old, new| Arc::ptr_eq(old, new) || old.version() == new.version(),
                );
                difference.changed.insert(resource_type, changed);
            }
            let (old, new) = (
                before.referred.get(&resource_type),
                after.referred.get(&resource_type),
            );
            if !is_same(old, new) {
                let named = |name| (name, &());
                let referred = unequal(
                    old.into_iter().flat_map(|names| names.iter()).map(named),
                    new.into_iter().flat_map(|names| names.iter()).map(named),
                    |(), ()| true,
                );
                difference.referred.insert(resource_type, referred);
            }
        }
        difference
    }

    /// The names of a type whose resource, or whose being referred to, is another in the two.
    pub(crate) fn names(&self, resource_type: ResourceType) -> impl Iterator<Item = &Arc<str>> {
        [&self.changed, &self.referred]
            .into_iter()
            .filter_map(move |by_type| by_type.get(&resource_type))
            .flatten()
    }
}

fn is_same<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

/// The names that only one of two sorted lists has, and those that have unequal values in both.
fn unequal<'a, T: 'a>(
    before: impl Iterator<Item = (&'a Arc<str>, &'a T)>,
    after: impl Iterator<Item = (&'a Arc<str>, &'a T)>,
    is_equal: impl Fn(&T, &T) -> bool,
) -> Vec<Arc<str>> {
    let (mut before, mut after) = (before.peekable(), after.peekable());
    let mut names = Vec::new();
    loop {
        step_count::count(1);
        let order = match (before.peek(), after.peek()) {
            (Some((old, _)), Some((new, _))) => old.cmp(new),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return names,
        };
        let old = next_if(&mut before, order.is_le());
        let new = next_if(&mut after, order.is_ge());
        match (old, new) {
            (Some((_, old)), Some((_, new))) if is_equal(old, new) => {}
            (_, Some((name, _))) | (Some((name, _)), None) => names.push(Arc::clone(name)),
            (None, None) => {}
        }
    }
}

fn next_if<I: Iterator>(items: &mut Peekable<I>, is_its_turn: bool) -> Option<I::Item> {
    items.next_if(|_| is_its_turn)
}

/// The differences of one snapshot from earlier ones that somebody has asked for.
#[derive(Debug, Default)]
pub(super) struct KnownDifferences(Mutex<VecDeque<(Weak<Snapshot>, Arc<Difference>)>>);

impl KnownDifferences {
    /// The difference from `before`. Whoever asks while it is being worked out waits for it.
    pub(super) fn get_or_insert_with(
        &self,
        before: &Arc<Snapshot>,
        work_out: impl FnOnce() -> Difference,
    ) -> Arc<Difference> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = Arc::downgrade(before);
        if let Some((_, difference)) = known.iter().find(|(other, _)| other.ptr_eq(&from)) {
            return Arc::clone(difference);
        }
        let difference = Arc::new(work_out());
        known.retain(|(other, _)| other.strong_count() > 0);
        if known.len() == MOST_KNOWN {
            known.pop_front();
        }
        known.push_back((from, Arc::clone(&difference)));
        difference
    }
}

/// A copy of a snapshot is another one, from which nothing is known yet.
impl Clone for KnownDifferences {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Knowing a difference makes no snapshot another.
impl PartialEq for KnownDifferences {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Resource,
        fixtures::{cluster, eds_cluster, endpoints, route, snapshot},
    };

    fn names_of(difference: &Difference, resource_type: ResourceType) -> Vec<&str> {
        difference
            .names(resource_type)
            .map(|name| &**name)
            .collect()
    }

    fn difference(
        before: impl IntoIterator<Item = Resource>,
        after: impl IntoIterator<Item = Resource>,
    ) -> Arc<Difference> {
        let (before, after) = (snapshot("before", before), snapshot("after", after));
        after.difference_from(&before)
    }

    #[test]
    fn it_names_what_is_new_another_or_gone() {
        let found = difference(
            [cluster("same", 1), cluster("other", 1), cluster("gone", 1)],
            [cluster("same", 1), cluster("other", 2), cluster("new", 1)],
        );
        assert_eq!(
            names_of(&found, ResourceType::Cluster),
            ["gone", "new", "other"]
        );
        assert_eq!(names_of(&found, ResourceType::Route), [""; 0]);
    }

    #[test]
    fn it_names_what_is_referred_to_in_one_of_the_two_alone() {
        let found = difference(
            [
                eds_cluster("a", 1),
                endpoints("a", 1),
                cluster("b", 1),
                endpoints("b", 1),
            ],
            [
                cluster("a", 1),
                endpoints("a", 1),
                eds_cluster("b", 1),
                endpoints("b", 1),
            ],
        );
        assert_eq!(names_of(&found, ResourceType::Endpoints), ["a", "b"]);
    }

    #[test]
    fn it_compares_two_snapshots_once_for_all_who_ask() {
        let routes = |revision: &str| {
            (0..100)
                .map(|name| route(&name.to_string(), revision))
                .collect::<Vec<_>>()
        };
        let (before, after) = (snapshot("1", routes("1")), snapshot("2", routes("2")));
        let (first, steps) = step_count::taken_by(|| after.difference_from(&before));
        assert!(steps >= 100, "{steps} steps");
        let (again, steps) = step_count::taken_by(|| after.difference_from(&before));
        assert_eq!(steps, 0);
        assert!(Arc::ptr_eq(&first, &again));
    }

    #[test]
    fn it_remembers_a_bounded_number_of_differences_and_none_from_what_is_gone() {
        let after = snapshot("after", [cluster("a", 0)]);
        let kept: Vec<_> = (1..=2 * MOST_KNOWN)
            .map(|revision| snapshot("before", [cluster("a", revision as u32)]))
            .collect();
        for before in &kept {
            after.difference_from(before);
        }
        let known = || after.differences.0.lock().expect("no panic").len();
        assert_eq!(known(), MOST_KNOWN);
        drop(kept);
        after.difference_from(&snapshot("last", [cluster("a", 99)]));
        assert_eq!(known(), 1);
    }
}
