//! Envoy's CORS filter, and what it is told of each route.

use std::collections::BTreeSet;

use envoy_types::pb::envoy::config::core::v3::RuntimeFractionalPercent;
use envoy_types::pb::envoy::extensions::filters::http::cors::v3::{Cors as CorsFilter, CorsPolicy};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpFilter, http_filter,
};
use envoy_types::pb::envoy::r#type::matcher::v3::StringMatcher;
use envoy_types::pb::envoy::r#type::v3::FractionalPercent;
use envoy_types::pb::google::protobuf::Any;
use envoy_types::util::pack_any;
use gateway_document::{Cors, HeaderName, HttpMethod, Listener, McpCors, Span};

use super::matching::{exactly, like, quoted};
use super::truth;

/// The filter's name, also where a route tells it something.
pub(super) const NAME: &str = "envoy.filters.http.cors";

/// The headers that clients of MCP send. `*` stands for the headers that a tool's parameters name
/// (`Mcp-Param-…`); browsers take it for none where credentials are sent, and never for
/// `Authorization`.
const MCP_HEADERS: &str = "accept, authorization, content-type, last-event-id, mcp-method, \
                           mcp-name, mcp-protocol-version, mcp-session-id, x-request-id, *";
/// The headers of answers that they read: the session and the protocol, and those by which a
/// refusal says more than in its body.
const MCP_EXPOSED: &str = "mcp-method, mcp-name, mcp-protocol-version, mcp-session-id, \
                           retry-after, www-authenticate, x-request-id";

pub(super) fn filter() -> HttpFilter {
    HttpFilter {
        name: NAME.to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(pack_any(
            CorsFilter::default(),
        ))),
        ..Default::default()
    }
}

/// The policy of a listener's MCP endpoints.
pub(super) fn of_mcp(listener: &Listener, cors: &McpCors) -> Any {
    pack_any(CorsPolicy {
        allow_methods: "GET, POST, DELETE".to_owned(),
        allow_headers: MCP_HEADERS.to_owned(),
        expose_headers: MCP_EXPOSED.to_owned(),
        ..policy(&listener.allowed_origins, cors.credentials, cors.max_age)
    })
}

/// The policy of a route.
pub(super) fn of_route(cors: &Cors) -> Any {
    let methods: Vec<&str> = cors.methods.iter().copied().map(HttpMethod::word).collect();
    pack_any(CorsPolicy {
        allow_methods: methods.join(", "),
        allow_headers: joined(&cors.headers),
        expose_headers: joined(&cors.expose),
        ..policy(&cors.origins, cors.credentials, cors.max_age)
    })
}

fn policy(origins: &[String], credentials: bool, max_age: Span) -> CorsPolicy {
    CorsPolicy {
        allow_origin_string_match: origins
            .iter()
            .map(|origin| origin_matcher(origin))
            .collect(),
        max_age: (max_age.milliseconds() / 1_000).to_string(),
        allow_credentials: truth(credentials),
        filter_enabled: Some(always()),
        // A page that may not call is told so here; no server hears of it.
        forward_not_matching_preflights: truth(false),
        ..Default::default()
    }
}

/// The origins that the filter of MCP takes for the same words.
fn origin_matcher(origin: &str) -> StringMatcher {
    match origin.strip_suffix(":*") {
        _ if origin == "*" => like(".*".to_owned()),
        Some(host) => like(format!("(?i){}(:[0-9]{{1,5}})?", quoted(host))),
        None => StringMatcher {
            ignore_case: true,
            ..exactly(origin)
        },
    }
}

/// Of all requests, without a way to change it at run time.
pub(super) fn always() -> RuntimeFractionalPercent {
    RuntimeFractionalPercent {
        default_value: Some(FractionalPercent {
            numerator: 100,
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn joined(names: &BTreeSet<HeaderName>) -> String {
    let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
    names.join(", ")
}
