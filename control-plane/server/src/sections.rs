//! The kinds of resources that a document is made of, and one way to read and change any of them:
//! an operator's resource is a place in the document, and [`KINDS`] says which.
//!
//! Works on the document as JSON, so that a new section is a new row of the table and no new code.
//! Whether the changed document makes sense is for `gateway_document` to say.

use gateway_document::did_you_mean;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

mod edit;

pub use edit::{SectionChange, SectionEdit};

/// One kind of resources: where they are in the document, and how they are told apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The word by which paths and differences name the kind.
    pub name: &'static str,
    /// The word for one of them, in sentences.
    pub one: &'static str,
    /// The field of the document that holds them.
    pub section: &'static str,
    /// How the field holds them.
    pub shape: Shape,
    /// The name of their definition in the document's JSON Schema.
    pub definition: &'static str,
    /// Their purpose, in a sentence.
    pub about: &'static str,
}

/// How a section of the document holds its resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// An object whose keys are the names.
    Map,
    /// A list of objects, each with its `name`.
    List,
    /// One field of each object of a list: it comes and goes with that object.
    FieldOf(&'static str),
    /// The section is one resource, without a name.
    Whole,
}

/// Every kind of resources. A test holds this table against the document's schema.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "listeners",
        one: "listener",
        section: "listeners",
        shape: Shape::List,
        definition: "Listener",
        about: "The addresses that clients connect to.",
    },
    Kind {
        name: "servers",
        one: "server",
        section: "servers",
        shape: Shape::Map,
        definition: "Server",
        about: "Registered MCP servers.",
    },
    Kind {
        name: "secrets",
        one: "secret",
        section: "secrets",
        shape: Shape::Map,
        definition: "Secret",
        about: "References to secrets; never the secrets themselves.",
    },
    Kind {
        name: "roles",
        one: "role",
        section: "roles",
        shape: Shape::Map,
        definition: "Role",
        about: "Roles: who has them.",
    },
    Kind {
        name: "rules",
        one: "rule",
        section: "tools",
        shape: Shape::List,
        definition: "Rule",
        about: "Rules for tools, the first match first.",
    },
    Kind {
        name: "clusters",
        one: "cluster",
        section: "clusters",
        shape: Shape::List,
        definition: "Cluster",
        about: "Clusters that `servers` does not imply.",
    },
    Kind {
        name: "endpoints",
        one: "cluster",
        section: "clusters",
        shape: Shape::FieldOf("endpoints"),
        definition: "Cluster",
        about: "The addresses behind each cluster, by the cluster's name.",
    },
    Kind {
        name: "routes",
        one: "route",
        section: "routes",
        shape: Shape::List,
        definition: "HttpRoute",
        about: "HTTP routes besides the MCP endpoints.",
    },
    Kind {
        name: "module",
        one: "section",
        section: "module",
        shape: Shape::Whole,
        definition: "GatewayModule",
        about: "The module of the gateway's own filter.",
    },
    Kind {
        name: "filters",
        one: "filter",
        section: "filters",
        shape: Shape::List,
        definition: "Filter",
        about: "Filters besides the gateway's own.",
    },
    Kind {
        name: "defaults",
        one: "section",
        section: "defaults",
        shape: Shape::Whole,
        definition: "Defaults",
        about: "The policy that holds where no rule says otherwise.",
    },
    Kind {
        name: "rollout",
        one: "section",
        section: "rollout",
        shape: Shape::Whole,
        definition: "Rollout",
        about: "How a change reaches the Envoys.",
    },
];

/// Why a resource cannot be read or changed. The document is as it was.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SectionError {
    /// There is none of that name.
    #[error(
        "there is no {one} `{name}`; {}",
        .meant.clone().unwrap_or_else(|| {
            format!("`GET /api/v1/{kind}` lists those that there are")
        })
    )]
    Missing {
        /// The word of the kind in paths.
        kind: &'static str,
        /// The word for one of the kind.
        one: &'static str,
        /// The name that was asked for.
        name: String,
        /// A question that names those that may have been meant.
        meant: Option<String>,
    },
    /// Another one has that name.
    #[error("there is a {one} `{name}` already; change it by `PUT /api/v1/{kind}/{name}`")]
    Taken {
        /// The word of the kind in paths.
        kind: &'static str,
        /// The word for one of the kind.
        one: &'static str,
        /// The name that is taken.
        name: String,
    },
    /// It is not what the author of the change has read.
    #[error("the {one} `{name}` is not the one that you have read: read it, and change that")]
    Changed {
        /// The word for one of the kind.
        one: &'static str,
        /// The name of the resource.
        name: String,
    },
    /// The sent value is no resource, for this reason and at this path.
    #[error("{reason}")]
    Malformed {
        /// JSON Pointer into what was sent.
        path: &'static str,
        /// The fault, with what to do about it.
        reason: String,
    },
}

impl Kind {
    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// The resources of this kind with their names, in the document's order. None of a section that
    /// is one resource.
    #[must_use]
    pub fn all(&self, document: &Value) -> Vec<(String, Value)> {
        let section = document.get(self.section);
        match self.shape {
            Shape::Map => {
                let entries = section.and_then(Value::as_object).into_iter().flatten();
                entries
                    .map(|(name, value)| (name.clone(), with_name(name, value)))
                    .collect()
            }
            Shape::List | Shape::FieldOf(_) => {
                let items = section.and_then(Value::as_array).into_iter().flatten();
                items
                    .filter_map(|item| {
                        let name = name_of(item)?;
                        Some((name.to_owned(), self.shown(item)))
                    })
                    .collect()
            }
            Shape::Whole => Vec::new(),
        }
    }

    /// The resource of that name as the API shows it; the section itself where it is one resource.
    #[must_use]
    pub fn find(&self, document: &Value, name: &str) -> Option<Value> {
        let section = document.get(self.section)?;
        match self.shape {
            Shape::Map => Some(with_name(name, section.get(name)?)),
            Shape::List | Shape::FieldOf(_) => {
                let at = position(section, name)?;
                Some(self.shown(section.get(at)?))
            }
            Shape::Whole => Some(section.clone()),
        }
    }

    /// JSON Pointer to the resource in the document.
    #[must_use]
    pub fn place(&self, document: &Value, name: &str) -> Option<String> {
        let section = document.get(self.section);
        match self.shape {
            Shape::Map => Some(format!("/{}/{}", self.section, escaped(name))),
            Shape::List | Shape::FieldOf(_) => {
                let at = position(section?, name)?;
                Some(format!("/{}/{at}", self.section))
            }
            Shape::Whole => Some(format!("/{}", self.section)),
        }
    }

    /// An item of a list as the API shows it.
    fn shown(&self, item: &Value) -> Value {
        match (self.shape, item) {
            (Shape::FieldOf(field), Value::Object(fields)) => {
                let shown = fields
                    .iter()
                    .filter(|(name, _)| *name == "name" || *name == field)
                    .map(|(name, value)| (name.clone(), value.clone()));
                Value::Object(shown.collect())
            }
            _ => item.clone(),
        }
    }

    /// The error for a name that nothing in the section has.
    fn missing(&self, section: &Value, name: &str) -> SectionError {
        let keys = section.as_object().into_iter().flatten();
        let items = section.as_array().into_iter().flatten();
        let names = keys
            .map(|(key, _)| key.as_str())
            .chain(items.filter_map(name_of));
        SectionError::Missing {
            kind: self.name,
            one: self.one,
            name: name.to_owned(),
            meant: did_you_mean(name, names),
        }
    }

    /// The resource of that name as the API shows it.
    ///
    /// # Errors
    /// [`SectionError::Missing`] where there is none.
    pub fn get(&self, document: &Value, name: &str) -> Result<Value, SectionError> {
        self.find(document, name).ok_or_else(|| {
            let section = document.get(self.section).unwrap_or(&Value::Null);
            self.missing(section, name)
        })
    }
}

/// The entity tag of a resource: a hash of its content, so that a change elsewhere in the document
/// leaves it valid.
#[must_use]
pub fn tag_of(resource: &Value) -> String {
    let mut hash = hex::encode(Sha256::digest(resource.to_string()));
    // Nobody attacks their own tags; 64 bits tell two contents of one resource apart.
    hash.truncate(16);
    hash
}

/// Joins the tag of a resource's content and that of its state into one entity tag.
#[must_use]
pub fn with_status(content: &str, status: &str) -> String {
    format!("{content}.{status}")
}

/// The tag of a resource's content in an entity tag: a state that is another one meanwhile is no
/// reason to refuse a change of the content.
#[must_use]
pub fn content_of(tag: &str) -> &str {
    tag.split_once('.').map_or(tag, |(content, _)| content)
}

/// The resource that a JSON Pointer into the document leads to, or into: its kind and its name,
/// which is empty where the section is one resource.
#[must_use]
pub fn resource_at(document: &Value, pointer: &str) -> Option<(&'static Kind, String)> {
    let mut tokens = pointer.strip_prefix('/')?.splitn(3, '/');
    let section = tokens.next()?;
    let kind = KINDS
        .iter()
        .find(|kind| kind.section == section && !matches!(kind.shape, Shape::FieldOf(_)))?;
    let name = match kind.shape {
        Shape::Whole => String::new(),
        Shape::Map => tokens.next()?.replace("~1", "/").replace("~0", "~"),
        Shape::List | Shape::FieldOf(_) => {
            let at: usize = tokens.next()?.parse().ok()?;
            name_of(document.get(section)?.get(at)?)?.to_owned()
        }
    };
    Some((kind, name))
}

/// A key or a name as a part of a JSON Pointer (RFC 6901).
#[must_use]
pub fn escaped(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// The name that a resource says of itself.
fn name_of(resource: &Value) -> Option<&str> {
    resource.get("name")?.as_str()
}

fn position(section: &Value, name: &str) -> Option<usize> {
    let mut items = section.as_array()?.iter();
    items.position(|item| name_of(item) == Some(name))
}

fn with_name(name: &str, value: &Value) -> Value {
    let mut named = Map::from_iter([("name".to_owned(), Value::String(name.to_owned()))]);
    if let Value::Object(fields) = value {
        named.extend(fields.clone());
    }
    Value::Object(named)
}

#[cfg(test)]
mod tests;
