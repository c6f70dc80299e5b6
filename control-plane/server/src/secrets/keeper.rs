//! Holds the secrets of a gateway: the only place that does, besides the Envoys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_document::{GatewayDocument, Problem, Secret, SecretName};
use time::OffsetDateTime;
use xds::{Publisher, Resource, SecretTable, Version, VersionKey};

use super::material::Material;
use super::message::message;
use super::reading::{self, Fault, Marks};

/// Reads secrets, gives them to the Envoys that need them, and takes them anew when their files
/// change: at once, and apart from what is being rolled out. One that cannot be used is never sent;
/// the one before it stays.
#[derive(Debug)]
pub struct SecretKeeper {
    key: VersionKey,
    publisher: Publisher,
    /// By the name under which Envoys know them.
    kept: Mutex<BTreeMap<String, Kept>>,
}

/// A secret that Envoys have need of, or soon will.
#[derive(Debug)]
struct Kept {
    name: SecretName,
    reference: Secret,
    /// Nothing as long as it could not be used for once.
    usable: Option<Usable>,
    /// The marks of its files when they were last read.
    read: Marks,
    /// The marks that were seen at the last look and are others than those: files that are being
    /// written are read when they have come to rest.
    unsettled: Option<Marks>,
    /// The reason why what is there now is not taken.
    fault: Option<Fault>,
    /// How often in a row nobody had need of it.
    idle: u32,
}

/// How often nobody may have need of a secret until it is let go of: a change that brings it waits
/// for its servers' lists before it is made, some seconds at most.
const MOST_IDLE: u32 = 20;

#[derive(Debug, Clone)]
struct Usable {
    material: Arc<Material>,
    resource: Arc<Resource>,
    since: OffsetDateTime,
}

/// Secrets that a document refers to and that were not known yet, read and checked.
#[derive(Debug, Default)]
pub struct ReadSecrets(BTreeMap<String, Kept>);

/// How a secret is; nothing of what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretStatus {
    /// The name under which Envoys know it.
    pub resource: String,
    /// The version that Envoys are given, and since when.
    pub given: Option<(Version, OffsetDateTime)>,
    /// The reason why what its place holds now is not taken.
    pub fault: Option<String>,
}

impl SecretKeeper {
    /// A keeper of no secrets yet; `key` makes their versions.
    #[must_use]
    pub fn new(key: VersionKey, publisher: Publisher) -> Self {
        Self {
            key,
            publisher,
            kept: Mutex::default(),
        }
    }

    /// Reads those secrets of a document that are not in use already. Envoys get none of them
    /// before [`SecretKeeper::keep`]. It waits for files: call it aside.
    ///
    /// # Errors
    /// Every secret that cannot be used, with its place.
    pub fn read(&self, document: &GatewayDocument) -> Result<ReadSecrets, Vec<Problem>> {
        let mut read = ReadSecrets::default();
        let mut problems = Vec::new();
        for (name, reference) in &document.secrets {
            let resource_name = reference.resource_name(name);
            if self.is_usable(&resource_name) {
                continue;
            }
            let kept = self.take_up(name, reference);
            problems.extend(kept.fault.iter().map(|fault| Problem {
                path: format!("/secrets/{name}{}", fault.at),
                reason: fault.reason.clone(),
            }));
            read.0.insert(resource_name, kept);
        }
        if problems.is_empty() {
            Ok(read)
        } else {
            Err(problems)
        }
    }

    /// Gives Envoys secrets that a change has brought.
    pub fn keep(&self, read: ReadSecrets) {
        if read.0.is_empty() {
            return;
        }
        let mut kept = self.kept();
        for (resource_name, new) in read.0 {
            kept.entry(resource_name).or_insert(new);
        }
        self.supply(&kept);
    }

    /// Takes up the secrets of a document that is in force, whether they can be used or not: those
    /// that cannot are looked at again and again. It waits for files: call it aside.
    pub fn adopt(&self, document: &GatewayDocument) {
        let mut read = ReadSecrets::default();
        for (name, reference) in &document.secrets {
            let resource_name = reference.resource_name(name);
            if !self.kept().contains_key(&resource_name) {
                let kept = self.take_up(name, reference);
                if let Some(fault) = &kept.fault {
                    warn(&kept, fault);
                }
                read.0.insert(resource_name, kept);
            }
        }
        self.keep(read);
    }

    /// Lets go of secrets that none of these documents has and no Envoy needs, once that has been
    /// so for some calls.
    pub fn retain<'d>(&self, documents: impl IntoIterator<Item = &'d GatewayDocument>) {
        let mut needed: BTreeSet<String> = BTreeSet::new();
        for document in documents {
            let secrets = document.secrets.iter();
            needed.extend(secrets.map(|(name, reference)| reference.resource_name(name)));
        }
        let by_envoys = self.publisher.secret_names();
        let mut kept = self.kept();
        let before = kept.len();
        kept.retain(|name, kept| {
            let is_needed = needed.contains(name) || by_envoys.contains(name.as_str());
            kept.idle = if is_needed { 0 } else { kept.idle + 1 };
            kept.idle < MOST_IDLE
        });
        if kept.len() != before {
            self.supply(&kept);
        }
    }

    /// Looks at every file once, and reads those that have changed and come to rest: that are the
    /// same at two looks. It waits for files: call it aside.
    pub fn look(&self) {
        let looked_at: Vec<(String, Secret)> = {
            let kept = self.kept();
            let all = kept.iter();
            all.map(|(name, kept)| (name.clone(), kept.reference.clone()))
                .collect()
        };
        for (resource_name, reference) in looked_at {
            let marks = reading::marks(&reference);
            let is_settled = {
                let mut kept = self.kept();
                let Some(kept) = kept.get_mut(&resource_name) else {
                    continue;
                };
                if kept.read == marks {
                    kept.unsettled = None;
                    continue;
                }
                let before = kept.unsettled.replace(marks.clone());
                before.as_ref() == Some(&marks)
            };
            if is_settled {
                self.take_anew(&resource_name, &reference, marks);
            }
        }
    }

    /// Reads a secret whose files have changed.
    fn take_anew(&self, resource_name: &str, reference: &Secret, marks: Marks) {
        let found = self.usable(resource_name, reference);
        let mut all = self.kept();
        let Some(kept) = all.get_mut(resource_name) else {
            return;
        };
        kept.read = marks;
        kept.unsettled = None;
        match found {
            Ok(found) => {
                kept.fault = None;
                let before = kept.usable.as_ref().map(|usable| usable.resource.version());
                if before == Some(found.resource.version()) {
                    return;
                }
                let name = &kept.name;
                let version = found.resource.version();
                tracing::info!(secret = %name, %version, "a secret was renewed");
                kept.usable = Some(found);
                self.supply(&all);
            }
            Err(fault) => {
                if kept.fault.as_ref() != Some(&fault) {
                    warn(kept, &fault);
                }
                kept.fault = Some(fault);
            }
        }
    }

    /// The content of a secret, if it can be used.
    pub(crate) fn material(&self, name: &SecretName, reference: &Secret) -> Option<Arc<Material>> {
        let resource_name = reference.resource_name(name);
        let kept = self.kept();
        let usable = kept.get(&resource_name)?.usable.as_ref()?;
        Some(Arc::clone(&usable.material))
    }

    /// How a secret is.
    #[must_use]
    pub fn status(&self, name: &SecretName, reference: &Secret) -> SecretStatus {
        let resource = reference.resource_name(name);
        let all = self.kept();
        let kept = all.get(&resource);
        let usable = kept.and_then(|kept| kept.usable.as_ref());
        SecretStatus {
            given: usable.map(|usable| (usable.resource.version().clone(), usable.since)),
            fault: kept.and_then(|kept| Some(kept.fault.as_ref()?.reason.clone())),
            resource,
        }
    }

    fn is_usable(&self, resource_name: &str) -> bool {
        let kept = self.kept();
        kept.get(resource_name)
            .is_some_and(|kept| kept.usable.is_some())
    }

    fn take_up(&self, name: &SecretName, reference: &Secret) -> Kept {
        // Before they are read: a change meanwhile is seen at the next look.
        let read = reading::marks(reference);
        let (usable, fault) = match self.usable(&reference.resource_name(name), reference) {
            Ok(usable) => (Some(usable), None),
            Err(fault) => (None, Some(fault)),
        };
        Kept {
            name: name.clone(),
            reference: reference.clone(),
            usable,
            read,
            unsettled: None,
            fault,
            idle: 0,
        }
    }

    fn usable(&self, resource_name: &str, reference: &Secret) -> Result<Usable, Fault> {
        let material = reading::material(reference)?;
        let secret = message(resource_name, &material);
        let resource = Resource::secret(&secret, &self.key).expect("a secret has a name");
        Ok(Usable {
            material: Arc::new(material),
            resource: Arc::new(resource),
            since: OffsetDateTime::now_utc(),
        })
    }

    /// Gives the publisher what there is, with the lock in hand: two changes reach it in their
    /// order.
    fn supply(&self, kept: &BTreeMap<String, Kept>) {
        let usable = kept.values().filter_map(|kept| kept.usable.as_ref());
        let table: SecretTable = usable.map(|usable| Arc::clone(&usable.resource)).collect();
        self.publisher.supply(table);
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn warn(kept: &Kept, fault: &Fault) {
    let name = &kept.name;
    let reason = &fault.reason;
    if kept.usable.is_some() {
        tracing::warn!(secret = %name, reason, "a changed secret is not taken; the old one stays");
    } else {
        tracing::error!(secret = %name, reason, "a secret cannot be used; Envoys wait for it");
    }
}

#[cfg(test)]
mod tests;
