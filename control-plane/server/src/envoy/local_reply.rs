//! What Envoy itself answers when a server does not: JSON-RPC errors, whose sentences the clients' SDKs show
//! (docs/decisions/0001-status-codes.md), in place of Envoy's plain text. By then Envoy no longer knows the call's id.

use envoy_types::pb::envoy::config::accesslog::v3::access_log_filter::FilterSpecifier;
use envoy_types::pb::envoy::config::accesslog::v3::{AccessLogFilter, ResponseFlagFilter};
use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::config::core::v3::substitution_format_string::Format;
use envoy_types::pb::envoy::config::core::v3::{DataSource, SubstitutionFormatString};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    LocalReplyConfig, ResponseMapper,
};
use serde_json::json;

/// Envoy's flags for an outcome (Envoy, "Access logging: %RESPONSE_FLAGS%"), our code and our sentence.
const REPLIES: [(&[&str], i32, &str); 3] = [
    // The upstream's, or the stream's, time ran out.
    (
        &["UT", "SI", "DT"],
        50400,
        "the MCP server behind the gateway did not answer in time; ask for less, or try again later",
    ),
    // No connection, none healthy, no such cluster, reset before an answer.
    (
        &["UF", "UH", "NC", "UC", "UR", "LR"],
        50300,
        "the MCP server behind the gateway cannot be reached; try again later",
    ),
    // Too many at once.
    (
        &["UO"],
        50300,
        "the MCP server behind the gateway has as many calls as it takes; try again later",
    ),
];

pub(super) fn json_rpc() -> LocalReplyConfig {
    let mapper = |(flags, code, message): &(&[&str], i32, &str)| {
        let body =
            json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}});
        ResponseMapper {
            filter: Some(AccessLogFilter {
                filter_specifier: Some(FilterSpecifier::ResponseFlagFilter(ResponseFlagFilter {
                    flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
                })),
            }),
            body: Some(inline(body.to_string())),
            body_format_override: Some(SubstitutionFormatString {
                format: Some(Format::TextFormatSource(inline(
                    "%LOCAL_REPLY_BODY%".to_owned(),
                ))),
                content_type: "application/json".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }
    };
    LocalReplyConfig {
        mappers: REPLIES.iter().map(mapper).collect(),
        ..Default::default()
    }
}

fn inline(text: String) -> DataSource {
    DataSource {
        specifier: Some(Specifier::InlineString(text)),
        ..Default::default()
    }
}
