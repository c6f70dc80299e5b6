//! Holds the secrets of a gateway: the only place that does, besides the Envoys.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::join_all;
use gateway_document::{GatewayDocument, Problem, Secret, SecretName};
use time::OffsetDateTime;
use xds::{Publisher, Resource, SecretTable, VersionKey};

use super::material::Material;
use super::message::message;
use super::reading::{self, Fault, Marks, Unread};
use super::source::{Brought, SYSTEM_AUTHORITIES, Source};
pub use status::{SecretState, SecretStatus};

mod status;

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
    source: Source,
    /// Nothing as long as it could not be used for once.
    usable: Option<Usable>,
    /// The marks of its files when they were last read; nothing where these did not answer.
    read: Option<Marks>,
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

    /// Reads those secrets that a document refers to in another way than the one `before`, and that
    /// are not in use already. The others are nothing that a change could be refused for, or wait
    /// for: they are looked at by [`SecretKeeper::look`]. Envoys get none before
    /// [`SecretKeeper::keep`].
    ///
    /// # Errors
    /// Every one of them that cannot be used, with its place.
    pub async fn read(
        &self,
        document: &GatewayDocument,
        before: &GatewayDocument,
    ) -> Result<ReadSecrets, Vec<Problem>> {
        let brought = Brought::by(document, before);
        let new = self.take_up_all(document, |name, source| {
            self.is_brought(name, source, &brought)
        });
        let read = new.await;
        let problems = read.0.values().filter_map(|kept| {
            let fault = kept.fault.as_ref()?;
            let place = brought.place_of(&kept.source)?;
            Some(Problem {
                path: format!("{place}{}", fault.at),
                reason: fault.reason.clone(),
            })
        });
        let problems: Vec<_> = problems.collect();
        if problems.is_empty() {
            Ok(read)
        } else {
            Err(problems)
        }
    }

    /// Whether [`SecretKeeper::read`] has nothing to read for a change, and so waits for no file.
    #[must_use]
    pub fn has_all(&self, document: &GatewayDocument, before: &GatewayDocument) -> bool {
        let all = Source::all_of(document);
        let brought = Brought::by(document, before);
        let mut all = all.iter();
        !all.any(|(name, source)| self.is_brought(name, source, &brought))
    }

    /// Gives Envoys secrets that a change has brought.
    pub fn keep(&self, read: ReadSecrets) {
        if read.0.is_empty() {
            return;
        }
        let mut kept = self.kept();
        for (resource_name, new) in read.0 {
            match kept.entry(resource_name) {
                Entry::Vacant(place) => {
                    place.insert(new);
                }
                // It has been read at a time when it could not be used.
                Entry::Occupied(mut known) if known.get().usable.is_none() => {
                    known.insert(new);
                }
                Entry::Occupied(_) => {}
            }
        }
        self.supply(&kept);
    }

    /// Takes up the secrets of a document that is in force, whether they can be used or not: those
    /// that cannot are looked at again and again. Tells whether there are any that were not known.
    pub async fn adopt(&self, document: &GatewayDocument) -> bool {
        let read = self.take_up_all(document, |name, _| !self.kept().contains_key(name));
        let read = read.await;
        for kept in read.0.values() {
            if let Some(fault) = &kept.fault {
                warn(kept, fault);
            }
        }
        let is_new = !read.0.is_empty();
        self.keep(read);
        is_new
    }

    /// Reads those secrets of a document whose names at the Envoys are wanted, all at once: none
    /// waits for another.
    async fn take_up_all(
        &self,
        document: &GatewayDocument,
        is_wanted: impl Fn(&str, &Source) -> bool,
    ) -> ReadSecrets {
        let all = Source::all_of(document).into_iter();
        let wanted = all.filter(|(resource_name, source)| is_wanted(resource_name, source));
        let read = wanted.map(|(resource_name, source)| async move {
            let kept = self.take_up(&resource_name, source).await;
            (resource_name, kept)
        });
        ReadSecrets(join_all(read).await.into_iter().collect())
    }

    /// Lets go of secrets that none of these documents has and no Envoy needs, once that has been
    /// so for some calls.
    pub fn retain<'d>(&self, documents: impl IntoIterator<Item = &'d GatewayDocument>) {
        let mut needed: BTreeSet<String> = BTreeSet::new();
        for document in documents {
            needed.extend(Source::all_of(document).into_keys());
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
    /// same at two looks. One that could not be used when it was read is read again each time: a
    /// certificate becomes valid, and a file system recovers, with no mark of a file. Tells whether
    /// a secret is in another state than before.
    pub async fn look(&self) -> bool {
        let looked_at: Vec<(String, Source, bool)> = {
            let kept = self.kept();
            let all = kept.iter();
            all.map(|(name, kept)| (name.clone(), kept.source.clone(), kept.fault.is_some()))
                .collect()
        };
        let may_be_other = looked_at
            .iter()
            .filter(|(_, source, has_fault)| *has_fault || source.may_change());
        let looks = may_be_other.map(|(name, source, _)| self.look_at(name, source));
        join_all(looks).await.contains(&true)
    }

    async fn look_at(&self, resource_name: &str, source: &Source) -> bool {
        let marks = match reading::marks(resource_name, source).await {
            Ok(marks) => marks,
            Err(Unread(fault)) => return self.note(resource_name, None, fault),
        };
        {
            let mut kept = self.kept();
            let Some(kept) = kept.get_mut(resource_name) else {
                return false;
            };
            let is_as_read = kept.read.as_ref() == Some(&marks);
            if is_as_read && kept.fault.is_none() {
                kept.unsettled = None;
                return false;
            }
            let before = kept.unsettled.replace(marks.clone());
            if !is_as_read && before.as_ref() != Some(&marks) {
                return false;
            }
        }
        self.take_anew(resource_name, source, marks).await
    }

    /// Reads a secret whose files have changed, or that could not be used.
    async fn take_anew(&self, resource_name: &str, source: &Source, marks: Marks) -> bool {
        let found = match reading::read(resource_name, source).await {
            Ok((_, Ok(material))) => self.usable(resource_name, material),
            Ok((_, Err(fault))) => return self.note(resource_name, Some(marks), fault),
            Err(Unread(fault)) => return self.note(resource_name, None, fault),
        };
        let mut all = self.kept();
        let Some(kept) = all.get_mut(resource_name) else {
            return false;
        };
        kept.read = Some(marks);
        kept.unsettled = None;
        let had_fault = kept.fault.take().is_some();
        let before = kept.usable.as_ref().map(|usable| usable.resource.version());
        if before == Some(found.resource.version()) {
            return had_fault;
        }
        let name = &kept.source;
        let version = found.resource.version();
        tracing::info!(secret = %name, %version, "a secret was renewed");
        kept.usable = Some(found);
        self.supply(&all);
        true
    }

    /// Takes note of why a secret is not taken, and of the marks of its files; nothing where these
    /// did not answer. Tells whether that is new.
    fn note(&self, resource_name: &str, read: Option<Marks>, fault: Fault) -> bool {
        let mut all = self.kept();
        let Some(kept) = all.get_mut(resource_name) else {
            return false;
        };
        kept.read = read;
        kept.unsettled = None;
        let is_new = kept.fault.as_ref() != Some(&fault);
        if is_new {
            warn(kept, &fault);
            kept.fault = Some(fault);
        }
        is_new
    }

    /// The content of a secret, if it can be used.
    pub(crate) fn material(&self, name: &SecretName, reference: &Secret) -> Option<Arc<Material>> {
        let resource_name = reference.resource_name(name);
        let kept = self.kept();
        let usable = kept.get(&resource_name)?.usable.as_ref()?;
        Some(Arc::clone(&usable.material))
    }

    /// The authorities of the control plane's system, where a document needs them.
    pub(crate) fn system_authorities(&self) -> Option<Arc<Material>> {
        let kept = self.kept();
        let usable = kept.get(SYSTEM_AUTHORITIES)?.usable.as_ref()?;
        Some(Arc::clone(&usable.material))
    }

    /// How a secret is.
    #[must_use]
    pub fn status(&self, name: &SecretName, reference: &Secret) -> SecretStatus {
        let resource = reference.resource_name(name);
        let all = self.kept();
        let kept = all.get(&resource);
        let usable = kept.and_then(|kept| kept.usable.as_ref());
        let fault = kept.and_then(|kept| kept.fault.as_ref());
        SecretStatus {
            given: usable.map(|usable| (usable.resource.version().clone(), usable.since)),
            fault: fault.map(|fault| fault.reason.clone()),
            state: match (usable, fault) {
                (Some(_), None) => SecretState::Given,
                (Some(_), Some(_)) => SecretState::Old,
                (None, Some(_)) => SecretState::Missing,
                (None, None) => SecretState::Unknown,
            },
            resource,
        }
    }

    /// Whether a change brings a secret that is not in use already.
    fn is_brought(&self, resource_name: &str, source: &Source, brought: &Brought<'_>) -> bool {
        let is_usable = {
            let kept = self.kept();
            let known = kept.get(resource_name);
            known.is_some_and(|kept| kept.usable.is_some())
        };
        !is_usable && brought.place_of(source).is_some()
    }

    async fn take_up(&self, resource_name: &str, source: Source) -> Kept {
        let (read, found) = match reading::read(resource_name, &source).await {
            Ok((marks, found)) => (Some(marks), found),
            Err(Unread(fault)) => (None, Err(fault)),
        };
        let found = found.map(|material| self.usable(resource_name, material));
        let fault = found.as_ref().err().cloned();
        Kept {
            source,
            usable: found.ok(),
            read,
            unsettled: None,
            fault,
            idle: 0,
        }
    }

    fn usable(&self, resource_name: &str, material: Material) -> Usable {
        let secret = message(resource_name, &material);
        let resource = Resource::secret(&secret, &self.key).expect("a secret has a name");
        Usable {
            material: Arc::new(material),
            resource: Arc::new(resource),
            since: OffsetDateTime::now_utc(),
        }
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
    let name = &kept.source;
    let reason = &fault.reason;
    if kept.usable.is_some() {
        tracing::warn!(secret = %name, reason, "a changed secret is not taken; the old one stays");
    } else {
        tracing::error!(secret = %name, reason, "a secret cannot be used; Envoys wait for it");
    }
}

#[cfg(test)]
mod tests;
