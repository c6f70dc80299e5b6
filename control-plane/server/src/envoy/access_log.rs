//! One line of JSON on Envoy's standard output per request.

use std::collections::BTreeMap;

use envoy_types::pb::envoy::config::accesslog::v3::{AccessLog, access_log::ConfigType};
use envoy_types::pb::envoy::config::core::v3::{
    SubstitutionFormatString, substitution_format_string::Format,
};
use envoy_types::pb::envoy::extensions::access_loggers::stream::v3::{
    StdoutAccessLog, stdout_access_log::AccessLogFormat,
};
use envoy_types::pb::google::protobuf::{Struct, Value, value::Kind};

use gateway_document::AccessLog as DocumentLog;
use policy_engine::wire::AccessDetail;

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

/// One line of JSON for each request, as a listener's document says.
pub(super) fn json_to_stdout(log: Option<&DocumentLog>) -> AccessLog {
    let mut fields: BTreeMap<String, String> = match log {
        Some(log) if !log.format.is_empty() => log.format.clone(),
        _ => FIELDS
            .map(|(field, format)| (field.to_owned(), format.to_owned()))
            .into(),
    };
    let details = log.iter().flat_map(|log| &log.details);
    fields.extend(details.map(|detail| {
        let note = AccessDetail::from(*detail).note();
        let format = format!("%FILTER_STATE(wasm.{note}:PLAIN)%");
        (detail.word().to_owned(), format)
    }));
    let part = |(field, format): (String, String)| {
        let value = Value {
            kind: Some(Kind::StringValue(format)),
        };
        let fields = Struct {
            fields: [(field, value)].into(),
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
        config_type: Some(ConfigType::TypedConfig(merged(
            fields.into_iter().map(part),
        ))),
        ..Default::default()
    }
}
