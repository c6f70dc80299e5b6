//! From the store to a running gateway.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock, RwLock};

use gateway_document::{GatewayDocument, ParseError};
use store::{AppendError, ConfigStore, Input, Revision, RevisionNumber, StoreError};
use thiserror::Error;
use tokio::sync::{Notify, watch};
use xds::{Publisher, VersionKey};

use super::Gateway;
use super::author::Author;
use super::desired::Desired;
use super::endpoint_table::EndpointTable;
use super::events::Events;
use super::loosening::{Looser, looser};
use super::notices;
use super::rejections::remember;
use super::rollout_actor::RolloutActor;
use super::state::{Stage, State};
use crate::catalogue::CatalogueClient;
use crate::generation::{BuildError, Built, KnownSchemas, Lists};
use crate::module::{self, ModuleFile};
use crate::secrets::SecretKeeper;

mod break_glass;
mod keeping;
mod remaking;
mod resume;

use remaking::{StoredLists, build, make_again, rebuilt, restore};

pub use break_glass::{BreakGlassError, put_in_force};

/// Why a gateway cannot be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another process stored the first revision at the same moment.
    #[error("another control plane has just stored the first revision: start this one again")]
    Raced(#[source] AppendError),
    /// A stored document cannot be read by this version.
    #[error(
        "the stored revision {revision} cannot be read by this version; run the version that \
         wrote it, or have a revision of before put in force by `--start-from-revision`"
    )]
    Unreadable {
        /// The number of the stored revision.
        revision: RevisionNumber,
        /// The fault that the parser met.
        source: ParseError,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers, of which a key is to be made")]
    NoRandomness(#[source] getrandom::Error),
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
        module::restore(&*store, &module.shelf).await?;
        let head = match store.head().await? {
            Some(head) => head,
            None => first_revision(&*store, first, &module).await?,
        };
        let number = head.summary.number;
        remember(&publisher, store.rejections().await?);
        let today = StoredLists::new(store.catalogues().await?);
        let mut accepted = Vec::new();
        for stored in store.accepted().await? {
            accepted.extend(
                restore(&*store, &stored, &today, &module.shelf)
                    .await?
                    .map(Arc::new),
            );
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
        let lists = today.beside(&withheld, good.as_deref());
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
        let still_kept = keeping::still_kept(&kept, &withheld, number, good.as_deref());
        let newest = match still_kept {
            Some(kept) => store.revision(kept).await?.unwrap_or(head),
            None => head,
        };
        let newest_number = newest.summary.number;
        let current = match &good {
            Some(good) if withheld.contains(&Input::Revision(newest_number)) => {
                tracing::info!(
                    rejected = newest_number.0,
                    in_force = good.revision.0,
                    "an Envoy rejected the newest revision"
                );
                rebuilt(good, &lists, &module)
            }
            good => match (make_again(&newest, &lists, &module), good) {
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
        if resumed.is_none() {
            resume::end(&*store, &mut rollouts, good.as_deref(), &withheld, &kept).await?;
        }
        let is_accepted = good.as_ref().is_some_and(|good| {
            good.generation() == current.generation() && good.revision == current.revision
        });
        let (current, stage) = match &good {
            Some(good) if is_accepted => (Arc::clone(good), Stage::Accepted),
            _ if still_kept.is_some() => (Arc::new(current), Stage::Kept),
            _ => (Arc::new(current), Stage::Open),
        };
        let (current, stage, resumed) = match resumed {
            None if stage == Stage::Kept => {
                let kept = resume::kept(&*store, &rollouts, &current, &lists, &module).await?;
                // A later list would have been tried by now.
                let built = kept.as_ref().map(|kept| &kept.built);
                let built = built.filter(|kept| keeping::has_lists_of(kept, &current));
                (built.map_or(current, Arc::clone), stage, kept)
            }
            None => (current, stage, None),
            resumed => (current, Stage::Open, resumed),
        };
        let may_run_stricter = match (&good, &resumed) {
            (Some(good), Some(resumed)) => {
                // Who was given it is known, but for those that came in its last wave; and not who
                // has another generation of the same revision, where that was handed out too.
                let before = RevisionNumber(resumed.revision.0.saturating_sub(1));
                let of_the_same = resumed.revision..=resumed.built.revision;
                let own = rollouts
                    .iter()
                    .filter(|one| of_the_same.contains(&one.revision));
                let is_last = resumed.waves.is_last() || own.count() > 1;
                let in_hand = is_last.then(|| looser(&resumed.built, good));
                let earlier = looser_than_one(&*store, &withheld, before, good, &lists).await?;
                earlier.max(in_hand.unwrap_or(Looser::Not))
            }
            (Some(good), None) if stage != Stage::Accepted => {
                let earlier = looser_than_one(&*store, &withheld, number, good, &lists).await?;
                earlier.max(looser(&current, good))
            }
            _ => Looser::Not,
        };
        let keeps_another = match stage {
            Stage::Kept => kept.iter().any(|kept| !keeping::is_of(kept, &current)),
            _ => !kept.is_empty(),
        };
        let may_run_stricter = match keeps_another {
            true => Looser::More,
            false => may_run_stricter,
        };
        let key = store.version_key(&random_key()?).await?;
        let secrets = SecretKeeper::new(VersionKey::new(&key), publisher.clone());
        let secrets = Arc::new(secrets);
        for built in accepted.iter().chain([&current]) {
            secrets.adopt(&built.document).await;
        }
        let lists = lists.of(&current.document);
        let desired = Desired::first(number, current, lists, module);
        let (current, stage, waves) = match resumed {
            Some(resumed) => (resumed.built, stage, Some(resumed.waves)),
            None => (Arc::clone(&desired.built), stage, None),
        };
        notices::log(None, &current);
        tracing::info!(
            revision = current.revision.0,
            generation = %current.generation(),
            ?stage,
            wave = waves.as_ref().map(|waves| waves.at() + 1),
            "starting"
        );
        let earlier = accepted.into_iter().skip(1).collect();
        let document = watch::Sender::new(Arc::clone(&desired.built.document));
        let mut endpoints = EndpointTable::default();
        endpoints.follow(&desired.built.document);
        let gateway = Arc::new(Self {
            store,
            publisher,
            client: client.believing(Arc::clone(&secrets)),
            secrets,
            state: RwLock::new(State::new(
                desired, current, good, earlier, stage, withheld, rollouts,
            )),
            replacing: Arc::default(),
            modules: tokio::sync::Mutex::default(),
            replaced: Notify::new(),
            steered: Notify::new(),
            document,
            listings: std::sync::Mutex::default(),
            taking_listings: tokio::sync::Mutex::default(),
            endpoints: std::sync::Mutex::new(endpoints),
            written: watch::Sender::new(0),
            events: Events::default(),
            preflight: OnceLock::new(),
        });
        let actor = RolloutActor::new(Arc::clone(&gateway), may_run_stricter, waves);
        Ok((gateway, actor))
    }
}

/// A key that nobody can guess.
fn random_key() -> Result<[u8; 32], StartError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(StartError::NoRandomness)?;
    Ok(key)
}

/// How many revisions are made again to find one that is stricter than the accepted one. A start
/// takes some twenty milliseconds for each where servers list a thousand tools; and an Envoy that
/// runs one of more than these, none of which was ever accepted, is looked after by people anyway.
const MOST_REMADE: u64 = 32;

/// How much looser `good` may be than one of the revisions after it and those that were taken back,
/// up to `head`. What cannot be read or made today counts as stricter, and so do revisions beyond
/// [`MOST_REMADE`].
async fn looser_than_one(
    store: &dyn ConfigStore,
    withheld: &BTreeSet<Input>,
    head: RevisionNumber,
    good: &Built,
    lists: &StoredLists,
) -> Result<Looser, StoreError> {
    let settled = keeping::taken_back(withheld).fold(good.revision, RevisionNumber::max);
    let mut found = Looser::Not;
    for (remade_before, number) in (0..).zip((settled.0 + 1..=head.0).rev()) {
        if remade_before == MOST_REMADE {
            tracing::warn!(
                accepted = good.revision.0,
                unread_since = number,
                "so many revisions were written since Envoys accepted one that the older of them \
                 are not looked at: one of them counts as stricter than the accepted one"
            );
            return Ok(Looser::More);
        }
        let Some(revision) = store.revision(RevisionNumber(number)).await? else {
            continue;
        };
        let than_this = make_again(&revision, lists, &good.module)
            .map_or(Looser::More, |handed_out| looser(&handed_out, good));
        found = found.max(than_this);
        if found == Looser::More {
            break;
        }
    }
    Ok(found)
}

/// Stores the first document, unless it could not be rolled out: nobody could correct it then.
async fn first_revision(
    store: &dyn ConfigStore,
    document: GatewayDocument,
    module: &ModuleFile,
) -> Result<Revision, StartError> {
    let number = RevisionNumber(1);
    let known = KnownSchemas::default();
    let built = build(&known, number, document, &Lists::new(), module.clone());
    let document = built
        .map_err(|source| StartError::Unusable {
            revision: number,
            source,
        })?
        .document;
    let author = Author {
        name: "control plane".to_owned(),
        reason: "the first start".to_owned(),
        action: "start".to_owned(),
        origin: String::new(),
    };
    match store.append(None, author.revision(&document)).await {
        Ok(revision) => Ok(revision),
        Err(AppendError::Store(error)) => Err(error.into()),
        Err(conflict) => Err(StartError::Raced(conflict)),
    }
}

#[cfg(test)]
mod tests;
