//! Generations are made again of what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use gateway_document::{CheckedDocument, Format, GatewayDocument};
use store::{Catalogue, ConfigStore, Input, Revision, RevisionNumber, StoredGeneration};
use time::OffsetDateTime;

use super::StartError;
use crate::catalogue::KnownList;
use crate::generation::{BuildError, Built, KnownSchemas, Lists};
use crate::module::{ModuleFile, ModuleShelf};

/// The lists of servers that are stored, of which a document is given those of its own; and the
/// schemas in them that are compiled already, for whatever else is made of them at the same start.
pub(super) struct StoredLists {
    /// The last list of each server, wherever it was reached then.
    latest: Lists,
    /// The lists that the accepted generation was made from.
    accepted: Lists,
    schemas: KnownSchemas,
}

impl StoredLists {
    pub(super) fn new(catalogues: BTreeMap<String, Catalogue>) -> Self {
        let named = catalogues
            .into_iter()
            .filter_map(|(server, catalogue)| Some((server.parse().ok()?, catalogue)));
        Self {
            latest: named
                .map(|(server, catalogue)| (server, Arc::new(KnownList::new(catalogue))))
                .collect(),
            accepted: Lists::new(),
            schemas: KnownSchemas::default(),
        }
    }

    /// The same lists without those that Envoys rejected, and with those of the accepted
    /// generation.
    pub(super) fn beside(mut self, withheld: &BTreeSet<Input>, good: Option<&Built>) -> Self {
        self.latest.retain(|server, list| {
            let input = Input::List {
                server: server.to_string(),
                hash: list.stored.hash.clone(),
            };
            !withheld.contains(&input)
        });
        self.accepted = good.map(|good| good.lists.clone()).unwrap_or_default();
        self
    }

    /// The same lists, and of each server of `document` that has been elsewhere since the last one
    /// of these generations, the newest first, that one of its endpoints may have answered.
    pub(super) async fn with_those_of(
        mut self,
        document: &GatewayDocument,
        store: &dyn ConfigStore,
        generations: &[StoredGeneration],
    ) -> Result<Self, StartError> {
        for parts in generations {
            for (name, list) in lists_of(store, parts, &self).await?.unwrap_or_default() {
                let server = document.servers.get(&name);
                if server.is_some_and(|server| list.may_be_of(server)) {
                    self.accepted.entry(name).or_insert(list);
                }
            }
        }
        Ok(self)
    }

    /// The lists for a document: of each of its servers the latest that one of its endpoints may
    /// have answered. A server that had been moved when the last process ended has two. Of a pinned
    /// one it is there in any case: what was approved stays so, wherever the server is by now.
    pub(super) fn of(&self, document: &GatewayDocument) -> Lists {
        let mut lists = self.accepted.clone();
        lists.extend(self.latest.clone());
        for (name, server) in &document.servers {
            let known = [self.latest.get(name), self.accepted.get(name)];
            let mut known = known.into_iter().flatten();
            let approved = known.clone().next().filter(|_| server.pin);
            match known.find(|list| list.may_be_of(server)).or(approved) {
                Some(list) => lists.insert(name.clone(), Arc::clone(list)),
                None => lists.remove(name),
            };
        }
        lists
    }
}

/// Checks a document and makes a generation of it.
pub(super) fn build(
    known: &KnownSchemas,
    revision: RevisionNumber,
    document: GatewayDocument,
    lists: &Lists,
    module: ModuleFile,
) -> Result<Built, BuildError> {
    let document = CheckedDocument::new(document).map_err(BuildError::Invalid)?;
    Built::first(known, revision, Arc::new(document), lists, module)
}

/// A revision with today's lists and module.
pub(super) fn make_again(
    stored: &Revision,
    lists: &StoredLists,
    module: &ModuleFile,
) -> Result<Built, StartError> {
    make_again_as(stored.summary.number, stored, lists, module)
}

/// As [`make_again`], under another number.
pub(super) fn make_again_as(
    number: RevisionNumber,
    stored: &Revision,
    lists: &StoredLists,
    module: &ModuleFile,
) -> Result<Built, StartError> {
    let document = read(stored)?;
    let own = lists.of(&document);
    let built = build(&lists.schemas, number, document, &own, module.clone());
    built.map_err(|source| StartError::Unusable {
        revision: stored.summary.number,
        source,
    })
}

pub(super) fn read(revision: &Revision) -> Result<GatewayDocument, StartError> {
    gateway_document::parse(&revision.document, Format::Json).map_err(|source| {
        StartError::Unreadable {
            revision: revision.summary.number,
            source,
        }
    })
}

/// A stored generation, with the bytes that Envoys were sent. Nothing where a part is gone: then it
/// is nothing to go back to, or on with.
pub(super) async fn restore(
    store: &dyn ConfigStore,
    parts: &StoredGeneration,
    today: &StoredLists,
    shelf: &ModuleShelf,
) -> Result<Option<Built>, StartError> {
    let Some(revision) = store.revision(parts.revision).await? else {
        return Ok(None);
    };
    let Some(kept) = store.module(&parts.module).await? else {
        return Ok(None);
    };
    if !PathBuf::from(&kept.path).exists() {
        tracing::warn!(path = %kept.path.display(), "the module of a stored generation is gone");
        return Ok(None);
    }
    let Some(lists) = lists_of(store, parts, today).await? else {
        return Ok(None);
    };
    let module = ModuleFile {
        sha256: kept.sha256,
        path: kept.path,
        shelf: shelf.clone(),
    };
    let document = match CheckedDocument::new(read(&revision)?) {
        Ok(document) => Arc::new(document),
        Err(problems) => {
            let error = BuildError::Invalid(problems);
            tracing::error!(%error, revision = parts.revision.0, "a stored generation's document \
                 cannot be read");
            return Ok(None);
        }
    };
    match Built::given(&today.schemas, document, &lists, module, parts) {
        Ok(built) => Ok(Some(built)),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(
                error,
                generation = parts.generation,
                "a stored generation cannot be \
                 served"
            );
            Ok(None)
        }
    }
}

/// The lists that a stored generation was made from; nothing where one is gone.
async fn lists_of(
    store: &dyn ConfigStore,
    parts: &StoredGeneration,
    today: &StoredLists,
) -> Result<Option<Lists>, StartError> {
    let mut lists = Lists::new();
    for (server, list) in &parts.lists {
        let (Ok(name), Some(tools)) = (server.parse(), store.tool_list(&list.hash).await?) else {
            return Ok(None);
        };
        let catalogue = Catalogue::new(
            server.clone(),
            list.protocol.clone(),
            OffsetDateTime::UNIX_EPOCH,
            tools,
        )
        .from_endpoint(list.endpoint.clone())
        .about(list.about.clone());
        let latest = today.latest.get(&name).map(|list| &list.stored);
        let catalogue = match latest {
            Some(latest) if list.endpoint.is_empty() => Catalogue {
                protocol: latest.protocol.clone(),
                ..catalogue.following(latest)
            }
            .about(latest.about.clone()),
            Some(latest) if list.endpoint == latest.endpoint => catalogue.following(latest),
            _ => catalogue,
        };
        lists.insert(name, Arc::new(KnownList::new(catalogue)));
    }
    Ok(Some(lists))
}

/// An accepted revision with today's lists and module; with its own, where that cannot be; and as
/// Envoys were given it, where nothing can be made of it any more.
pub(super) fn rebuilt(accepted: &Arc<Built>, stored: &StoredLists, module: &ModuleFile) -> Built {
    let lists = stored.of(&accepted.document);
    let attempts = [(&lists, module), (&accepted.lists, &accepted.module)];
    let mut built = attempts.into_iter().filter_map(|(lists, module)| {
        Built::first(
            &stored.schemas,
            accepted.revision,
            Arc::clone(&accepted.document),
            lists,
            module.clone(),
        )
        .ok()
    });
    let made = built.next();
    made.unwrap_or_else(|| accepted.with_snapshot(Arc::clone(&accepted.snapshot)))
}
