//! Which of the open brackets are objects: one bit for each level.

/// How deep a reader can be told to look, at most.
pub const MAX_DEPTH: usize = 1024;

const WORD: usize = 64;

/// A value that holds others, in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// An object, in braces.
    Object,
    /// An array, in brackets.
    Array,
}

#[derive(Debug)]
pub(crate) struct Nesting {
    depth: usize,
    limit: usize,
    objects: [u64; MAX_DEPTH / WORD],
    innermost: Option<Container>,
}

impl Nesting {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            depth: 0,
            limit: limit.min(MAX_DEPTH),
            objects: [0; MAX_DEPTH / WORD],
            innermost: None,
        }
    }

    #[inline]
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Enters a container; `false` where it would be too deep.
    #[inline]
    #[must_use]
    pub(crate) fn enter(&mut self, container: Container) -> bool {
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
    pub(crate) fn innermost(&self) -> Option<Container> {
        self.innermost
    }

    #[inline]
    pub(crate) fn leave(&mut self) {
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

    /// Leaves as many containers as are open beyond `depth`.
    pub(crate) fn leave_to(&mut self, depth: usize) {
        if self.depth > depth {
            self.depth = depth + 1;
            self.leave();
        }
    }
}
