//! Makes `descriptors/envoy.bin` from the descriptors of the whole of Envoy;
//! `descriptors/README.md` says when.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use prost::Message;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet};

/// The messages that the control plane sends or receives, packed ones included. Those of their
/// fields come along.
const MESSAGES: [&str; 14] = [
    ".envoy.config.cluster.v3.Cluster",
    ".envoy.config.core.v3.TypedExtensionConfig",
    ".envoy.config.endpoint.v3.ClusterLoadAssignment",
    ".envoy.config.listener.v3.Listener",
    ".envoy.config.route.v3.RouteConfiguration",
    ".envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
    ".envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
    ".envoy.extensions.filters.http.router.v3.Router",
    ".envoy.extensions.filters.http.wasm.v3.Wasm",
    ".envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    ".envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
    ".envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
    ".envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    ".google.protobuf.StringValue",
];

/// The service that the control plane serves; the messages of its methods come along.
const SERVICE: &str = ".envoy.service.discovery.v3.AggregatedDiscoveryService";

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [whole, trimmed] = arguments.as_slice() else {
        bail!("say which file to read and which to write");
    };
    let bytes =
        std::fs::read(whole).with_context(|| format!("cannot read `{}`", whole.display()))?;
    let whole = FileDescriptorSet::decode(bytes.as_slice())?;
    let wanted = Definitions::of(&whole).reachable()?;
    let set = FileDescriptorSet {
        file: trim(whole, &wanted),
    };
    std::fs::write(trimmed, set.encode_to_vec())
        .with_context(|| format!("cannot write `{}`", trimmed.display()))
}

/// Where each type and service is defined, and which types it names; full names begin with a dot,
/// as in a descriptor.
#[derive(Default)]
struct Definitions {
    uses: BTreeMap<String, Vec<String>>,
}

impl Definitions {
    fn of(set: &FileDescriptorSet) -> Self {
        let mut definitions = Self::default();
        for file in &set.file {
            let package = format!(".{}", file.package());
            for message in &file.message_type {
                definitions.add_message(&package, message);
            }
            for item in &file.enum_type {
                definitions
                    .uses
                    .insert(full_name(&package, item.name()), Vec::new());
            }
            for service in &file.service {
                let types = service.method.iter().flat_map(|method| {
                    [
                        method.input_type().to_owned(),
                        method.output_type().to_owned(),
                    ]
                });
                definitions
                    .uses
                    .insert(full_name(&package, service.name()), types.collect());
            }
        }
        definitions
    }

    fn add_message(&mut self, scope: &str, message: &DescriptorProto) {
        let name = full_name(scope, message.name());
        for nested in &message.nested_type {
            self.add_message(&name, nested);
        }
        for item in &message.enum_type {
            self.uses.insert(full_name(&name, item.name()), Vec::new());
        }
        let types = message
            .field
            .iter()
            .filter_map(|field| field.type_name.clone());
        self.uses.insert(name, types.collect());
    }

    /// The full names of what is wanted and of everything that it names, directly or not.
    fn reachable(&self) -> Result<BTreeSet<String>> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = MESSAGES.to_vec();
        open.push(SERVICE);
        while let Some(name) = open.pop() {
            let uses = self
                .uses
                .get(name)
                .with_context(|| format!("there is no `{name}`"))?;
            if reached.insert(name.to_owned()) {
                open.extend(uses.iter().map(String::as_str));
            }
        }
        Ok(reached)
    }
}

fn full_name(scope: &str, name: &str) -> String {
    format!("{scope}.{name}")
}

/// The files with what is wanted of each, and without those that are empty then.
fn trim(whole: FileDescriptorSet, wanted: &BTreeSet<String>) -> Vec<FileDescriptorProto> {
    let files: Vec<_> = whole
        .file
        .into_iter()
        .map(|file| trim_file(file, wanted))
        .filter(|file| {
            !(file.message_type.is_empty() && file.enum_type.is_empty() && file.service.is_empty())
        })
        .collect();
    let kept: BTreeSet<String> = files.iter().map(|file| file.name().to_owned()).collect();
    files
        .into_iter()
        .map(|mut file| {
            file.dependency.retain(|name| kept.contains(name));
            file
        })
        .collect()
}

/// Comments and line numbers, and options of the compiler of some language, are of no use to a
/// reader of messages.
fn trim_file(mut file: FileDescriptorProto, wanted: &BTreeSet<String>) -> FileDescriptorProto {
    let package = format!(".{}", file.package());
    file.source_code_info = None;
    file.options = None;
    file.extension.clear();
    file.public_dependency.clear();
    file.weak_dependency.clear();
    file.message_type = trim_messages(&package, file.message_type, wanted);
    file.enum_type = trim_enums(&package, file.enum_type, wanted);
    file.service
        .retain(|service| wanted.contains(&full_name(&package, service.name())));
    file
}

/// A message that is wanted only for one within it loses its fields.
fn trim_messages(
    scope: &str,
    messages: Vec<DescriptorProto>,
    wanted: &BTreeSet<String>,
) -> Vec<DescriptorProto> {
    let mut kept = Vec::new();
    for mut message in messages {
        let name = full_name(scope, message.name());
        message.nested_type = trim_messages(&name, message.nested_type, wanted);
        message.enum_type = trim_enums(&name, message.enum_type, wanted);
        message.extension.clear();
        if wanted.contains(&name) {
            kept.push(message);
        } else if !(message.nested_type.is_empty() && message.enum_type.is_empty()) {
            message.field.clear();
            message.oneof_decl.clear();
            kept.push(message);
        }
    }
    kept
}

fn trim_enums(
    scope: &str,
    mut enums: Vec<EnumDescriptorProto>,
    wanted: &BTreeSet<String>,
) -> Vec<EnumDescriptorProto> {
    enums.retain(|item| wanted.contains(&full_name(scope, item.name())));
    enums
}
