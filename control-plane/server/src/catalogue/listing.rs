//! A server's whole list of tools, in the newest revision of MCP that it answers.

use gateway_document::{EndpointUrl, Protocol, Server};
use http::HeaderValue;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use store::RawTool;

use super::client::{CatalogueClient, Era, ListError, Listing, client_info};

const STATELESS: &str = "2026-07-28";
const NEWEST_WITH_INITIALIZE: &str = "2025-11-25";
/// More tools, or more pages, are a server that never ends.
const MOST_TOOLS: usize = 10_000;
const MOST_PAGES: usize = 1_000;
/// The most bytes of all definitions together. The list is kept in memory and stored, and its
/// schemas travel to every Envoy in one message, which gRPC bounds at a fraction of this.
const MOST_LIST_BYTES: usize = 16 << 20;

impl CatalogueClient {
    /// Lists the tools of a server from the first of its endpoints that answers.
    ///
    /// # Errors
    /// What the last endpoint answered.
    pub async fn list(&self, server: &Server) -> Result<Listing, ListError> {
        let mut outcome = None;
        for endpoint in server.all_endpoints() {
            match self.list_at(endpoint, server.protocol).await {
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

    async fn list_at(
        &self,
        endpoint: &EndpointUrl,
        protocol: Protocol,
    ) -> Result<Listing, ListError> {
        let url = endpoint.as_str();
        match protocol {
            Protocol::V2026_07_28 => self.list_stateless(url).await,
            Protocol::V2025_11_25 => self.list_in_session(url, NEWEST_WITH_INITIALIZE).await,
            Protocol::V2025_06_18 => self.list_in_session(url, "2025-06-18").await,
            Protocol::V2025_03_26 => self.list_in_session(url, "2025-03-26").await,
            Protocol::Auto => match self.list_stateless(url).await {
                // It is there and does not take the request: it may be older.
                Err(ListError::Status { status, .. }) if status.is_client_error() => {
                    self.list_in_session(url, NEWEST_WITH_INITIALIZE).await
                }
                Err(ListError::Refused { .. } | ListError::Unreadable { .. }) => {
                    self.list_in_session(url, NEWEST_WITH_INITIALIZE).await
                }
                outcome => outcome,
            },
        }
    }

    async fn list_stateless(&self, url: &str) -> Result<Listing, ListError> {
        let tools = self
            .pages(url, &Era::Stateless { version: STATELESS })
            .await?;
        Ok(Listing {
            endpoint: url.to_owned(),
            protocol: STATELESS.to_owned(),
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
            .map_err(|error| unreadable(error.to_string()))?;
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
            endpoint: url.to_owned(),
            protocol: agreed.protocol_version,
            tools: tools?,
        })
    }

    async fn pages(&self, url: &str, era: &Era) -> Result<Vec<RawTool>, ListError> {
        let unreadable = |reason: &str| ListError::Unreadable {
            url: url.to_owned(),
            method: "tools/list",
            reason: reason.to_owned(),
        };
        let mut tools = Vec::new();
        let mut bytes = 0;
        let mut params = json!({});
        for _ in 0..MOST_PAGES {
            let reply = self.call(url, era, "tools/list", params).await?;
            let page: Page = serde_json::from_str(reply.result.get())
                .map_err(|error| unreadable(&error.to_string()))?;
            for definition in page.tools {
                bytes += definition.get().len();
                match serde_json::from_str::<Named>(definition.get()) {
                    Ok(Named { name }) => tools.push(RawTool {
                        name,
                        json: definition.get().to_owned(),
                    }),
                    Err(error) => {
                        tracing::warn!(url, %error, "a tool without a readable name is left out");
                    }
                }
            }
            if bytes > MOST_LIST_BYTES {
                return Err(unreadable(
                    "its list is longer than 16 MiB; have it list less, or shorter descriptions",
                ));
            }
            if tools.len() > MOST_TOOLS {
                return Err(unreadable("it lists more than 10000 tools"));
            }
            match page.next_cursor {
                Some(cursor) => params = json!({"cursor": cursor}),
                None => return Ok(tools),
            }
        }
        Err(unreadable("its list has more than 1000 pages"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Initialized {
    protocol_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    tools: Vec<Box<RawValue>>,
    next_cursor: Option<Value>,
}

/// Only the name, and not strictly: what else is wrong with a definition is judged when it is known
/// whose it is.
struct Named {
    name: String,
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let definition = serde_json::Map::deserialize(deserializer)?;
        match definition.get("name") {
            Some(Value::String(name)) => Ok(Self { name: name.clone() }),
            _ => Err(serde::de::Error::custom("`name` is not there, or not text")),
        }
    }
}
