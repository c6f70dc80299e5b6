//! A part of a text that others share.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A part of a text that others share: a list keeps the text that it was read from, and copies
/// nothing of it.
#[derive(Clone)]
pub(crate) struct TextPart {
    whole: Arc<str>,
    from: usize,
    to: usize,
}

impl TextPart {
    /// The part at a place, in bytes; nothing where the text has no such place, or a character
    /// would be cut in two.
    pub(crate) fn of(whole: &Arc<str>, place: Range<usize>) -> Option<Self> {
        whole.get(place.clone())?;
        Some(Self {
            whole: Arc::clone(whole),
            from: place.start,
            to: place.end,
        })
    }
}

impl From<Arc<str>> for TextPart {
    fn from(whole: Arc<str>) -> Self {
        let to = whole.len();
        Self { whole, from: 0, to }
    }
}

impl From<&str> for TextPart {
    fn from(text: &str) -> Self {
        Arc::<str>::from(text).into()
    }
}

impl Deref for TextPart {
    type Target = str;

    fn deref(&self) -> &str {
        self.whole.get(self.from..self.to).unwrap_or_default()
    }
}

impl fmt::Debug for TextPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(formatter)
    }
}
