//! A server's whole list of tools, in the newest revision of MCP that it answers.

use std::borrow::Cow;
use std::fmt;

use gateway_document::{EndpointUrl, Protocol, Requires, Server, ServerAbout};
use http::HeaderValue;
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer as _};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use store::RawTool;

use super::client::{CatalogueClient, Listing};
use super::era::{Era, NEWEST, client_info};
use super::list_error::ListError;
use super::shortened;
use crate::aside;

const NEWEST_WITH_INITIALIZE: &str = "2025-11-25";
/// More tools, or more pages, are a server that never ends.
const MOST_TOOLS: usize = 10_000;
const MOST_PAGES: usize = 1_000;
/// The most bytes of all definitions together. The list is kept in memory and stored, and its
/// schemas travel to every Envoy in one message, which gRPC bounds at a fraction of this.
const MOST_LIST_BYTES: usize = 16 << 20;

/// The most bytes of the text that stands for the next page.
const MOST_CURSOR_BYTES: usize = 64 << 10;
/// The most bytes of what a server says of itself in one place.
const MOST_ABOUT_BYTES: usize = 64 << 10;

impl CatalogueClient {
    /// Lists the tools of a server from the first of its endpoints that answers.
    ///
    /// # Errors
    /// What the last endpoint answered.
    pub async fn list(&self, server: &Server) -> Result<Listing, ListError> {
        let mut outcome = None;
        for endpoint in server.all_endpoints() {
            match self.list_at(endpoint, server).await {
                Ok(listing) => return Ok(listing),
                Err(error) => outcome = Some(error),
            }
        }
        Err(outcome.unwrap_or_else(|| ListError::Unreadable {
            url: String::new(),
            method: "tools/list",
            reason: "the server has no endpoint".to_owned(),
        }))
    }

    /// Lists the tools from one endpoint. One that never comes to its end keeps no other one from
    /// being asked.
    async fn list_at(&self, endpoint: &EndpointUrl, server: &Server) -> Result<Listing, ListError> {
        let url = endpoint.as_str();
        let listing = tokio::time::timeout(self.list_within, self.list_whole(url, server)).await;
        listing.unwrap_or_else(|_| {
            Err(ListError::Slow {
                url: url.to_owned(),
                within: self.list_within,
            })
        })
    }

    async fn list_whole(&self, url: &str, server: &Server) -> Result<Listing, ListError> {
        match server.protocol {
            Protocol::V2026_07_28 => self.list_stateless(url, server).await,
            Protocol::V2025_11_25 => self.list_in_session(url, NEWEST_WITH_INITIALIZE).await,
            Protocol::V2025_06_18 => self.list_in_session(url, "2025-06-18").await,
            Protocol::V2025_03_26 => self.list_in_session(url, "2025-03-26").await,
            Protocol::Auto => match self.list_stateless(url, server).await {
                // It is there and does not take the request: it may be older.
                Err(ListError::Status { status, .. }) if status.is_client_error() => {
                    self.list_in_session(url, NEWEST_WITH_INITIALIZE).await
                }
                Err(
                    ListError::Refused { .. }
                    | ListError::Unreadable { .. }
                    | ListError::Repeats { .. },
                ) => self.list_in_session(url, NEWEST_WITH_INITIALIZE).await,
                outcome => outcome,
            },
        }
    }

    async fn list_stateless(&self, url: &str, server: &Server) -> Result<Listing, ListError> {
        let tools = self.pages(url, &Era::newest()).await?;
        let about = match self.discover(url).await {
            Ok(about) => about,
            // It has no word for that, and says nothing of itself.
            Err(ListError::Refused { .. } | ListError::Unreadable { .. }) => ServerAbout::default(),
            Err(ListError::Status { status, .. }) if status.is_client_error() => {
                ServerAbout::default()
            }
            // A moment's fault must not make it one that does not meet what is required.
            Err(error) if server.requires != Requires::default() => return Err(error),
            Err(_) => ServerAbout::default(),
        };
        Ok(Listing {
            about,
            endpoint: url.to_owned(),
            protocol: NEWEST.to_owned(),
            tools,
        })
    }

    async fn list_in_session(
        &self,
        url: &str,
        version: &'static str,
    ) -> Result<Listing, ListError> {
        let before = Era::Session {
            version: None,
            session: None,
        };
        let params =
            json!({"protocolVersion": version, "capabilities": {}, "clientInfo": client_info()});
        let reply = self.call(url, &before, "initialize", params).await?;
        let unreadable = |reason: String| ListError::Unreadable {
            url: url.to_owned(),
            method: "initialize",
            reason,
        };
        let agreed: Initialized = serde_json::from_str(reply.result.get())
            .map_err(|error| unreadable(self.way.words(&error.to_string())))?;
        let about = about(&reply.result);
        let era = Era::Session {
            version: Some(
                HeaderValue::from_str(&agreed.protocol_version)
                    .map_err(|_| unreadable("its protocol version is not one".to_owned()))?,
            ),
            session: reply.headers.get("mcp-session-id").cloned(),
        };
        self.notify(url, &era, "notifications/initialized").await?;
        let tools = self.pages(url, &era).await;
        self.end(url, &era).await;
        Ok(Listing {
            about,
            endpoint: url.to_owned(),
            protocol: agreed.protocol_version,
            tools: tools?,
        })
    }

    /// Asks what a server says of itself.
    async fn discover(&self, url: &str) -> Result<ServerAbout, ListError> {
        let era = Era::newest();
        let reply = self.call(url, &era, "server/discover", json!({})).await?;
        Ok(about(&reply.result))
    }

    async fn pages(&self, url: &str, era: &Era) -> Result<Vec<RawTool>, ListError> {
        let unreadable = |reason: &str| ListError::Unreadable {
            url: url.to_owned(),
            method: "tools/list",
            reason: reason.to_owned(),
        };
        let mut tools = Vec::new();
        let mut bytes = 0;
        let mut unnamed = Unnamed::default();
        let mut params = json!({});
        for _ in 0..MOST_PAGES {
            let reply = self.call(url, era, "tools/list", params).await?;
            let page = aside::run_on_answer(move || EntriesOfPage::read(&reply.result)).await;
            let page = page.map_err(|error| unreadable(&self.way.words(&error)))?;
            bytes += page.bytes;
            tools.extend(page.tools);
            unnamed.add(page.unnamed);
            if bytes > MOST_LIST_BYTES {
                return Err(unreadable(
                    "its list is longer than 16 MiB; have it list less, or shorter descriptions",
                ));
            }
            if tools.len() + unnamed.count > MOST_TOOLS {
                return Err(unreadable("it lists more than 10000 tools"));
            }
            match page.next_cursor {
                Some(cursor) => params = json!({"cursor": cursor}),
                None => {
                    if let Unnamed {
                        count,
                        first: Some(error),
                    } = unnamed
                    {
                        let error = self.way.words(&error);
                        tracing::warn!(
                            url,
                            count,
                            error,
                            "tools without a readable name are left out"
                        );
                    }
                    return Ok(tools);
                }
            }
        }
        Err(unreadable("its list has more than 1000 pages"))
    }
}

/// The entries of a page of a list.
struct EntriesOfPage {
    tools: Vec<RawTool>,
    /// The bytes of all of them.
    bytes: usize,
    unnamed: Unnamed,
    next_cursor: Option<String>,
}

/// How many entries have no name that can be read, and why the first has none.
#[derive(Default)]
struct Unnamed {
    count: usize,
    first: Option<String>,
}

impl Unnamed {
    fn add(&mut self, more: Self) {
        self.count += more.count;
        self.first = self.first.take().or(more.first);
    }
}

impl EntriesOfPage {
    /// Reads the result of `tools/list`.
    ///
    /// # Errors
    /// Why it is no page.
    fn read(result: &RawValue) -> Result<Self, String> {
        let page: Page<'_> =
            serde_json::from_str(result.get()).map_err(|error| error.to_string())?;
        let cursor = page.next_cursor.as_deref().unwrap_or_default();
        if cursor.len() > MOST_CURSOR_BYTES {
            return Err(format!(
                "its cursor is longer than {MOST_CURSOR_BYTES} bytes"
            ));
        }
        let mut entries = Self {
            tools: Vec::new(),
            bytes: 0,
            unnamed: Unnamed::default(),
            next_cursor: page.next_cursor,
        };
        let mut reader = serde_json::Deserializer::from_str(page.tools.get());
        let read = reader.deserialize_seq(EachEntry(&mut entries));
        read.map_err(|error| format!("in `tools`: {error}"))?;
        Ok(entries)
    }

    fn count(&self) -> usize {
        self.tools.len() + self.unnamed.count
    }

    fn add(&mut self, definition: &str) {
        self.bytes += definition.len();
        match serde_json::from_str::<Named>(definition) {
            Ok(Named { name }) => self.tools.push(RawTool {
                name,
                json: definition.to_owned(),
            }),
            Err(error) => {
                let first = self.unnamed.first.is_none();
                self.unnamed.add(Unnamed {
                    count: 1,
                    first: first.then(|| error.to_string()),
                });
            }
        }
    }
}

/// Reads one entry after the other, and builds nothing of those past [`MOST_TOOLS`]: a list of so
/// many is refused.
struct EachEntry<'e>(&'e mut EntriesOfPage);

impl<'de> Visitor<'de> for EachEntry<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of definitions")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while self.0.count() <= MOST_TOOLS {
            let Some(definition) = list.next_element::<&RawValue>()? else {
                return Ok(());
            };
            self.0.add(definition.get());
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// The words of a server about itself in the result of `initialize` or `server/discover`. Whatever
/// does not have the form that the protocol wants is left out.
fn about(result: &RawValue) -> ServerAbout {
    const MOST_CAPABILITIES: usize = 100;
    let Said {
        info,
        meta,
        capabilities,
    } = serde_json::from_str(result.get()).unwrap_or_default();
    let in_meta = || small(meta?).remove("io.modelcontextprotocol/serverInfo");
    let info = info.map(small).or_else(|| match in_meta()? {
        Value::Object(info) => Some(info),
        _ => None,
    });
    let text = |name: &str| info.as_ref()?.get(name)?.as_str().map(shortened);
    ServerAbout {
        name: text("name"),
        version: text("version"),
        capabilities: capabilities.map(|all| {
            let all = small(all);
            let names = all.keys().take(MOST_CAPABILITIES);
            names.map(|name| shortened(name)).collect()
        }),
    }
}

/// The places of a result where a server speaks of itself, unread.
#[derive(Default, Deserialize)]
struct Said<'r> {
    #[serde(borrow, default, rename = "serverInfo")]
    info: Option<&'r RawValue>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<&'r RawValue>,
    #[serde(borrow, default)]
    capabilities: Option<&'r RawValue>,
}

/// The members of an object; none of one that is larger than such an object need be.
fn small(object: &RawValue) -> Map<String, Value> {
    let text = Some(object.get()).filter(|text| text.len() <= MOST_ABOUT_BYTES);
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Initialized {
    protocol_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'r> {
    #[serde(borrow)]
    tools: &'r RawValue,
    next_cursor: Option<String>,
}

/// Only the name, and not strictly: what else is wrong with a definition is judged when it is known
/// whose it is.
struct Named {
    name: String,
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LastName)
    }
}

/// Keeps the last `name` of an object, as most readers do, and builds nothing of the rest.
struct LastName;

impl<'de> Visitor<'de> for LastName {
    type Value = Named;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a definition, which is an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Named, A::Error> {
        let mut name = None;
        while let Some(key) = members.next_key::<Cow<'_, str>>()? {
            if key == "name" {
                let text: &RawValue = members.next_value()?;
                name = serde_json::from_str(text.get()).ok();
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        let missing = || A::Error::custom("`name` is not there, or not text");
        name.map(|name| Named { name }).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests;
