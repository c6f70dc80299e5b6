//! The resources: one file each, one line each in [`ResourceRegistry::all`].
//!
//! A resource file holds a unit struct that implements [`Resource`]. It knows nothing of HTTP or
//! JSON-RPC: it gets the variables of the URI that was read, the services and the call, and gives
//! back contents or a failure.

mod active_pipelines;
mod kept_result;
mod postgres_schema;
mod postgres_table;
mod registry;
mod spark_cluster;
mod spark_job;
mod system_metrics;

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::call::Call;
use crate::config::Config;
use crate::known_names::NameKind;
use crate::results::RawJson;
use crate::services::Services;
use crate::tools::ToolFailure;

pub use registry::{FoundResource, ResourcePage, ResourceRegistry};
pub use uri_template::{UriTemplate, Variables};

impl ResourceRegistry {
    /// The resources that the configuration offers: kept results where results are kept.
    pub fn offered(config: &Config) -> Self {
        match config.blocks.enabled {
            true => Self::all(),
            false => Self::beside_results(),
        }
    }

    /// Every resource of this server, in the order of the lists that clients see. Of two templates
    /// that a URI fits, the one that stands first here is read.
    pub fn all() -> Self {
        Self::beside_results().with::<kept_result::KeptResult>()
    }

    fn beside_results() -> Self {
        Self::default()
            .with::<spark_cluster::SparkCluster>()
            .with::<spark_job::SparkJob>()
            .with::<postgres_schema::PostgresSchema>()
            .with::<postgres_table::PostgresTable>()
            .with::<active_pipelines::ActivePipelines>()
            .with::<system_metrics::SystemMetrics>()
    }
}

/// One kind of resource that clients can read.
pub trait Resource: Send + Sync + 'static {
    /// The forms that its URI can have, as templates of RFC 6570. One without variables is itself a
    /// URI and is listed as such.
    const TEMPLATES: &'static [&'static str];
    /// The name that programs know it by.
    const NAME: &'static str;
    /// For people: a few words.
    const TITLE: &'static str;
    /// For models: what it holds, and when to read it.
    const DESCRIPTION: &'static str;
    /// The media type of its contents.
    const MIME_TYPE: &'static str = JSON;
    /// Which names the variables of the templates stand for, so that clients can complete them.
    const VARIABLES: &'static [(&'static str, NameKind)] = &[];

    /// Reads the resource that the variables name.
    fn read(
        services: &Services,
        call: &Call,
        variables: &Variables,
    ) -> impl Future<Output = Result<Contents, ToolFailure>> + Send;

    /// Whether clients can be told when a resource of this kind changes.
    const IS_WATCHED: bool = false;

    /// A text that is another one when the resource has changed; found out by one small query,
    /// because it is asked for again and again. None where there is no such resource.
    fn state(
        services: &Services,
        call: &Call,
        variables: &Variables,
    ) -> impl Future<Output = Result<Option<String>, ToolFailure>> + Send {
        let _ = (services, call, variables);
        std::future::ready(Ok(None))
    }

    /// At most `most` of the resources of this kind that there are now, after the one whose
    /// variables are `after`; none where they are too many, or too short-lived, for a list.
    fn list(
        services: &Services,
        call: &Call,
        after: Option<&Variables>,
        most: usize,
    ) -> impl Future<Output = Result<Vec<ListedResource>, ToolFailure>> + Send {
        let _ = (services, call, after, most);
        std::future::ready(Ok(Vec::new()))
    }
}

/// The media type of JSON.
const JSON: &str = "application/json";

/// One resource in the list of those that there are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedResource {
    /// Its URI, which fits a template of its kind.
    pub uri: String,
    /// For people: a few words that tell it from the others of its kind.
    pub title: String,
    /// More about it, where there is more.
    pub description: Option<String>,
}

/// The contents of a resource, as read.
#[derive(Debug, Clone, PartialEq)]
pub struct Contents {
    /// The contents, as text or as bytes.
    pub body: Body,
    /// Their media type, where it is not that of every resource of this kind.
    pub mime_type: Option<Cow<'static, str>>,
    /// How long a client may keep them; zero for what has changed by the next look.
    pub fresh_for: Duration,
    /// Members of `_meta`, beside the contents.
    pub meta: Map<String, Value>,
}

/// The contents of a resource in the form that they travel in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Text, which travels as a string.
    Text(String),
    /// Bytes that are no text; they travel as base64.
    Bytes(Bytes),
}

impl Body {
    /// Its bytes, before base64.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Contents {
    /// JSON that a client may keep for so long.
    pub fn json(json: &RawJson, fresh_for: Duration) -> Self {
        Self {
            body: Body::Text(String::from_utf8_lossy(json.bytes()).into_owned()),
            mime_type: None,
            fresh_for,
            meta: Map::new(),
        }
    }
}
