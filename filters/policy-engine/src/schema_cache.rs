//! The schemas and lists of tools that policies use, kept from one configuration to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use crate::known_schema::{KnownSchema, SchemaRoom};
use crate::tool_list::{InvalidToolList, ListedSchema, ListedTool, ToolList, text};

/// Schemas by their text and lists of tools by their name, kept for as long as any policy uses
/// them. The names of schemas in a configuration are no key: whoever edits a schema by hand may
/// leave its old hash in place, and would be judged by the old schema.
///
/// It belongs into the VM's statics: a configuration that changes a limit then reads and compiles
/// no schema anew, because the policy that it replaces still holds them while the new one is
/// compiled.
#[derive(Debug, Default)]
pub struct SchemaCache {
    schemas: BTreeMap<Arc<str>, Weak<KnownSchema>>,
    lists: BTreeMap<Arc<str>, Weak<ToolList>>,
    room: SchemaRoom,
}

impl SchemaCache {
    /// Makes a cache that knows no schema yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many schemas are in use.
    #[must_use]
    pub fn len(&self) -> usize {
        let alone = self.schemas.values().filter_map(Weak::upgrade);
        let lists: Vec<Arc<ToolList>> = self.lists.values().filter_map(Weak::upgrade).collect();
        let tools = lists.iter().flat_map(|list| list.tools());
        let listed = tools.filter_map(|tool| tool.schema.as_ref()?.schema.clone());
        // Some lists share theirs with others.
        let places: BTreeSet<_> = alone.chain(listed).map(|one| Arc::as_ptr(&one)).collect();
        places.len()
    }

    /// Whether no schema is in use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The list of this name, where a policy uses it.
    #[must_use]
    pub fn list(&self, name: &str) -> Option<Arc<ToolList>> {
        self.lists.get(name).and_then(Weak::upgrade)
    }

    /// Makes the list of this name, or takes the one that a policy uses. A name stands for one
    /// content: make it a hash.
    ///
    /// Each tool is its name, and the hash and the text of its schema.
    ///
    /// # Errors
    /// When the tools are not in the order of their names.
    pub fn tool_list<'a>(
        &mut self,
        name: &str,
        tools: impl IntoIterator<Item = (&'a str, Option<(&'a str, &'a str)>)>,
    ) -> Result<Arc<ToolList>, InvalidToolList> {
        if let Some(list) = self.list(name) {
            return Ok(list);
        }
        let mut schemas: BTreeMap<&str, ListedSchema> = BTreeMap::new();
        let tools = tools.into_iter().map(|(name, schema)| {
            let schema = schema.map(|(hash, text)| {
                let schema = schemas.entry(hash).or_insert_with(|| ListedSchema {
                    hash: hash.into(),
                    schema: Some(self.schema(text)),
                });
                schema.clone()
            });
            ListedTool {
                name: name.into(),
                schema,
            }
        });
        let list = ToolList::in_order(name.into(), tools.collect())?;
        Ok(self.keep(list))
    }

    /// Reads a list that was written as text, or takes the one of its name that a policy uses.
    ///
    /// # Errors
    /// The fault that it has.
    pub(crate) fn read_list(&mut self, text: &[u8]) -> Result<Arc<ToolList>, &'static str> {
        let name = text::name(text).ok_or("it has no name")?;
        match self.list(name) {
            Some(list) => Ok(list),
            None => text::read(text, &self.room).map(|list| self.keep(list)),
        }
    }

    fn keep(&mut self, list: ToolList) -> Arc<ToolList> {
        let list = Arc::new(list);
        self.lists.insert(list.shared_name(), Arc::downgrade(&list));
        list
    }

    /// The schema of this text, which is compiled when it is needed.
    pub(crate) fn schema(&mut self, text: &str) -> Arc<KnownSchema> {
        if let Some(known) = self.schemas.get(text).and_then(Weak::upgrade) {
            return known;
        }
        let text: Arc<str> = text.into();
        let schema = Arc::new(KnownSchema::new(Arc::clone(&text).into(), &self.room));
        self.schemas.insert(text, Arc::downgrade(&schema));
        schema
    }

    pub(crate) fn forget_unused(&mut self) {
        self.schemas.retain(|_, schema| schema.strong_count() > 0);
        self.lists.retain(|_, list| list.strong_count() > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_a_schema_by_its_text_while_somebody_uses_it() {
        let mut cache = SchemaCache::new();
        let first = cache.schema(r#"{"type":"object"}"#);
        assert!(first.is_sound());
        let again = cache.schema(r#"{"type":"object"}"#);
        assert!(Arc::ptr_eq(&first, &again));
        let other = cache.schema(r#"{"type":"array"}"#);
        assert!(!Arc::ptr_eq(&first, &other));
        drop((first, again));
        cache.forget_unused();
        assert_eq!((cache.len(), cache.schemas.len()), (1, 1));
    }
}
