//! What rolls out: a revision, the servers' lists and the module, made into one snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gateway_document::{
    Catalogue, CheckedDocument, Identity, ListenerName, Problem, Resolved, ServerName, Warning,
    WithheldTool, resolve, warnings,
};
use sha2::{Digest, Sha256};
use store::{AcceptedGeneration, ListHash, RevisionNumber};
use thiserror::Error;
use xds::{Generation, Snapshot};

use crate::catalogue::KnownList;
use crate::envoy::{self, ModuleFile, RenderError};

mod tool_view;

pub use tool_view::{FindToolError, ToolView, tool_rule_name};

/// The lists that are known, by server.
pub type Lists = BTreeMap<ServerName, Arc<KnownList>>;

/// One generation: everything that the Envoys get, and everything that it was made from.
#[derive(Debug)]
pub struct Built {
    /// The operator's revision.
    pub revision: RevisionNumber,
    /// The operator's document.
    pub document: Arc<CheckedDocument>,
    /// The lists of the document's servers, as far as they were known.
    pub lists: Lists,
    /// The module.
    pub module: ModuleFile,
    /// What each listener's filter is given, in the document's order.
    pub listeners: Vec<(ListenerName, Resolved)>,
    /// The rules of the document that have no effect.
    pub warnings: Vec<Warning>,
    /// What the Envoys are given.
    pub snapshot: Arc<Snapshot>,
}

/// Why a generation cannot be made.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The document is to blame, for all of this.
    #[error("the document is not valid: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Problem>),
    /// The control plane is to blame.
    #[error("cannot make the configuration for Envoy")]
    Render(#[from] RenderError),
}

impl Built {
    /// Makes a generation. Of `lists`, those are left out that no server of the document can have answered.
    ///
    /// # Errors
    /// Everything that is wrong with the document.
    pub fn new(
        revision: RevisionNumber,
        document: Arc<CheckedDocument>,
        lists: &Lists,
        module: ModuleFile,
    ) -> Result<Self, BuildError> {
        let lists: Lists = lists
            .iter()
            .filter(|(name, list)| {
                let server = document.servers.get(*name);
                server.is_some_and(|server| list.may_be_of(server))
            })
            .map(|(server, list)| (server.clone(), Arc::clone(list)))
            .collect();
        let catalogue: Catalogue = lists
            .iter()
            .map(|(server, list)| (server.clone(), list.tools.clone()))
            .collect();
        let generation = name(revision, &lists, &catalogue, &module);
        let identity = Identity {
            generation: generation.as_str().to_owned(),
            revision: revision.0,
        };
        let mut listeners = Vec::new();
        let mut problems = Vec::new();
        for listener in &document.listeners {
            match resolve(&document, listener, &catalogue, &identity) {
                Ok(resolved) => listeners.push((listener.name.clone(), resolved)),
                Err(found) => problems.extend(found),
            }
        }
        if !problems.is_empty() {
            // A rule that holds for several listeners is wrong once.
            problems.sort_by(|a, b| (&a.path, &a.reason).cmp(&(&b.path, &b.reason)));
            problems.dedup();
            return Err(BuildError::Invalid(problems));
        }
        let configs: Vec<_> = document
            .listeners
            .iter()
            .zip(&listeners)
            .map(|(listener, (_, resolved))| (listener, &resolved.config))
            .collect();
        let snapshot = Arc::new(envoy::snapshot(generation, &document, &configs, &module)?);
        Ok(Self {
            revision,
            warnings: warnings(&document, &catalogue),
            document,
            lists,
            module,
            listeners,
            snapshot,
        })
    }

    /// What it is called.
    #[must_use]
    pub fn generation(&self) -> &Generation {
        self.snapshot.generation()
    }

    /// The parts that it can be made from again.
    #[must_use]
    pub fn parts(&self) -> AcceptedGeneration {
        AcceptedGeneration {
            generation: self.generation().as_str().to_owned(),
            revision: self.revision,
            catalogues: hashes(&self.lists)
                .map(|(server, hash)| (server.to_owned(), hash.clone()))
                .collect(),
            module: self.module.sha256.clone(),
        }
    }

    /// The tools that are listed and cannot be called all the same, or not everywhere, with the listener.
    pub fn withheld(&self) -> impl Iterator<Item = (&ListenerName, &WithheldTool)> {
        self.listeners.iter().flat_map(|(listener, resolved)| {
            let withheld = resolved.withheld.iter();
            withheld.map(move |withheld| (listener, withheld))
        })
    }
}

fn hashes(lists: &Lists) -> impl Iterator<Item = (&str, &ListHash)> {
    lists
        .iter()
        .map(|(server, list)| (server.as_str(), &list.stored.hash))
}

/// SHA-256 over the parts; each is preceded by its length, so that no two sets of parts are written alike.
fn name(
    revision: RevisionNumber,
    lists: &Lists,
    catalogue: &Catalogue,
    module: &ModuleFile,
) -> Generation {
    let mut hasher = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    part(&revision.0.to_be_bytes());
    part(module.sha256.as_bytes());
    for (server, hash) in hashes(lists) {
        part(server.as_bytes());
        part(hash.as_str().as_bytes());
    }
    // Which of two tools of one name was there first is in no list.
    let mut sharing: BTreeMap<&str, BTreeSet<(u64, &ServerName)>> = BTreeMap::new();
    for (server, tool) in catalogue
        .iter()
        .flat_map(|(server, tools)| tools.iter().map(move |tool| (server, tool)))
    {
        let servers = sharing.entry(&tool.name).or_default();
        servers.insert((tool.listed_since, server));
    }
    for (tool, servers) in sharing.iter().filter(|(_, servers)| servers.len() > 1) {
        part(tool.as_bytes());
        for (_, server) in servers {
            part(server.as_str().as_bytes());
        }
    }
    Generation::new(&hex::encode(hasher.finalize()))
}
