//! From the store to a running gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use gateway_document::{CheckedDocument, Format, GatewayDocument, ParseError};
use store::{
    AcceptedGeneration, AppendError, Catalogue, ConfigStore, Input, NewRevision, Revision,
    RevisionNumber, StoreError, WithheldInput,
};
use thiserror::Error;
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use xds::Publisher;

use super::Gateway;
use super::desired::Desired;
use super::events::Events;
use super::loosening::may_loosen;
use super::notices;
use super::rejections::remember;
use super::rollout_actor::RolloutActor;
use super::state::{Stage, State};
use crate::catalogue::{CatalogueClient, KnownList};
use crate::envoy::ModuleFile;
use crate::generation::{BuildError, Built, Lists};

mod resume;

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
        "the stored revision {revision} cannot be read by this version; run the version that \
         wrote it, or start from an empty store"
    )]
    Unreadable {
        /// The number of the stored revision.
        revision: RevisionNumber,
        /// The fault that the parser met.
        source: ParseError,
    },
    /// A document cannot be rolled out.
    #[error("revision {revision} cannot be rolled out")]
    Unusable {
        /// The number of the stored revision.
        revision: RevisionNumber,
        /// The reason why no generation can be made of it.
        source: BuildError,
    },
}

impl Gateway {
    /// Starts from what is stored; from `first` where nothing is. Nothing is rolled out until the
    /// actor runs.
    ///
    /// # Errors
    /// When the store fails, or holds nothing that can be rolled out.
    pub async fn start(
        store: Arc<dyn ConfigStore>,
        publisher: Publisher,
        client: CatalogueClient,
        module: ModuleFile,
        first: GatewayDocument,
    ) -> Result<(Arc<Self>, RolloutActor), StartError> {
        let head = match store.head().await? {
            Some(head) => head,
            None => first_revision(&*store, first, &module).await?,
        };
        let number = head.summary.number;
        remember(&publisher, store.rejections().await?);
        let today = lists_of(store.catalogues().await?);
        let mut accepted = Vec::new();
        for stored in store.accepted().await? {
            accepted.extend(restore(&*store, &stored, &today).await?.map(Arc::new));
        }
        let good = accepted.first().cloned();
        let (kept, withheld): (Vec<_>, Vec<_>) = store
            .withheld()
            .await?
            .into_iter()
            .partition(|withheld| withheld.is_in_force);
        let withheld: BTreeSet<Input> = withheld
            .into_iter()
            .map(|withheld| withheld.input)
            .collect();
        let lists = without_withheld(today, &withheld, good.as_deref());
        let module = match &good {
            Some(good) if withheld.contains(&Input::Module(module.sha256.clone())) => {
                tracing::info!(
                    rejected = %module.sha256,
                    in_use = %good.module.sha256,
                    "Envoys rejected the filter module"
                );
                good.module.clone()
            }
            _ => module,
        };
        let current = match &good {
            Some(good) if withheld.contains(&Input::Revision(number)) => {
                tracing::info!(
                    rejected = number.0,
                    in_force = good.revision.0,
                    "an Envoy rejected the newest revision"
                );
                rebuilt(good, &lists, &module)
            }
            good => match (remade(&head, &lists, &module), good) {
                (Ok(built), _) => built,
                (Err(error), Some(good)) => {
                    tracing::error!(
                        %error,
                        in_force = good.revision.0,
                        "the newest revision cannot be used"
                    );
                    rebuilt(good, &lists, &module)
                }
                (Err(error), None) => return Err(error),
            },
        };
        let mut rollouts = resume::stored(&*store).await?;
        let resumed = match &good {
            Some(good) => {
                let known = resume::Known {
                    good,
                    withheld: &withheld,
                    kept: &kept,
                    head: &current,
                };
                resume::in_hand(&*store, &rollouts, &known, &lists, &module).await?
            }
            None => None,
        };
        let is_accepted = good.as_ref().is_some_and(|good| {
            good.generation() == current.generation() && good.revision == current.revision
        });
        let (current, stage) = match &good {
            Some(good) if is_accepted => (Arc::clone(good), Stage::Accepted),
            good if is_still_kept(&kept, number, good.as_deref()) => {
                (Arc::new(current), Stage::Kept)
            }
            _ => (Arc::new(current), Stage::Open),
        };
        let may_run_stricter = match (&good, &resumed) {
            (Some(good), Some(resumed)) => {
                // Who was given it is known, but for those that came in its last wave.
                let before = RevisionNumber(resumed.built.revision.0.saturating_sub(1));
                (resumed.waves.is_last() && may_loosen(&resumed.built, good))
                    || one_may_be_stricter(&*store, &withheld, before, good, &lists).await?
            }
            (Some(good), None) if stage != Stage::Accepted => {
                may_loosen(&current, good)
                    || one_may_be_stricter(&*store, &withheld, number, good, &lists).await?
            }
            _ => false,
        };
        let desired = Desired::first(number, current, lists, module);
        let (current, stage, waves) = match resumed {
            Some(resumed) => (resumed.built, Stage::Open, Some(resumed.waves)),
            None => {
                resume::end(&*store, &mut rollouts, good.as_deref(), &withheld, &kept).await?;
                (Arc::clone(&desired.built), stage, None)
            }
        };
        notices::log(None, &current);
        tracing::info!(
            revision = current.revision.0,
            generation = %current.generation(),
            ?stage,
            wave = waves.as_ref().map(|waves| waves.at() + 1),
            "starting"
        );
        let document = watch::Sender::new(Arc::clone(&desired.built.document));
        let gateway = Arc::new(Self {
            store,
            publisher,
            client,
            state: RwLock::new(State::new(
                desired, current, good, stage, withheld, rollouts,
            )),
            replacing: Arc::default(),
            replaced: Notify::new(),
            steered: Notify::new(),
            document,
            listings: std::sync::Mutex::default(),
            taking_listings: tokio::sync::Mutex::default(),
            written: watch::Sender::new(0),
            events: Events::default(),
        });
        let earlier = accepted.into_iter().skip(1).collect();
        let actor = RolloutActor::new(Arc::clone(&gateway), earlier, may_run_stricter, waves);
        Ok((gateway, actor))
    }
}

/// Whether no operator has written anything since Envoys kept a generation.
fn is_still_kept(kept: &[WithheldInput], head: RevisionNumber, good: Option<&Built>) -> bool {
    kept.iter().any(|kept| match &kept.input {
        Input::Revision(number) => *number == head,
        // They are to blame only where the document was the accepted one.
        Input::List { .. } | Input::Module(_) => good.is_none_or(|good| good.revision == head),
    })
}

/// Whether one of the revisions after `good` and those that were taken back, up to `head`, refuses
/// what `good` may allow. What cannot be read or made today counts as stricter.
async fn one_may_be_stricter(
    store: &dyn ConfigStore,
    withheld: &BTreeSet<Input>,
    head: RevisionNumber,
    good: &Built,
    lists: &Lists,
) -> Result<bool, StoreError> {
    let taken_back = withheld.iter().filter_map(|input| match input {
        Input::Revision(number) => Some(*number),
        Input::List { .. } | Input::Module(_) => None,
    });
    let settled = taken_back.fold(good.revision, RevisionNumber::max);
    for number in (settled.0 + 1..=head.0).rev() {
        let Some(revision) = store.revision(RevisionNumber(number)).await? else {
            continue;
        };
        let is_stricter = remade(&revision, lists, &good.module)
            .map_or(true, |handed_out| may_loosen(&handed_out, good));
        if is_stricter {
            return Ok(true);
        }
    }
    Ok(false)
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

/// The lists without those that Envoys rejected, in whose place the accepted ones stand.
fn without_withheld(mut lists: Lists, withheld: &BTreeSet<Input>, good: Option<&Built>) -> Lists {
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
fn build(
    revision: RevisionNumber,
    document: GatewayDocument,
    lists: &Lists,
    module: ModuleFile,
) -> Result<Built, BuildError> {
    let document = CheckedDocument::new(document).map_err(BuildError::Invalid)?;
    Built::new(revision, Arc::new(document), lists, module)
}

/// A revision with today's lists and module.
fn remade(stored: &Revision, lists: &Lists, module: &ModuleFile) -> Result<Built, StartError> {
    let number = stored.summary.number;
    build(number, read(stored)?, lists, module.clone()).map_err(|source| StartError::Unusable {
        revision: number,
        source,
    })
}

fn read(revision: &Revision) -> Result<GatewayDocument, StartError> {
    gateway_document::parse(&revision.document, Format::Json).map_err(|source| {
        StartError::Unreadable {
            revision: revision.summary.number,
            source,
        }
    })
}

/// An accepted generation, with the bytes that were accepted. Nothing where a part is gone: then it
/// is nothing to go back to.
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
            Some(list) => catalogue.following(&list.stored),
            None => catalogue,
        };
        lists.insert(name, Arc::new(KnownList::new(catalogue)));
    }
    let module = ModuleFile {
        sha256: kept.sha256,
        path: kept.path,
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
