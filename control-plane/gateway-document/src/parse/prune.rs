//! A document with what is at fault taken out, and the way back to the paths that its author wrote.

use serde_json::Value;

/// Trees of up to so many values are read as often as they have faults: documents of thousands of
/// rules, in less than a second.
const ALWAYS_ALLOWED: usize = 1 << 19;
/// Larger trees are read so often as a whole.
const MOST_READS: usize = 4;

/// A tree that parts are taken out of.
#[derive(Debug)]
pub(super) struct Pruning {
    tree: Value,
    /// How many values may still be read.
    steps_left: usize,
    /// Items taken out of arrays, in the order of their going.
    removed: Vec<RemovedItems>,
}

/// Items that were taken out of an array: what stood behind them moved up by as many.
#[derive(Debug)]
struct RemovedItems {
    array: String,
    first: usize,
    count: usize,
}

impl Pruning {
    pub(super) fn new(tree: Value) -> Self {
        Self {
            steps_left: ALWAYS_ALLOWED.max(size_of(&tree).saturating_mul(MOST_READS)),
            tree,
            removed: Vec::new(),
        }
    }

    pub(super) fn tree(&self) -> &Value {
        &self.tree
    }

    /// Whether the tree may be read once more, after as many values as were read before.
    pub(super) fn may_be_read_again(&self) -> bool {
        self.steps_left > 0
    }

    /// Takes out what is at a path as its author wrote it, where a reader found a fault, and the
    /// items before it, which are good. `false`: there is nothing, or it is everything.
    pub(super) fn remove(&mut self, written: &str) -> bool {
        self.remove_items_before(written);
        let path = self.present_path(written);
        let Some((parent, token)) = path.rsplit_once('/') else {
            return false;
        };
        match self.tree.pointer_mut(parent) {
            Some(Value::Object(fields)) => fields.remove(&key(token)).is_some(),
            Some(Value::Array(items)) => match token.parse() {
                Ok(index) if index < items.len() => {
                    items.remove(index);
                    self.removed.push(RemovedItems {
                        array: parent.to_owned(),
                        first: index,
                        count: 1,
                    });
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Takes out, of each array on the way to a path, the items before the one that it leads
    /// through; counts them, and what is before it in objects, as read.
    fn remove_items_before(&mut self, written: &str) {
        let path = self.present_path(written);
        let mut place = String::new();
        let mut value = &mut self.tree;
        let mut read = 0;
        for token in path.split('/').skip(1) {
            let (inside, token) = match value {
                Value::Object(fields) => {
                    let key = key(token);
                    let before = fields.iter().take_while(|(other, _)| **other != key);
                    read += before.map(|(_, value)| size_of(value)).sum::<usize>();
                    (fields.get_mut(&key), token)
                }
                Value::Array(items) => match token.parse() {
                    Ok(index) if index < items.len() => {
                        let before = items.drain(..index);
                        read += before.map(|value| size_of(&value)).sum::<usize>();
                        self.removed.push(RemovedItems {
                            array: place.clone(),
                            first: 0,
                            count: index,
                        });
                        (items.first_mut(), "0")
                    }
                    _ => break,
                },
                _ => break,
            };
            let Some(inside) = inside else {
                break;
            };
            value = inside;
            place = format!("{place}/{token}");
        }
        self.steps_left = self.steps_left.saturating_sub(1 + read);
    }

    /// The path as the author wrote it, of a path in the tree as it is now.
    pub(super) fn written_path(&self, present: &str) -> String {
        let back = self.removed.iter().rev();
        back.fold(present.to_owned(), |path, removed| {
            with_index(&path, &removed.array, |index| {
                if index >= removed.first {
                    index + removed.count
                } else {
                    index
                }
            })
        })
    }

    /// The path in the tree as it is now, of a path as the author wrote it.
    fn present_path(&self, written: &str) -> String {
        let forth = self.removed.iter();
        forth.fold(written.to_owned(), |path, removed| {
            with_index(&path, &removed.array, |index| {
                if index >= removed.first + removed.count {
                    index - removed.count
                } else {
                    index
                }
            })
        })
    }
}

/// How many values a value consists of.
fn size_of(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size_of).sum(),
        Value::Object(fields) => fields.values().map(size_of).sum(),
        _ => 0,
    }
}

/// The key that a token of a JSON Pointer stands for.
pub(super) fn key(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// `path` with its index into `array` changed, if it leads there.
fn with_index(path: &str, array: &str, change: impl FnOnce(usize) -> usize) -> String {
    let below = path
        .strip_prefix(array)
        .and_then(|below| below.strip_prefix('/'));
    let Some(below) = below else {
        return path.to_owned();
    };
    let (token, rest) = match below.find('/') {
        Some(slash) => below.split_at(slash),
        None => (below, ""),
    };
    match token.parse() {
        Ok(index) => format!("{array}/{}{rest}", change(index)),
        Err(_) => path.to_owned(),
    }
}
