//! One line of JSON on Envoy's standard output per request.

use envoy_types::pb::envoy::config::accesslog::v3::{AccessLog, access_log::ConfigType};
use envoy_types::pb::envoy::config::core::v3::{
    SubstitutionFormatString, substitution_format_string::Format,
};
use envoy_types::pb::envoy::extensions::access_loggers::stream::v3::{
    StdoutAccessLog, stdout_access_log::AccessLogFormat,
};
use envoy_types::pb::google::protobuf::{Struct, Value, value::Kind};

use super::deterministic::merged;

/// Field → Envoy's format, in the order of the names; Envoy sorts them so on the line. No header
/// that could carry a secret is among them.
const FIELDS: [(&str, &str); 14] = [
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("client", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
    ("cluster", "%UPSTREAM_CLUSTER_RAW%"),
    ("code", "%RESPONSE_CODE%"),
    ("code_details", "%RESPONSE_CODE_DETAILS%"),
    ("duration_ms", "%DURATION%"),
    ("flags", "%RESPONSE_FLAGS%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%PATH(NQ:ORIG_OR_PATH)%"),
    ("protocol_version", "%REQ(MCP-PROTOCOL-VERSION)%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("time", "%START_TIME%"),
    ("upstream", "%UPSTREAM_HOST%"),
];

pub(super) fn json_to_stdout() -> AccessLog {
    let part = |(field, format): (&str, &str)| {
        let value = Value {
            kind: Some(Kind::StringValue(format.to_owned())),
        };
        let fields = Struct {
            fields: [(field.to_owned(), value)].into(),
        };
        StdoutAccessLog {
            access_log_format: Some(AccessLogFormat::LogFormat(SubstitutionFormatString {
                format: Some(Format::JsonFormat(fields)),
                ..Default::default()
            })),
        }
    };
    AccessLog {
        name: "envoy.access_loggers.stdout".to_owned(),
        config_type: Some(ConfigType::TypedConfig(merged(FIELDS.map(part)))),
        ..Default::default()
    }
}
