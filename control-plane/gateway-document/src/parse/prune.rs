//! A document with what is at fault taken out, and the way back to the paths that its author wrote.

use serde_json::Value;

/// A tree that parts are taken out of.
#[derive(Debug)]
pub(super) struct Pruning {
    tree: Value,
    /// Items taken out of arrays, in the order of their going: what stood behind each moved up by
    /// one.
    removed_items: Vec<(String, usize)>,
}

impl Pruning {
    pub(super) fn new(tree: Value) -> Self {
        Self {
            tree,
            removed_items: Vec::new(),
        }
    }

    pub(super) fn tree(&self) -> &Value {
        &self.tree
    }

    /// Takes out what is at a path as its author wrote it. `false`: there is nothing, or it is
    /// everything.
    pub(super) fn remove(&mut self, written: &str) -> bool {
        let path = self.present_path(written);
        let Some((parent, token)) = path.rsplit_once('/') else {
            return false;
        };
        match self.tree.pointer_mut(parent) {
            Some(Value::Object(fields)) => {
                let key = token.replace("~1", "/").replace("~0", "~");
                fields.remove(&key).is_some()
            }
            Some(Value::Array(items)) => match token.parse() {
                Ok(index) if index < items.len() => {
                    items.remove(index);
                    self.removed_items.push((parent.to_owned(), index));
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// The path as the author wrote it, of a path in the tree as it is now.
    pub(super) fn written_path(&self, present: &str) -> String {
        let back = self.removed_items.iter().rev();
        back.fold(present.to_owned(), |path, (array, removed)| {
            with_index(&path, array, |index| {
                if index >= *removed { index + 1 } else { index }
            })
        })
    }

    /// The path in the tree as it is now, of a path as the author wrote it.
    fn present_path(&self, written: &str) -> String {
        let forth = self.removed_items.iter();
        forth.fold(written.to_owned(), |path, (array, removed)| {
            with_index(&path, array, |index| {
                if index > *removed { index - 1 } else { index }
            })
        })
    }
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
