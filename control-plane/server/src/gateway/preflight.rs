//! Changes are shown to an Envoy that serves nobody, before those that serve traffic get them.

use std::collections::BTreeSet;

use gateway_document::{GatewayDocument, Problem};
use xds::ResourceType;

use super::Gateway;
use super::change::ChangeError;
use crate::generation::Built;
use crate::preflight::{ChangedResource, Preflight, changed};

impl Gateway {
    /// Asks this Envoy about changes from now on; only the first one that is given is asked.
    pub fn ask_first(&self, preflight: Preflight) {
        // Whoever is given a second one has made a mistake that does no harm.
        let _ = self.preflight.set(preflight);
    }

    /// Shows a generation to the Envoy that is asked about changes, where there is one.
    ///
    /// # Errors
    /// When it would not take it.
    pub(super) async fn fly_ahead(&self, before: &Built, after: &Built) -> Result<(), ChangeError> {
        let Some(preflight) = self.preflight.get() else {
            return Ok(());
        };
        let (old, new) = (&before.snapshot, &after.snapshot);
        let Some(words) = preflight.objection(old, new).await else {
            return Ok(());
        };
        let paths = paths(
            &changed(old, new),
            &words,
            &before.document,
            &after.document,
        );
        let problems = paths.into_iter().map(|path| Problem {
            path,
            reason: format!("Envoy would not take this; it says: {words}"),
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
