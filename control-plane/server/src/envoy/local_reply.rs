//! The answers that Envoy itself gives, where a server does not or where a request never reaches
//! the filter: JSON-RPC in the form that the caller's revision asks for
//! (docs/decisions/0001-status-codes.md), in place of plain text.

use envoy_types::pb::envoy::config::accesslog::v3::access_log_filter::FilterSpecifier;
use envoy_types::pb::envoy::config::accesslog::v3::{
    AccessLogFilter, AndFilter, ComparisonFilter, ExtensionFilter, ResponseFlagFilter,
    StatusCodeFilter, comparison_filter::Op, extension_filter::ConfigType,
};
use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::substitution_format_string::Format;
use envoy_types::pb::envoy::config::core::v3::{
    DataSource, HeaderValue, HeaderValueOption, RuntimeUInt32, SubstitutionFormatString,
};
use envoy_types::pb::envoy::extensions::access_loggers::filters::cel::v3::ExpressionFilter;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    LocalReplyConfig, ResponseMapper,
};
use envoy_types::util::pack_any;

use super::number;

/// One thing that goes wrong behind the gateway, and what its caller is told.
struct UpstreamFault {
    /// Envoy's flags for it (Envoy, "Access logging: %RESPONSE_FLAGS%").
    flags: &'static [&'static str],
    status: u32,
    /// A code of ours, outside the range that JSON-RPC reserves.
    code: i32,
    /// The sentence, without quotes and backslashes: some clients show it inside escaped JSON.
    message: &'static str,
    /// Seconds for `Retry-After`, where trying again helps.
    retry_after: Option<u32>,
}

/// The same five as in envoy/static-example.yaml.
const UPSTREAM_FAULTS: [UpstreamFault; 5] = [
    UpstreamFault {
        flags: &["UF", "UH", "URX", "NC"],
        status: 503,
        code: 50300,
        message: "the server of this tool cannot be reached; try again in 10 s",
        retry_after: Some(10),
    },
    UpstreamFault {
        flags: &["UO"],
        status: 503,
        code: 50300,
        message: "the server of this tool has as many calls to answer as it may have at once; try \
                  again in 10 s",
        retry_after: Some(10),
    },
    UpstreamFault {
        flags: &["UC", "UR", "UPE"],
        status: 502,
        code: 50200,
        message: "the server of this tool broke off its answer; see whether the call had an \
                  effect before you repeat it",
        retry_after: None,
    },
    UpstreamFault {
        flags: &["UT"],
        status: 504,
        code: 50400,
        message: "the tool took longer than its policy allows; ask for less at once, or have the \
                  operator allow more",
        retry_after: None,
    },
    // Also where the rest of a call that has begun to pass never came.
    UpstreamFault {
        flags: &["SI"],
        status: 504,
        code: 50400,
        message: "nothing came of this call for as long as the idle_timeout of its listener \
                  allows; see whether it had an effect before you repeat it",
        retry_after: None,
    },
];

/// How an answer reaches a caller whose request the filter let pass, by the note that the filter
/// left.
struct NotedCaller {
    /// The filter state that holds the caller's id
    /// (`filters/request-path/src/path/message/awaited.rs`).
    note: &'static str,
    form: Form,
    /// Whether the caller's revision reads answers under 200 only.
    under_200: bool,
}

#[derive(Clone, Copy)]
enum Form {
    ToolResult,
    Error,
}

const NOTED_CALLERS: [NotedCaller; 3] = [
    NotedCaller {
        note: "wasm.portcullis_call_id",
        form: Form::ToolResult,
        under_200: true,
    },
    NotedCaller {
        note: "wasm.portcullis_request_id",
        form: Form::Error,
        under_200: true,
    },
    NotedCaller {
        note: "wasm.portcullis_modern_id",
        form: Form::Error,
        under_200: false,
    },
];

/// A request that Envoy itself refuses, before, beside or behind the filter, and what its caller is
/// told. Nobody has read the message by then, so the answer has no id.
struct EnvoysRefusal {
    occasion: Occasion,
    /// None leaves the status that Envoy chose.
    status: Option<u32>,
    code: i32,
    /// The sentence, without quotes and backslashes.
    message: &'static str,
    /// Seconds for `Retry-After`, where trying again helps.
    retry_after: Option<u32>,
}

enum Occasion {
    /// Envoy's flag for it.
    Flag(&'static str),
    Status(u32),
    StatusAtLeast(u32),
}

impl EnvoysRefusal {
    const fn of_status(status: u32, message: &'static str) -> Self {
        Self {
            occasion: Occasion::Status(status),
            status: None,
            code: INVALID_REQUEST,
            message,
            retry_after: None,
        }
    }
}

/// In the order in which they are tried; the last two take whatever else Envoy refuses.
const ENVOYS_REFUSALS: [EnvoysRefusal; 10] = [
    // The first configuration of the filter was rejected, or never came.
    EnvoysRefusal {
        occasion: Occasion::Flag("NFCF"),
        status: Some(503),
        code: 50300,
        message: "this gateway has no configuration that it can run; its operator sees the cause \
                  in `portcullis status`; try again in 10 s",
        retry_after: Some(10),
    },
    EnvoysRefusal {
        occasion: Occasion::Flag("NR"),
        status: None,
        code: INVALID_REQUEST,
        message: "there is nothing at this path; MCP endpoints are `/mcp`, \
                  `/servers/NAME/mcp` and, where the operator offers HTTP+SSE, `/sse` and \
                  `/mcp/sse`, written exactly so",
        retry_after: None,
    },
    EnvoysRefusal::of_status(
        400,
        "the request is not HTTP that this gateway reads; check its path, its headers and the \
         length of its body",
    ),
    EnvoysRefusal::of_status(
        408,
        "the request did not arrive in time; send it whole and at once",
    ),
    EnvoysRefusal::of_status(413, "the body is larger than this gateway takes"),
    EnvoysRefusal::of_status(
        426,
        "this gateway speaks HTTP/1.1 and HTTP/2; use one of them",
    ),
    EnvoysRefusal::of_status(
        431,
        "the headers are larger than this gateway takes; send fewer or shorter ones",
    ),
    EnvoysRefusal::of_status(
        501,
        "this gateway takes bodies with a length or in chunks; send no other transfer-encoding",
    ),
    EnvoysRefusal {
        occasion: Occasion::StatusAtLeast(500),
        status: None,
        code: 50300,
        message: "this gateway cannot answer at the moment; try again in 10 s",
        retry_after: Some(10),
    },
    EnvoysRefusal {
        occasion: Occasion::StatusAtLeast(400),
        status: None,
        code: INVALID_REQUEST,
        message: "this gateway does not take such a request; send a POST with one JSON-RPC message",
        retry_after: None,
    },
];

const INVALID_REQUEST: i32 = -32600;

/// The filter's own answers have these words first in their details, and stay as they are.
const NOT_THE_FILTERS: &str = "!response.code_details.startsWith('portcullis_')";

/// Answers of Envoy's own on a route of plain HTTP, whose callers know nothing of JSON-RPC.
const ON_HTTP_ROUTES: &str = "xds.route_name.startsWith('http.')";
/// In the form of RFC 9457.
const PROBLEM: &str = concat!(
    r#"{"status":%RESPONSE_CODE%,"title":"the gateway answers in the place of the service","#,
    r#""detail":"the service could not be asked, or did not answer in time, or is asked too "#,
    r#"often; the gateway's access log has the cause under the request's id"}"#
);

/// The form of Envoy's own answers, on a listener that has routes of plain HTTP or has none.
pub(super) fn answers(has_http_routes: bool) -> LocalReplyConfig {
    let mut mappers = Vec::new();
    if has_http_routes {
        mappers.push(ResponseMapper {
            filter: Some(all([matches(ON_HTTP_ROUTES), not_the_filters()])),
            body_format_override: Some(text_format(PROBLEM, "application/problem+json")),
            ..Default::default()
        });
    }
    for fault in &UPSTREAM_FAULTS {
        for caller in &NOTED_CALLERS {
            let id = format!("%FILTER_STATE({}:PLAIN)%", caller.note);
            let noted = matches(&format!("'{}' in filter_state", caller.note));
            mappers.push(ResponseMapper {
                filter: Some(all([flagged(fault.flags), noted])),
                headers_to_add: retry_after(fault.retry_after),
                ..mapper(
                    Some(if caller.under_200 { 200 } else { fault.status }),
                    &body(caller.form, &id, fault.code, fault.message),
                )
            });
        }
        mappers.push(ResponseMapper {
            filter: Some(flagged(fault.flags)),
            headers_to_add: retry_after(fault.retry_after),
            ..mapper(
                Some(fault.status),
                &body(Form::Error, "null", fault.code, fault.message),
            )
        });
    }
    for refusal in &ENVOYS_REFUSALS {
        let occasion = match refusal.occasion {
            Occasion::Flag(flag) => flagged(&[flag]),
            Occasion::Status(status) => all([has_status(Op::Eq, status), not_the_filters()]),
            Occasion::StatusAtLeast(status) => all([has_status(Op::Ge, status), not_the_filters()]),
        };
        mappers.push(ResponseMapper {
            filter: Some(occasion),
            headers_to_add: retry_after(refusal.retry_after),
            ..mapper(
                refusal.status,
                &body(Form::Error, "null", refusal.code, refusal.message),
            )
        });
    }
    LocalReplyConfig {
        mappers,
        ..Default::default()
    }
}

fn mapper(status: Option<u32>, body: &str) -> ResponseMapper {
    ResponseMapper {
        status_code: status.and_then(number),
        body_format_override: Some(text_format(body, "application/json")),
        ..Default::default()
    }
}

fn text_format(body: &str, content_type: &str) -> SubstitutionFormatString {
    SubstitutionFormatString {
        format: Some(Format::TextFormatSource(DataSource {
            specifier: Some(Specifier::InlineString(body.to_owned())),
            ..Default::default()
        })),
        content_type: content_type.to_owned(),
        ..Default::default()
    }
}

fn body(form: Form, id: &str, code: i32, message: &str) -> String {
    match form {
        Form::ToolResult => format!(
            concat!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","#,
                r#""text":"{message}"}}],"isError":true}}}}"#
            ),
            id = id,
            message = message
        ),
        Form::Error => format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#
        ),
    }
}

fn retry_after(seconds: Option<u32>) -> Vec<HeaderValueOption> {
    let header = seconds.map(|seconds| HeaderValueOption {
        header: Some(HeaderValue {
            key: "retry-after".to_owned(),
            value: seconds.to_string(),
            ..Default::default()
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..Default::default()
    });
    header.into_iter().collect()
}

fn flagged(flags: &[&str]) -> AccessLogFilter {
    filter(FilterSpecifier::ResponseFlagFilter(ResponseFlagFilter {
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
    }))
}

fn not_the_filters() -> AccessLogFilter {
    matches(NOT_THE_FILTERS)
}

fn has_status(op: Op, status: u32) -> AccessLogFilter {
    filter(FilterSpecifier::StatusCodeFilter(StatusCodeFilter {
        comparison: Some(ComparisonFilter {
            op: op.into(),
            value: Some(RuntimeUInt32 {
                default_value: status,
                // Envoy wants a name; nobody sets it.
                runtime_key: "portcullis.unused".to_owned(),
            }),
        }),
    }))
}

/// A condition in CEL on what Envoy knows of the request.
fn matches(expression: &str) -> AccessLogFilter {
    filter(FilterSpecifier::ExtensionFilter(ExtensionFilter {
        name: "envoy.access_loggers.extension_filters.cel".to_owned(),
        config_type: Some(ConfigType::TypedConfig(pack_any(ExpressionFilter {
            expression: expression.to_owned(),
            ..Default::default()
        }))),
    }))
}

fn all(filters: impl IntoIterator<Item = AccessLogFilter>) -> AccessLogFilter {
    filter(FilterSpecifier::AndFilter(AndFilter {
        filters: filters.into_iter().collect(),
    }))
}

fn filter(specifier: FilterSpecifier) -> AccessLogFilter {
    AccessLogFilter {
        filter_specifier: Some(specifier),
    }
}
