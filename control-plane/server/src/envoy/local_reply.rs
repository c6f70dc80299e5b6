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

use super::number;

/// What happened upstream, and what the caller is told.
struct Reply {
    /// Envoy's flags for it (Envoy, "Access logging: %RESPONSE_FLAGS%").
    flags: &'static [&'static str],
    status: u32,
    /// JSON-RPC's code, ours: outside the range that is reserved.
    code: i32,
    /// Without quotes and backslashes: it is shown as it travels.
    message: &'static str,
}

/// The same as in envoy/static-example.yaml.
const REPLIES: [Reply; 3] = [
    Reply {
        flags: &["UF", "UH", "UO", "URX", "NC"],
        status: 503,
        code: 50300,
        message: "the server of this tool cannot be reached; try again in a minute",
    },
    Reply {
        flags: &["UC", "UR", "UPE"],
        status: 502,
        code: 50200,
        message: "the server of this tool broke off its answer; see whether the call had an effect before you repeat it",
    },
    Reply {
        flags: &["UT", "SI"],
        status: 504,
        code: 50400,
        message: "the tool took longer than its policy allows; ask for less at once, or have the operator allow more",
    },
];

pub(super) fn json_rpc() -> LocalReplyConfig {
    let mapper = |Reply {
                      flags,
                      status,
                      code,
                      message,
                  }: &Reply| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":{code},"message":"{message}"}}}}"#
        );
        ResponseMapper {
            filter: Some(AccessLogFilter {
                filter_specifier: Some(FilterSpecifier::ResponseFlagFilter(ResponseFlagFilter {
                    flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
                })),
            }),
            status_code: number(*status),
            body: Some(inline(body)),
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
