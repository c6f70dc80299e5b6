//! Resources by URI: what a client lists, and how a read finds its code.

use futures::future::BoxFuture;
use rmcp::model::{Resource as Listed, ResourceTemplate};

use super::{Contents, ListedResource, Resource, UriTemplate, Variables};
use crate::call::Call;
use crate::cursor;
use crate::known_names::NameKind;
use crate::services::Services;
use crate::tools::ToolFailure;

/// Resources in a page of the list: a client that shows them shows no more at once, and every
/// further one is a cursor away.
const PAGE: usize = 100;

type Read = for<'a> fn(
    &'a Services,
    &'a Call,
    &'a Variables,
) -> BoxFuture<'a, Result<Contents, ToolFailure>>;

type List = for<'a> fn(
    &'a Services,
    &'a Call,
    Option<&'a Variables>,
    usize,
) -> BoxFuture<'a, Result<Vec<ListedResource>, ToolFailure>>;

type State = for<'a> fn(
    &'a Services,
    &'a Call,
    &'a Variables,
) -> BoxFuture<'a, Result<Option<String>, ToolFailure>>;

struct Entry {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    mime_type: &'static str,
    templates: Vec<UriTemplate>,
    variables: &'static [(&'static str, NameKind)],
    is_watched: bool,
    read: Read,
    state: State,
    list: List,
}

/// The resources of a server, in the order in which they were added.
#[derive(Default)]
pub struct ResourceRegistry {
    entries: Vec<Entry>,
}

/// A page of the resources that there are now.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourcePage {
    /// The resources of this page, as a client sees them.
    pub resources: Vec<Listed>,
    /// The cursor of the next page, if there is one.
    pub next_cursor: Option<String>,
}

impl ResourcePage {
    /// A page after which the list goes on at `position`.
    fn cut(resources: Vec<Listed>, position: &Position) -> Self {
        Self {
            resources,
            next_cursor: Some(position.encode()),
        }
    }
}

/// The resource of one URI, which need not be there.
pub struct FoundResource<'a> {
    entry: &'a Entry,
    variables: Variables,
}

/// The text is no cursor that this registry gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidCursor;

/// The place where a page ended: the kind of resource, and the URI of the last one listed.
struct Position {
    kind: usize,
    uri: Option<String>,
}

impl Position {
    fn encode(&self) -> String {
        cursor::seal(&(self.kind, &self.uri))
    }

    fn decode(cursor: &str) -> Option<Self> {
        let (kind, uri) = cursor::open(cursor)?;
        Some(Self { kind, uri })
    }
}

impl Entry {
    fn find(&self, uri: &str) -> Option<Variables> {
        self.templates
            .iter()
            .find_map(|template| template.read(uri))
    }

    fn listed(&self, listed: ListedResource) -> Listed {
        let description = listed
            .description
            .unwrap_or_else(|| self.description.into());
        Listed::new(listed.uri, self.name)
            .with_title(listed.title)
            .with_description(description)
            .with_mime_type(self.mime_type)
    }
}

impl ResourceRegistry {
    /// Adds one kind of resource.
    #[must_use]
    pub fn with<R: Resource>(mut self) -> Self {
        self.entries.push(Entry {
            name: R::NAME,
            title: R::TITLE,
            description: R::DESCRIPTION,
            mime_type: R::MIME_TYPE,
            templates: R::TEMPLATES
                .iter()
                .map(|text| UriTemplate::new(text))
                .collect(),
            variables: R::VARIABLES,
            is_watched: R::IS_WATCHED,
            read: |services, call, variables| Box::pin(R::read(services, call, variables)),
            state: |services, call, variables| Box::pin(R::state(services, call, variables)),
            list: |services, call, after, most| Box::pin(R::list(services, call, after, most)),
        });
        self
    }

    /// The templates with variables, as a client sees them.
    pub fn templates(&self) -> Vec<ResourceTemplate> {
        let all = self.entries.iter().flat_map(|entry| {
            let templates = entry.templates.iter().filter(|one| one.has_variables());
            templates.map(|template| {
                ResourceTemplate::new(template.text(), entry.name)
                    .with_title(entry.title)
                    .with_description(entry.description)
                    .with_mime_type(entry.mime_type)
            })
        });
        all.collect()
    }

    /// The names that a variable of a template stands for; `None` when no template is written so,
    /// or has no such variable.
    pub fn names_of(&self, template: &str, variable: &str) -> Option<NameKind> {
        let is_it = |one: &UriTemplate| {
            one.text() == template && one.variables().any(|name| name == variable)
        };
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.templates.iter().any(is_it))?;
        let kind = entry.variables.iter().find(|(name, _)| *name == variable);
        Some(kind.map_or(NameKind::Free, |(_, kind)| *kind))
    }

    /// A page of the resources that there are now. A kind that cannot be listed at the moment is
    /// left out: its templates tell that there are more.
    ///
    /// # Errors
    /// The cursor is none that this registry gave.
    pub async fn list(
        &self,
        services: &Services,
        call: &Call,
        cursor: Option<&str>,
    ) -> Result<ResourcePage, InvalidCursor> {
        let mut position = match cursor {
            None => Position { kind: 0, uri: None },
            Some(cursor) => Position::decode(cursor).ok_or(InvalidCursor)?,
        };
        if position.kind > self.entries.len() {
            return Err(InvalidCursor);
        }
        let mut resources = Vec::new();
        while let Some(entry) = self.entries.get(position.kind) {
            if resources.len() >= PAGE {
                return Ok(ResourcePage::cut(resources, &position));
            }
            let after = match &position.uri {
                None => {
                    let fixed = entry.templates.iter().filter(|one| !one.has_variables());
                    resources.extend(fixed.map(|template| {
                        entry.listed(ListedResource {
                            uri: template.text().to_owned(),
                            title: entry.title.to_owned(),
                            description: None,
                        })
                    }));
                    None
                }
                Some(uri) => Some(entry.find(uri).ok_or(InvalidCursor)?),
            };
            let room = PAGE.saturating_sub(resources.len()).max(1);
            let listed = (entry.list)(services, call, after.as_ref(), room + 1).await;
            let mut listed = listed.unwrap_or_else(|failure| {
                tracing::debug!(resource = entry.name, error = failure.message, "not listed");
                Vec::new()
            });
            let is_cut = listed.len() > room;
            listed.truncate(room);
            let last = listed.last().map(|last| last.uri.clone());
            resources.extend(listed.into_iter().map(|one| entry.listed(one)));
            if is_cut {
                position.uri = last;
                return Ok(ResourcePage::cut(resources, &position));
            }
            position = Position {
                kind: position.kind + 1,
                uri: None,
            };
        }
        Ok(ResourcePage {
            resources,
            next_cursor: None,
        })
    }

    /// The URIs of the first `most` resources of each kind that can be listed at the moment, by the
    /// kind's name.
    pub async fn listed_uris(
        &self,
        services: &Services,
        call: &Call,
        most: usize,
    ) -> Vec<(&'static str, Vec<String>)> {
        let mut kinds = Vec::new();
        for entry in &self.entries {
            match (entry.list)(services, call, None, most).await {
                Ok(listed) => {
                    let uris = listed.into_iter().map(|one| one.uri);
                    kinds.push((entry.name, uris.collect()));
                }
                Err(failure) => {
                    let error = failure.message;
                    tracing::debug!(resource = entry.name, error, "not listed");
                }
            }
        }
        kinds
    }

    /// Whether clients can be told when the resource of this URI changes.
    pub fn is_watched(&self, uri: &str) -> bool {
        self.find(uri).is_some_and(|found| found.entry.is_watched)
    }

    /// A text that is another one when the resource of this URI has changed; `None` where that
    /// cannot be found out at the moment.
    pub async fn state(&self, services: &Services, call: &Call, uri: &str) -> Option<String> {
        let FoundResource { entry, variables } = self.find(uri)?;
        match (entry.state)(services, call, &variables).await {
            Ok(state) => Some(state.unwrap_or_default()),
            Err(failure) => {
                tracing::debug!(
                    resource = entry.name,
                    error = failure.message,
                    "not watched"
                );
                None
            }
        }
    }

    /// The resource of this URI; `None` where no resource of this server has such a URI.
    pub fn find(&self, uri: &str) -> Option<FoundResource<'_>> {
        self.entries.iter().find_map(|entry| {
            let variables = entry.find(uri)?;
            Some(FoundResource { entry, variables })
        })
    }
}

impl FoundResource<'_> {
    /// The name of its kind.
    pub fn name(&self) -> &'static str {
        self.entry.name
    }

    /// Reads it; its contents have a media type.
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    pub async fn read(&self, services: &Services, call: &Call) -> Result<Contents, ToolFailure> {
        let mut contents = (self.entry.read)(services, call, &self.variables).await?;
        contents
            .mime_type
            .get_or_insert(self.entry.mime_type.into());
        Ok(contents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_every_variable_of_its_templates() {
        for entry in ResourceRegistry::all().entries {
            for template in &entry.templates {
                for variable in template.variables() {
                    let is_named = entry.variables.iter().any(|(name, _)| *name == variable);
                    assert!(is_named, "{} {variable}", template.text());
                }
            }
        }
    }
}
