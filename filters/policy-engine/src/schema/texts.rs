//! Texts of which one is found in a few comparisons.

use std::collections::BTreeMap;

use step_count::count;

/// A sorted list of texts. One type for all that is looked up so: each kind of list would bring a
/// sort of its own into the module.
#[derive(Debug, Default)]
pub(super) struct SortedTexts(Vec<Box<[u8]>>);

impl SortedTexts {
    pub(super) const EMPTY: Self = Self(Vec::new());

    pub(super) fn new<T: AsRef<[u8]>>(texts: impl Iterator<Item = T>) -> Self {
        let mut sorted = Self(texts.map(|text| text.as_ref().into()).collect());
        sorted.sort();
        sorted
    }

    #[inline(never)]
    fn sort(&mut self) {
        self.0.sort_unstable();
    }

    /// Keeps one of each.
    pub(super) fn drop_repeated(&mut self) {
        self.0.dedup();
    }

    /// Keeps those that are there more than once.
    pub(super) fn keep_repeated(&mut self) {
        let mut before: Option<Box<[u8]>> = None;
        self.0.retain(|text| {
            let is_repeated = before.as_ref() == Some(text);
            before = Some(text.clone());
            is_repeated
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|text| &**text)
    }

    pub(super) fn contains(&self, text: &[u8]) -> bool {
        let found = self.0.binary_search_by(|known| {
            count(1 + text.len().min(known.len()));
            (**known).cmp(text)
        });
        found.is_ok()
    }

    /// The most comparisons that it takes to find one.
    pub(super) fn comparisons(&self) -> usize {
        halvings(self.len())
    }
}

/// How often so many sorted things can be halved: the comparisons that find one of them.
pub(super) fn halvings(things: usize) -> usize {
    things.checked_ilog2().map_or(0, |most| most as usize + 1)
}

/// Texts with a number each. One type for all that is numbered so, as with [`SortedTexts`].
#[derive(Debug, Default)]
pub(super) struct NumberedTexts(BTreeMap<String, usize>);

impl NumberedTexts {
    #[inline(never)]
    pub(super) fn get(&self, text: &str) -> Option<usize> {
        self.0.get(text).copied()
    }

    /// The number of a text; of one that is new it is `next` from now on.
    #[inline(never)]
    pub(super) fn number(&mut self, text: &str, next: usize) -> usize {
        count(1);
        *self.0.entry(text.to_owned()).or_insert(next)
    }

    /// The numbers in the order of their texts.
    pub(super) fn into_numbers(self) -> Vec<usize> {
        self.0.into_values().collect()
    }
}
