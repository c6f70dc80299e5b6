//! Makes `descriptors/envoy.bin` from the descriptors of the whole of Envoy;
//! `descriptors/README.md` says when.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use prost::Message;
use prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet};

/// The files of the messages that the control plane sends, packed ones included, and of the service
/// that tools ask. What these import comes along.
const FILES: [&str; 27] = [
    "envoy/config/cluster/v3/cluster.proto",
    "envoy/config/core/v3/extension.proto",
    "envoy/config/endpoint/v3/endpoint.proto",
    "envoy/config/listener/v3/listener.proto",
    "envoy/config/route/v3/route.proto",
    "envoy/extensions/access_loggers/filters/cel/v3/cel.proto",
    "envoy/extensions/access_loggers/stream/v3/stream.proto",
    "envoy/extensions/filters/http/bandwidth_limit/v3/bandwidth_limit.proto",
    "envoy/extensions/filters/http/cors/v3/cors.proto",
    "envoy/extensions/filters/http/credential_injector/v3/credential_injector.proto",
    "envoy/extensions/filters/http/fault/v3/fault.proto",
    "envoy/extensions/filters/http/header_mutation/v3/header_mutation.proto",
    "envoy/extensions/filters/http/health_check/v3/health_check.proto",
    "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto",
    "envoy/extensions/filters/http/rbac/v3/rbac.proto",
    "envoy/extensions/filters/http/router/v3/router.proto",
    "envoy/extensions/filters/http/upstream_codec/v3/upstream_codec.proto",
    "envoy/extensions/filters/http/wasm/v3/wasm.proto",
    "envoy/extensions/filters/network/connection_limit/v3/connection_limit.proto",
    "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
    "envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation.proto",
    "envoy/extensions/http/injected_credentials/generic/v3/generic.proto",
    "envoy/extensions/request_id/uuid/v3/uuid.proto",
    "envoy/extensions/transport_sockets/tls/v3/tls.proto",
    "envoy/extensions/upstreams/http/v3/http_protocol_options.proto",
    "envoy/service/status/v3/csds.proto",
    "google/protobuf/wrappers.proto",
];

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [whole, trimmed] = arguments.as_slice() else {
        bail!("say which file to read and which to write");
    };
    let bytes =
        std::fs::read(whole).with_context(|| format!("cannot read `{}`", whole.display()))?;
    let set = FileDescriptorSet::decode(bytes.as_slice())?;
    let by_name: BTreeMap<&str, &FileDescriptorProto> =
        set.file.iter().map(|file| (file.name(), file)).collect();
    let mut wanted = BTreeSet::new();
    let mut open: Vec<&str> = FILES.to_vec();
    while let Some(name) = open.pop() {
        if wanted.insert(name) {
            let file = by_name
                .get(name)
                .with_context(|| format!("there is no `{name}`"))?;
            open.extend(file.dependency.iter().map(String::as_str));
        }
    }
    let file = set
        .file
        .iter()
        .filter(|file| wanted.contains(file.name()))
        .cloned()
        .map(without_sources)
        .collect();
    std::fs::write(trimmed, FileDescriptorSet { file }.encode_to_vec())
        .with_context(|| format!("cannot write `{}`", trimmed.display()))
}

/// Comments and line numbers are of no use to a reader of messages.
fn without_sources(file: FileDescriptorProto) -> FileDescriptorProto {
    FileDescriptorProto {
        source_code_info: None,
        ..file
    }
}
