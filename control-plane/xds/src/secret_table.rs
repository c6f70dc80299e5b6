//! The secrets as they are now. They are a part of no snapshot: a snapshot names them, and each
//! Envoy is given those that what it has names.

use std::{collections::BTreeMap, sync::Arc};

use crate::{Resource, ResourceType};

/// Every secret by its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SecretTable(BTreeMap<Arc<str>, Arc<Resource>>);

impl SecretTable {
    /// Adds a secret, or replaces the one of its name; any other resource is left out.
    pub fn insert(&mut self, secret: Arc<Resource>) {
        if secret.resource_type() == ResourceType::Secret {
            self.0.insert(Arc::clone(secret.name()), secret);
        }
    }

    /// The secret of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Resource>> {
        self.0.get(name)
    }
}

impl FromIterator<Arc<Resource>> for SecretTable {
    fn from_iter<I: IntoIterator<Item = Arc<Resource>>>(secrets: I) -> Self {
        let mut table = Self::default();
        secrets.into_iter().for_each(|secret| table.insert(secret));
        table
    }
}
