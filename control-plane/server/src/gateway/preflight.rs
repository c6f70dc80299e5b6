//! Changes are shown to an Envoy that serves nobody, before those that serve traffic get them.

use std::collections::BTreeSet;

use gateway_document::{GatewayDocument, Problem};
use xds::ResourceType;

use super::Gateway;
use super::change::ChangeError;
use crate::generation::Built;
use crate::preflight::{
    ChangedResource, Preflight, PreflightAnswer, PreflightCounts, changed, starts_a_module,
};

impl Gateway {
    /// Asks this Envoy about changes from now on; only the first one that is given is asked.
    pub fn ask_first(&self, preflight: Preflight) {
        // Whoever is given a second one has made a mistake that does no harm.
        let _ = self.preflight.set(preflight);
    }

    /// How often that Envoy was asked; nothing where there is none.
    #[must_use]
    pub fn preflight_counts(&self) -> Option<&PreflightCounts> {
        self.preflight.get().map(Preflight::counts)
    }

    /// Whether [`Gateway::fly_ahead`] takes no time: nobody is to be asked, or has answered before.
    pub(super) fn has_flown(&self, before: &Built, after: &Built) -> bool {
        let preflight = self.preflight.get();
        preflight.is_none_or(|preflight| preflight.knows(&before.snapshot, &after.snapshot))
    }

    /// Whether a change brings a module that an Envoy has to have started before it goes out.
    pub(super) fn brings_a_module(before: &Built, after: &Built) -> bool {
        starts_a_module(&changed(&before.snapshot, &after.snapshot))
    }

    /// Shows a generation to the Envoy that is asked about changes, where there is one. Tells why
    /// it has not judged it, if it has not.
    ///
    /// # Errors
    /// When it would not take it, or has not got a new module running.
    pub(super) async fn fly_ahead(
        &self,
        before: &Built,
        after: &Built,
    ) -> Result<Option<String>, ChangeError> {
        let Some(preflight) = self.preflight.get() else {
            return Ok(None);
        };
        let (old, new) = (&before.snapshot, &after.snapshot);
        let (reason, paths) = match preflight.ask(old, new).await {
            PreflightAnswer::NoObjection => return Ok(None),
            PreflightAnswer::Unjudged(reason) => return Ok(Some(reason)),
            PreflightAnswer::Busy(reason) => {
                return Err(ChangeError::Busy(format!(
                    "{reason}; a new module goes to no Envoy that serves traffic before another \
                     has started it: send the change again in a minute"
                )));
            }
            PreflightAnswer::Objection(words) => {
                let changed = changed(old, new);
                let paths = paths(&changed, &words, &before.document, &after.document);
                let reason = format!("Envoy would not take this; it says: {words}");
                (reason, paths)
            }
            PreflightAnswer::ModuleFault(fault) => {
                let mut modules = changed(old, new);
                modules.retain(|resource| resource.is_module);
                let paths = paths(&modules, "", &before.document, &after.document);
                let reason = format!(
                    "{fault}; see to what the module does when it starts and is configured, and \
                     upload a build that is done within seconds, or send the change again if the \
                     machine was busy"
                );
                (reason, paths)
            }
        };
        let problems = paths.into_iter().map(|path| Problem {
            path,
            reason: reason.clone(),
        });
        Err(ChangeError::Invalid(problems.collect()))
    }
}

/// The places of the document that Envoy's words are about: those of the resources that it names,
/// or else of all that have changed; where these are many, the whole document.
fn paths(
    changed: &[ChangedResource],
    words: &str,
    before: &GatewayDocument,
    after: &GatewayDocument,
) -> BTreeSet<String> {
    let named: Vec<&ChangedResource> = changed
        .iter()
        .filter(|resource| words.contains(&*resource.name))
        .collect();
    let candidates = if named.is_empty() {
        changed.iter().collect()
    } else {
        named
    };
    let paths: BTreeSet<String> = candidates
        .into_iter()
        .flat_map(|resource| places(resource, before, after))
        .collect();
    if paths.is_empty() || paths.len() > MOST_PLACES {
        return BTreeSet::from([String::new()]);
    }
    paths
}

/// More places than that are no help.
const MOST_PLACES: usize = 4;

fn places(
    resource: &ChangedResource,
    before: &GatewayDocument,
    after: &GatewayDocument,
) -> Vec<String> {
    let name = &*resource.name;
    match resource.resource_type {
        ResourceType::Cluster => {
            let mut clusters = after.clusters.iter();
            let index = clusters.position(|cluster| cluster.name.as_str() == name);
            vec![index.map_or_else(
                || format!("/servers/{name}"),
                |index| format!("/clusters/{index}"),
            )]
        }
        ResourceType::Route => {
            let routes = after.routes.iter().enumerate();
            let new = routes.filter(|(_, route)| !before.routes.contains(route));
            let paths: Vec<_> = new.map(|(index, _)| format!("/routes/{index}")).collect();
            if paths.is_empty() {
                listener(name, after)
            } else {
                paths
            }
        }
        ResourceType::ExtensionConfig => {
            let filters = after.filters.iter();
            let mut names = filters.map(|filter| format!("portcullis.filter.{}", filter.name));
            let index = names.position(|filter| filter == name);
            vec![index.map_or_else(|| "/module".to_owned(), |index| format!("/filters/{index}"))]
        }
        _ => listener(name, after),
    }
}

fn listener(name: &str, document: &GatewayDocument) -> Vec<String> {
    let mut listeners = document.listeners.iter();
    let index = listeners.position(|listener| listener.name.as_str() == name);
    index
        .map(|index| format!("/listeners/{index}"))
        .into_iter()
        .collect()
}
