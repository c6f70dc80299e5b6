//! A generation is all that rolls out: a revision, the servers' lists and the module, made into one
//! snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use envoy_types::pb::google::protobuf::Any;
use gateway_document::{
    Catalogue, CheckedDocument, ListenerName, Problem, Resolved, ServerName, Warning, WithheldTool,
    resolve, warnings,
};
use store::{Input, ListHash, RevisionNumber, StoredGeneration, StoredResource};
use thiserror::Error;
use xds::{
    EarlierResources, Generation, InconsistentSnapshot, InvalidResource, Resource, ResourceType,
    Snapshot,
};

use crate::catalogue::KnownList;
use crate::envoy::{self, Earlier, RenderError, Rendering, Source};
use crate::module::ModuleFile;

mod tool_view;

pub use gateway_document::KnownSchemas;
pub use tool_view::{FindToolError, ToolView, tool_rule_name};

/// The lists that are known, by server.
pub type Lists = BTreeMap<ServerName, Arc<KnownList>>;

/// One generation: everything that the Envoys get, and everything that it was made from.
#[derive(Debug)]
pub struct Built {
    /// The number of the operator's revision that this was made from.
    pub revision: RevisionNumber,
    /// The operator's document, checked by itself.
    pub document: Arc<CheckedDocument>,
    /// The lists of the document's servers, as far as they were known.
    pub lists: Lists,
    /// The filter module that Envoys load.
    pub module: ModuleFile,
    /// The resolved configuration of each listener's filter, in the document's order.
    pub listeners: Arc<[(ListenerName, Resolved)]>,
    /// The rules of the document that have no effect.
    pub warnings: Vec<Warning>,
    /// The resources that Envoys are given. The generation is named by their content, endpoints
    /// left out.
    pub snapshot: Arc<Snapshot>,
    /// The resources as this process rendered them from these inputs. Envoys may be sent others:
    /// those that an earlier process rendered, or with endpoints that came later.
    rendered: Arc<Snapshot>,
    /// The type and the name of each resource that was rendered for this generation; the others are
    /// shared with the one before. Only tests read it: a change renders what it changes, no more.
    pub rendered_anew: Arc<[(ResourceType, Arc<str>)]>,
    /// The schemas that this generation's policies use, for the next generation's.
    pub schemas: KnownSchemas,
}

/// Why stored bytes are not the generation that they are said to be.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// A stored resource is none.
    #[error("a stored resource cannot be read")]
    Resource(#[from] InvalidResource),
    /// The stored resources do not fit together, or not with today's endpoints.
    #[error("the stored resources do not fit together")]
    Snapshot(#[from] InconsistentSnapshot),
    /// No generation is made of what it was made of.
    #[error("what the stored generation was made of cannot be read")]
    Parts(#[from] BuildError),
    /// The content has another name.
    #[error("the stored resources are not those of the generation `{0}`")]
    OtherContent(String),
}

/// Why a generation cannot be made.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The document is to blame, for all of this.
    #[error(
        "the document is not valid: {}",
        .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    Invalid(Vec<Problem>),
    /// The control plane is to blame.
    #[error("cannot make the configuration for Envoy")]
    Render(#[from] RenderError),
}

impl Built {
    /// Makes a generation that follows none, and compiles those of its schemas that are not
    /// `known`. Of `lists`, those are left out that no server of the document can have answered.
    ///
    /// # Errors
    /// Everything that is wrong with the document.
    pub fn first(
        known: &KnownSchemas,
        revision: RevisionNumber,
        document: Arc<CheckedDocument>,
        lists: &Lists,
        module: ModuleFile,
    ) -> Result<Self, BuildError> {
        let problems = module.shelf.problems(&document);
        Self::make(None, known, revision, document, lists, module, problems)
    }

    /// Makes a generation that Envoys were given of what it was made of, with the bytes that they
    /// were sent, whatever this version would write today. The gateway's own filter that it names
    /// may be one that reads what this version does not write: then nothing can be made after it
    /// before its document names another one.
    ///
    /// # Errors
    /// When the bytes are not what they are said to be, or nothing can be made of its parts.
    pub fn given(
        known: &KnownSchemas,
        document: Arc<CheckedDocument>,
        lists: &Lists,
        module: ModuleFile,
        bytes: &StoredGeneration,
    ) -> Result<Self, RestoreError> {
        let (revision, problems) = (bytes.revision, module.shelf.problems_of_given(&document));
        let made = Self::make(None, known, revision, document, lists, module, problems)?;
        made.with_stored_bytes(bytes)
    }

    /// Makes a generation after this one, which compiles no schema that this one has compiled, and
    /// shares the resources that stay as they are.
    ///
    /// # Errors
    /// As [`Built::first`].
    pub fn next(
        &self,
        revision: RevisionNumber,
        document: Arc<CheckedDocument>,
        lists: &Lists,
        module: ModuleFile,
    ) -> Result<Self, BuildError> {
        let problems = module.shelf.problems(&document);
        let known = &self.schemas;
        Self::make(
            Some(self),
            known,
            revision,
            document,
            lists,
            module,
            problems,
        )
    }

    fn make(
        before: Option<&Self>,
        schemas: &KnownSchemas,
        revision: RevisionNumber,
        document: Arc<CheckedDocument>,
        lists: &Lists,
        module: ModuleFile,
        mut problems: Vec<Problem>,
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
            .filter_map(|(name, list)| {
                let server = document.servers.get(name)?;
                Some((name.clone(), list.offered(server)))
            })
            .collect();
        let mut listeners = Vec::new();
        problems.extend(envoy::filter_problems(&document));
        for share in document.shares() {
            match resolve(&document, &share, &catalogue, schemas) {
                Ok(resolved) => listeners.push((share.listener.name.clone(), resolved)),
                Err(found) => problems.extend(found),
            }
        }
        if !problems.is_empty() {
            // A rule that holds for several listeners is wrong once.
            problems.sort_by(|a, b| (&a.path, &a.reason).cmp(&(&b.path, &b.reason)));
            problems.dedup();
            return Err(BuildError::Invalid(problems));
        }
        let source = Source {
            document: &document,
            listeners: &listeners,
            module: &module,
        };
        let Rendering { snapshot, anew } = envoy::render(source, before.map(Self::as_earlier))?;
        tracing::debug!(
            %revision,
            rendered = anew.len(),
            of = snapshot.resources().count(),
            "resources were rendered"
        );
        let snapshot = Arc::new(snapshot);
        Ok(Self {
            revision,
            warnings: warnings(&document, &catalogue),
            document,
            lists,
            module,
            listeners: listeners.into(),
            rendered: Arc::clone(&snapshot),
            rendered_anew: anew.into(),
            snapshot,
            schemas: schemas.clone(),
        })
    }

    fn as_earlier(&self) -> Earlier<'_> {
        Earlier {
            source: Source {
                document: &self.document,
                listeners: &self.listeners,
                module: &self.module,
            },
            rendered: &self.rendered,
        }
    }

    /// The same inputs with another snapshot, which is the same generation but for its endpoints.
    #[must_use]
    pub fn with_snapshot(&self, snapshot: Arc<Snapshot>) -> Self {
        Self {
            revision: self.revision,
            document: Arc::clone(&self.document),
            lists: self.lists.clone(),
            module: self.module.clone(),
            listeners: Arc::clone(&self.listeners),
            warnings: self.warnings.clone(),
            snapshot,
            rendered: Arc::clone(&self.rendered),
            rendered_anew: Arc::clone(&self.rendered_anew),
            schemas: self.schemas.clone(),
        }
    }

    /// The generation's name, which is a hash of its content.
    #[must_use]
    pub fn generation(&self) -> &Generation {
        self.snapshot.generation()
    }

    /// The same generation as the bytes that Envoys were sent, whatever this version would write
    /// today.
    ///
    /// # Errors
    /// When the bytes are not what they are said to be.
    fn with_stored_bytes(mut self, bytes: &StoredGeneration) -> Result<Self, RestoreError> {
        let own = EarlierResources::of(&self.rendered);
        let resources: Vec<Arc<Resource>> = bytes
            .resources
            .iter()
            .map(|stored| {
                let resource = Resource::from_any(Any {
                    type_url: stored.type_url.clone(),
                    value: stored.value.clone(),
                });
                resource.map(|resource| own.in_place_of(resource))
            })
            .collect::<Result<_, _>>()?;
        let generation = Generation::of(resources.iter().map(|resource| &**resource));
        if generation.as_str() != bytes.generation {
            return Err(RestoreError::OtherContent(bytes.generation.clone()));
        }
        let endpoints = self.snapshot.of_type(ResourceType::Endpoints);
        let builder = resources
            .into_iter()
            .chain(endpoints.cloned())
            .fold(Snapshot::builder(generation), xds::SnapshotBuilder::with);
        self.snapshot = Arc::new(builder.build()?);
        Ok(self)
    }

    /// The form in which the store keeps this while it is tried in waves, and once Envoys have
    /// accepted it.
    #[must_use]
    pub fn to_stored(&self) -> StoredGeneration {
        let resources = self.snapshot.resources();
        let mut resources: Vec<StoredResource> = resources
            .filter(|resource| resource.resource_type().belongs_to_generations())
            .map(|resource| StoredResource {
                type_url: resource.resource_type().type_url().to_owned(),
                version: resource.version().as_str().to_owned(),
                value: resource.content().to_vec(),
            })
            .collect();
        resources.sort();
        StoredGeneration {
            generation: self.generation().as_str().to_owned(),
            revision: self.revision,
            lists: self
                .lists
                .iter()
                .map(|(server, list)| (server.to_string(), list.stored.to_generation_list()))
                .collect(),
            module: self.module.sha256.clone(),
            resources,
        }
    }

    /// The inputs to blame if Envoys reject it and accepted `good`: the document if it changed, or
    /// else the module, or else the lists. One at a time: what is not blamed is tried again by
    /// itself.
    #[must_use]
    pub fn inputs_to_blame(&self, good: &Self) -> Vec<Input> {
        if self.revision != good.revision {
            return vec![Input::Revision(self.revision)];
        }
        if self.module != good.module {
            return vec![Input::Module(self.module.sha256.clone())];
        }
        let before: BTreeMap<_, _> = hashes(&good.lists).collect();
        hashes(&self.lists)
            .filter(|(server, hash)| before.get(server) != Some(hash))
            .map(|(server, hash)| Input::List {
                server: server.to_owned(),
                hash: hash.clone(),
            })
            .collect()
    }

    /// The tools that are listed and cannot be called all the same, or not everywhere, with the
    /// listener.
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

#[cfg(test)]
mod tests;
