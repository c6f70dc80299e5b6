//! `/api/v1/traffic`: what Envoys report of calls, refusals and servers' answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use envoy_reports::{Count, ResponseTimes, ServerTraffic, ToolTraffic};
use policy_engine::ItemKind;
use serde::Serialize;
use utoipa::ToSchema;

use super::paging::Page;
use super::problem::Problem;
use super::query::Parameters;
use super::shown::{self, Shown};
use crate::gateway::Gateway;

/// The traffic of all Envoys that report to this control plane, since it was started.
#[derive(Serialize, ToSchema)]
#[schema(as = Traffic)]
pub(super) struct TrafficView {
    /// How many Envoys report at present: those whose bootstrap has the statistics sink.
    reporting: usize,
    /// How many Envoys are connected.
    connected: usize,
    /// The tools that were called or refused, by server and name; behind those of all servers the
    /// other kinds of item.
    tools: Vec<ToolTrafficView>,
    /// The servers, by name; on each page the same.
    servers: Vec<ServerTrafficView>,
    /// The cursor of the next page of tools; missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// The traffic of one tool, or of all prompts, resources or other messages of a server that rules
/// are about.
#[derive(Serialize, ToSchema)]
#[schema(as = ToolTraffic)]
pub(super) struct ToolTrafficView {
    /// The tool's server; missing where requests named no tool, or an Envoy had no room for more.
    #[serde(skip_serializing_if = "String::is_empty")]
    server: String,
    /// The name that the server gave the tool; `none` or `others` where there is no server; missing
    /// where it is about no tool.
    #[serde(skip_serializing_if = "String::is_empty")]
    tool: String,
    /// `prompt`, `resource` or `method`: all of that kind that rules are about; missing for a tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    /// The calls that were decided on, refused ones too.
    calls: CountView,
    /// The requests that were refused.
    refusals: CountView,
    /// The same by reason.
    refused_for: BTreeMap<String, CountView>,
    /// The calls that passed only because validation is in shadow: it would refuse them.
    shadowed: CountView,
}

/// The traffic of one server.
#[derive(Serialize, ToSchema)]
#[schema(as = ServerTraffic)]
pub(super) struct ServerTrafficView {
    /// The name of the server.
    server: String,
    /// The requests to it that are over.
    requests: CountView,
    /// Those that failed: a status of 500 or above, or no answer.
    failures: CountView,
    /// Within how many milliseconds it answered in the last minute; missing where it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_within_ms: Option<TimesView>,
}

/// A number of things that were counted.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[schema(as = Count)]
pub(super) struct CountView {
    /// All of them, since this control plane was started.
    total: u64,
    /// Those of the last minute.
    last_minute: u64,
}

/// Times within which so many of a hundred answers came, guessed between the bounds of Envoy's
/// histograms.
#[derive(Serialize, ToSchema)]
#[schema(as = AnswerTimes)]
pub(super) struct TimesView {
    /// The time of half of them.
    p50: f64,
    /// The time of nine of ten.
    p90: f64,
    /// The time of 99 of a hundred.
    p99: f64,
}

/// Shows calls and refusals of each tool, the same of all prompts, all resources and all other
/// messages of a server that rules are about, and failures and times of each server, as Envoys
/// report them every few seconds.
#[utoipa::path(get, path = "/api/v1/traffic", operation_id = "get_traffic", tag = "envoys",
    params(Page), responses((status = 200, description = "The traffic, with a page of tools",
        body = TrafficView)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    Parameters(page): Parameters<Page>,
) -> Result<Shown, Problem> {
    shown::glance(move || Shown::json(&view(&gateway, &page)?)).await
}

fn view(gateway: &Gateway, page: &Page) -> Result<TrafficView, Problem> {
    let traffic = gateway.publisher().reports().traffic();
    let tools = traffic.tools.into_iter().map(ToolTrafficView::from);
    let used = tools.filter(|tool| tool.calls.total > 0 || tool.refusals.total > 0);
    let (tools, next_cursor) = page.of(used.collect(), |tool| match tool.kind {
        None => format!("{}/{}", tool.server, tool.tool),
        Some(kind) => format!("{}//{kind}", tool.server),
    })?;
    let envoys = gateway.publisher().summaries();
    Ok(TrafficView {
        reporting: traffic.reporting,
        connected: envoys.iter().filter(|envoy| envoy.streams > 0).count(),
        tools,
        servers: traffic
            .servers
            .into_iter()
            .map(ServerTrafficView::from)
            .collect(),
        next_cursor,
    })
}

impl From<ToolTraffic> for ToolTrafficView {
    fn from(tool: ToolTraffic) -> Self {
        let sum = |of: fn(&Count) -> u64| tool.refusals.values().map(of).sum();
        Self {
            refusals: CountView {
                total: sum(|count| count.total),
                last_minute: sum(|count| count.last_minute),
            },
            refused_for: tool
                .refusals
                .into_iter()
                .map(|(reason, count)| (reason, count.into()))
                .collect(),
            server: tool.server,
            tool: tool.tool,
            kind: Some(tool.kind)
                .filter(|kind| *kind != ItemKind::Tool)
                .map(ItemKind::word),
            calls: tool.calls.into(),
            shadowed: tool.shadowed.into(),
        }
    }
}

impl From<ServerTraffic> for ServerTrafficView {
    fn from(server: ServerTraffic) -> Self {
        Self {
            server: server.server,
            requests: server.requests.into(),
            failures: server.failures.into(),
            answered_within_ms: server.times.map(
                |ResponseTimes {
                     p50_ms,
                     p90_ms,
                     p99_ms,
                 }| TimesView {
                    p50: p50_ms,
                    p90: p90_ms,
                    p99: p99_ms,
                },
            ),
        }
    }
}

impl From<Count> for CountView {
    fn from(Count { total, last_minute }: Count) -> Self {
        Self { total, last_minute }
    }
}
