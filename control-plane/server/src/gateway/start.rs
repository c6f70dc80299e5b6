//! From the store to a running gateway.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use gateway_document::{CheckedDocument, Format, GatewayDocument, ParseError};
use store::{
    AcceptedGeneration, AppendError, Catalogue, ConfigStore, NewRevision, Revision, RevisionNumber,
    StoreError,
};
use thiserror::Error;
use time::OffsetDateTime;
use tokio::sync::{Mutex, watch};
use xds::Publisher;

use super::Gateway;
use super::notices;
use super::rollout::REJECTED;
use super::state::State;
use crate::catalogue::{CatalogueClient, KnownList};
use crate::envoy::ModuleFile;
use crate::generation::{BuildError, Built, Lists};

/// Why a gateway cannot be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another process stored the first revision at the same moment.
    #[error("another control plane uses the same store; start only one")]
    Raced(#[source] AppendError),
    /// A stored document cannot be read by this version.
    #[error(
        "the stored revision {revision} cannot be read by this version; run the version that wrote it, or start from an empty store"
    )]
    Unreadable {
        /// The revision.
        revision: RevisionNumber,
        /// What is wrong.
        source: ParseError,
    },
    /// A document cannot be rolled out.
    #[error("revision {revision} cannot be rolled out")]
    Unusable {
        /// The revision.
        revision: RevisionNumber,
        /// What is wrong.
        source: BuildError,
    },
}

/// How far back rejections of the newest revision are looked for. Between its being stored and its being rejected,
/// nothing else is done.
const RECENT_AUDIT: u32 = 50;

impl Gateway {
    /// Starts from what is stored; from `first` where nothing is.
    ///
    /// # Errors
    /// When the store fails, or holds nothing that can be rolled out.
    pub async fn start(
        store: Arc<dyn ConfigStore>,
        publisher: Publisher,
        client: CatalogueClient,
        module: ModuleFile,
        first: GatewayDocument,
    ) -> Result<Arc<Self>, StartError> {
        let head = match store.head().await? {
            Some(head) => head,
            None => first_revision(&*store, first, &module).await?,
        };
        let lists = lists_of(store.catalogues().await?);
        let accepted = match store.accepted().await? {
            Some(parts) => restore(&*store, &parts, &lists).await?.map(Arc::new),
            None => None,
        };
        let number = head.summary.number;
        let rejected = was_rejected(&*store, number).await?;
        let current = match &accepted {
            Some(accepted) if rejected && accepted.revision != number => {
                tracing::info!(
                    rejected = number.0,
                    in_force = accepted.revision.0,
                    "an Envoy rejected the newest revision"
                );
                rebuilt(accepted, &lists, &module)
            }
            accepted => match (newest(&head, &lists, &module), accepted) {
                (Ok(built), _) => built,
                (Err(error), Some(accepted)) => {
                    tracing::error!(%error, in_force = accepted.revision.0, "the newest revision cannot be used");
                    rebuilt(accepted, &lists, &module)
                }
                (Err(error), None) => return Err(error),
            },
        };
        let current = match &accepted {
            Some(accepted) if accepted.generation() == current.generation() => Arc::clone(accepted),
            _ => Arc::new(current),
        };
        if let Some(accepted) = &accepted {
            publisher.restore_accepted(Arc::clone(&accepted.snapshot));
        }
        publisher.publish(Arc::clone(&current.snapshot));
        notices::log(None, &current);
        tracing::info!(revision = current.revision.0, generation = %current.generation(), "in force");
        Ok(Arc::new(Self {
            store,
            publisher,
            client,
            module,
            changing: Mutex::new(()),
            document: watch::Sender::new(Arc::clone(&current.document)),
            state: RwLock::new(State {
                head: number,
                current,
                accepted,
                rejection: None,
                lists,
                attempts: BTreeMap::new(),
            }),
        }))
    }
}

/// Stores the first document, unless it could not be rolled out: nobody could correct it then.
async fn first_revision(
    store: &dyn ConfigStore,
    document: GatewayDocument,
    module: &ModuleFile,
) -> Result<Revision, StartError> {
    let number = RevisionNumber(1);
    let built = build(number, document, &Lists::new(), module.clone());
    let document = built
        .map_err(|source| StartError::Unusable {
            revision: number,
            source,
        })?
        .document;
    let revision = NewRevision {
        document: document
            .to_canonical_json()
            .expect("a document has text keys and finite numbers"),
        author: "control plane".to_owned(),
        reason: "the first start".to_owned(),
        action: "start".to_owned(),
        origin: String::new(),
    };
    match store.append(None, revision).await {
        Ok(revision) => Ok(revision),
        Err(AppendError::Store(error)) => Err(error.into()),
        Err(conflict) => Err(StartError::Raced(conflict)),
    }
}

fn lists_of(catalogues: BTreeMap<String, Catalogue>) -> Lists {
    let named = catalogues
        .into_iter()
        .filter_map(|(server, catalogue)| Some((server.parse().ok()?, catalogue)));
    named
        .map(|(server, catalogue)| (server, Arc::new(KnownList::new(catalogue))))
        .collect()
}

async fn was_rejected(
    store: &dyn ConfigStore,
    revision: RevisionNumber,
) -> Result<bool, StoreError> {
    let recent = store.audit(None, RECENT_AUDIT).await?;
    Ok(recent
        .iter()
        .any(|record| record.entry.what == REJECTED && record.entry.revision == Some(revision)))
}

/// Checks a document and makes a generation of it.
fn build(
    revision: RevisionNumber,
    document: GatewayDocument,
    lists: &Lists,
    module: ModuleFile,
) -> Result<Built, BuildError> {
    let document = CheckedDocument::new(document).map_err(BuildError::Invalid)?;
    Built::new(revision, Arc::new(document), lists, module)
}

/// The newest revision with today's lists and module.
fn newest(head: &Revision, lists: &Lists, module: &ModuleFile) -> Result<Built, StartError> {
    let revision = head.summary.number;
    build(revision, read(head)?, lists, module.clone())
        .map_err(|source| StartError::Unusable { revision, source })
}

fn read(revision: &Revision) -> Result<GatewayDocument, StartError> {
    gateway_document::parse(&revision.document, Format::Json).map_err(|source| {
        StartError::Unreadable {
            revision: revision.summary.number,
            source,
        }
    })
}

/// The accepted generation, from its parts. Nothing where a part is gone: then there is nothing to go back to.
async fn restore(
    store: &dyn ConfigStore,
    parts: &AcceptedGeneration,
    today: &Lists,
) -> Result<Option<Built>, StartError> {
    let Some(revision) = store.revision(parts.revision).await? else {
        return Ok(None);
    };
    let Some(kept) = store.module(&parts.module).await? else {
        return Ok(None);
    };
    if !PathBuf::from(&kept.path).exists() {
        tracing::warn!(path = %kept.path.display(), "the module of the accepted generation is gone");
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
            Some(list) => catalogue.following(&list.stored),
            None => catalogue,
        };
        lists.insert(name, Arc::new(KnownList::new(catalogue)));
    }
    let module = ModuleFile {
        sha256: kept.sha256,
        path: kept.path,
    };
    match build(parts.revision, read(&revision)?, &lists, module) {
        Ok(built) => Ok(Some(built)),
        Err(error) => {
            tracing::error!(%error, revision = parts.revision.0, "the accepted generation cannot be made again");
            Ok(None)
        }
    }
}

/// An accepted revision with today's lists and module; as it was accepted, where that cannot be.
fn rebuilt(accepted: &Arc<Built>, lists: &Lists, module: &ModuleFile) -> Built {
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
