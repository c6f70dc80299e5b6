//! Which of the open brackets are objects: one bit for each level.

/// How deep a reader can be told to look, at most.
pub const MAX_DEPTH: usize = 1024;

const WORD: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Object,
    Array,
}

#[derive(Debug)]
pub(super) struct Nesting {
    depth: usize,
    limit: usize,
    objects: [u64; MAX_DEPTH / WORD],
    innermost: Option<Container>,
}

impl Nesting {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            depth: 0,
            limit: limit.min(MAX_DEPTH),
            objects: [0; MAX_DEPTH / WORD],
            innermost: None,
        }
    }

    #[inline]
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Enters a container; `false` where it would be too deep.
    #[inline]
    #[must_use]
    pub(super) fn enter(&mut self, container: Container) -> bool {
        if self.depth >= self.limit {
            return false;
        }
        let bit = 1 << (self.depth % WORD);
        if let Some(word) = self.objects.get_mut(self.depth / WORD) {
            match container {
                Container::Object => *word |= bit,
                Container::Array => *word &= !bit,
            }
        }
        self.depth += 1;
        self.innermost = Some(container);
        true
    }

    /// The innermost open container.
    #[inline]
    pub(super) fn innermost(&self) -> Option<Container> {
        self.innermost
    }

    #[inline]
    pub(super) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.innermost = self.depth.checked_sub(1).map(|level| {
            let word = self.objects.get(level / WORD).copied().unwrap_or_default();
            if word >> (level % WORD) & 1 == 1 {
                Container::Object
            } else {
                Container::Array
            }
        });
    }
}
