//! The name of a list of tools that travels beside a configuration.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::tool_list::ToolList;

/// A list of tools that travels beside the configuration ([`travel`](super::travel)), which itself
/// holds its name alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct NamedList {
    /// The name: a hash of what the list holds.
    pub name: String,
    /// The list; nothing where it did not travel with the configuration.
    pub list: Option<Arc<ToolList>>,
}

impl PartialEq for NamedList {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for NamedList {}

impl From<String> for NamedList {
    fn from(name: String) -> Self {
        Self { name, list: None }
    }
}

impl From<NamedList> for String {
    fn from(named: NamedList) -> Self {
        named.name
    }
}

impl From<Arc<ToolList>> for NamedList {
    fn from(list: Arc<ToolList>) -> Self {
        Self {
            name: list.name().to_owned(),
            list: Some(list),
        }
    }
}
