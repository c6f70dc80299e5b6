//! The answers of a client to what an earlier attempt at its call has asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

/// The answers of a client to what an earlier attempt at its call has asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    by_name: Option<Arc<BTreeMap<String, Value>>>,
    state: Option<Arc<Value>>,
}

impl Answers {
    /// The answers by the names of the questions, and what was to come back with them.
    pub fn new(by_name: Option<BTreeMap<String, Value>>, state: Option<Value>) -> Self {
        Self {
            by_name: by_name.map(Arc::new),
            state: state.map(Arc::new),
        }
    }

    /// The answer to the question of this name, as the client sent it.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.by_name.as_ref()?.get(name)
    }

    /// The value that was to come back, as it was.
    pub fn state(&self) -> Option<&Value> {
        self.state.as_deref()
    }
}
