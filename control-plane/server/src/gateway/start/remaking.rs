//! Generations are made again of what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use gateway_document::{CheckedDocument, Format, GatewayDocument};
use store::{AcceptedGeneration, Catalogue, ConfigStore, Input, Revision, RevisionNumber};
use time::OffsetDateTime;

use super::StartError;
use crate::catalogue::KnownList;
use crate::envoy::ModuleFile;
use crate::generation::{BuildError, Built, Lists};
use crate::module::ModuleShelf;

pub(super) fn lists_of(catalogues: BTreeMap<String, Catalogue>) -> Lists {
    let named = catalogues
        .into_iter()
        .filter_map(|(server, catalogue)| Some((server.parse().ok()?, catalogue)));
    named
        .map(|(server, catalogue)| (server, Arc::new(KnownList::new(catalogue))))
        .collect()
}

/// The lists without those that Envoys rejected, in whose place the accepted ones stand.
pub(super) fn without_withheld(
    mut lists: Lists,
    withheld: &BTreeSet<Input>,
    good: Option<&Built>,
) -> Lists {
    lists.retain(|server, list| {
        let input = Input::List {
            server: server.to_string(),
            hash: list.stored.hash.clone(),
        };
        !withheld.contains(&input)
    });
    for (server, list) in good.iter().flat_map(|good| &good.lists) {
        lists
            .entry(server.clone())
            .or_insert_with(|| Arc::clone(list));
    }
    lists
}

/// Checks a document and makes a generation of it.
pub(super) fn build(
    revision: RevisionNumber,
    document: GatewayDocument,
    lists: &Lists,
    module: ModuleFile,
) -> Result<Built, BuildError> {
    let document = CheckedDocument::new(document).map_err(BuildError::Invalid)?;
    Built::new(revision, Arc::new(document), lists, module)
}

/// A revision with today's lists and module.
pub(super) fn remade(
    stored: &Revision,
    lists: &Lists,
    module: &ModuleFile,
) -> Result<Built, StartError> {
    let number = stored.summary.number;
    build(number, read(stored)?, lists, module.clone()).map_err(|source| StartError::Unusable {
        revision: number,
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

/// An accepted generation, with the bytes that were accepted. Nothing where a part is gone: then it
/// is nothing to go back to.
pub(super) async fn restore(
    store: &dyn ConfigStore,
    parts: &AcceptedGeneration,
    today: &Lists,
    shelf: &ModuleShelf,
) -> Result<Option<Built>, StartError> {
    let Some(revision) = store.revision(parts.revision).await? else {
        return Ok(None);
    };
    let Some(kept) = store.module(&parts.module).await? else {
        return Ok(None);
    };
    if !PathBuf::from(&kept.path).exists() {
        tracing::warn!(path = %kept.path.display(), "the module of the accepted generation is \
                                                     gone");
        return Ok(None);
    }
    let mut lists = Lists::new();
    for (server, hash) in &parts.catalogues {
        let (Ok(name), Some(tools)) = (server.parse(), store.tool_list(hash).await?) else {
            return Ok(None);
        };
        let catalogue = Catalogue::new(
            server.clone(),
            String::new(),
            OffsetDateTime::UNIX_EPOCH,
            tools,
        );
        let catalogue = match today.get(&name) {
            Some(list) => Catalogue {
                protocol: list.stored.protocol.clone(),
                ..catalogue.following(&list.stored)
            }
            .about(list.stored.about.clone()),
            None => catalogue,
        };
        lists.insert(name, Arc::new(KnownList::new(catalogue)));
    }
    let module = ModuleFile {
        sha256: kept.sha256,
        path: kept.path,
        shelf: shelf.clone(),
    };
    let built = match build(parts.revision, read(&revision)?, &lists, module) {
        Ok(built) => built,
        Err(error) => {
            tracing::error!(%error, revision = parts.revision.0, "the accepted generation cannot \
                 be read");
            return Ok(None);
        }
    };
    match built.with_accepted_bytes(parts) {
        Ok(built) => Ok(Some(built)),
        Err(error) => {
            tracing::error!(%error, generation = parts.generation, "the accepted generation \
                 cannot be served");
            Ok(None)
        }
    }
}

/// An accepted revision with today's lists and module; as it was accepted, where that cannot be.
pub(super) fn rebuilt(accepted: &Arc<Built>, lists: &Lists, module: &ModuleFile) -> Built {
    let attempts = [(lists, module), (&accepted.lists, &accepted.module)];
    let mut built = attempts.into_iter().filter_map(|(lists, module)| {
        Built::new(
            accepted.revision,
            Arc::clone(&accepted.document),
            lists,
            module.clone(),
        )
        .ok()
    });
    built.next().expect("what was just made can be made again")
}
