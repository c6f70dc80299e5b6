//! The filters besides the gateway's own: each is a resource of its own, which its listeners
//! discover, and which they share.

use envoy_types::pb::envoy::config::core::v3::{ExtensionConfigSource, TypedExtensionConfig};
use envoy_types::pb::envoy::config::rbac::v3::Rbac;
use envoy_types::pb::envoy::extensions::filters::http::rbac::v3::Rbac as RbacFilter;
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpFilter, http_filter,
};
use envoy_types::pb::google::protobuf::{Any, StringValue};
use envoy_types::util::pack_any;
use gateway_document::{
    EnvoyFilter, Filter, FilterName, GatewayDocument, ModuleReference, Problem,
};
use prost::Name;
use serde_json::Value;

use super::filter::plugin;
use super::{RenderError, ads};
use crate::descriptors::{self, EncodeError};
use crate::module::ModuleFile;

/// The name under which listeners discover the configuration of a filter.
fn resource_name(filter: &FilterName) -> String {
    format!("portcullis.filter.{filter}")
}

/// The place of a filter in a listener's chain, wherever it is configured.
#[derive(Debug, PartialEq)]
pub(super) struct Discovered<'a> {
    name: &'a FilterName,
    envoy: Option<EnvoyFilter>,
}

impl<'a> Discovered<'a> {
    pub(super) fn of(filter: &'a Filter) -> Self {
        Self {
            name: &filter.name,
            envoy: filter.envoy,
        }
    }

    /// Until its configuration is there, it denies.
    pub(super) fn filter(&self) -> HttpFilter {
        let kind = self.envoy.map_or_else(Wasm::type_url, type_url);
        HttpFilter {
            name: resource_name(self.name),
            config_type: Some(http_filter::ConfigType::ConfigDiscovery(
                ExtensionConfigSource {
                    config_source: Some(ads()),
                    default_config: Some(deny()),
                    type_urls: vec![kind, RbacFilter::type_url()],
                    ..Default::default()
                },
            )),
            ..Default::default()
        }
    }
}

/// Rules that allow what they name, and name nothing.
fn deny() -> Any {
    pack_any(RbacFilter {
        rules: Some(Rbac::default()),
        ..Default::default()
    })
}

fn type_url(filter: EnvoyFilter) -> String {
    format!("type.googleapis.com/{}", filter.message())
}

/// A filter, and the module that it runs.
#[derive(Debug, PartialEq)]
pub(super) struct FurtherFilterParts<'a> {
    filter: &'a Filter,
    module: Option<ModuleFile>,
}

impl<'a> FurtherFilterParts<'a> {
    pub(super) fn of(filter: &'a Filter, modules: &ModuleFile) -> Self {
        let hash = filter.module.as_ref().and_then(ModuleReference::hash);
        Self {
            filter,
            module: hash.map(|hash| modules.other(hash)),
        }
    }

    pub(super) fn resource_name(&self) -> String {
        resource_name(&self.filter.name)
    }
}

/// The configuration of a filter, for the listeners that discover it.
pub(super) fn extension(
    parts: &FurtherFilterParts<'_>,
) -> Result<TypedExtensionConfig, RenderError> {
    let filter = parts.filter;
    let typed_config = match (&parts.module, filter.envoy) {
        (Some(module), _) => {
            let configuration = filter.configuration.as_ref();
            let text = configuration.map(|given| given.0.to_string());
            let text = text.map(|value| pack_any(StringValue { value }));
            let name = parts.resource_name();
            pack_any(Wasm {
                config: Some(plugin(&name, "", text, module)?),
            })
        }
        (None, Some(kind)) => {
            message(kind, filter).map_err(|error| RenderError::EnvoyFilter(name(filter), error))?
        }
        // A checked document has neither.
        (None, None) => deny(),
    };
    Ok(TypedExtensionConfig {
        name: parts.resource_name(),
        typed_config: Some(typed_config),
    })
}

fn name(filter: &Filter) -> String {
    filter.name.to_string()
}

fn message(kind: EnvoyFilter, filter: &Filter) -> Result<Any, EncodeError> {
    let given = filter.configuration.as_ref().map(|given| &given.0);
    descriptors::from_json(kind.message(), given.unwrap_or(&Value::Null))
}

/// Everything that is wrong with the configurations of Envoy's own filters in a document.
pub fn filter_problems(document: &GatewayDocument) -> impl Iterator<Item = Problem> {
    let filters = document.filters.iter().enumerate();
    filters.filter_map(|(index, filter)| {
        let error = message(filter.envoy?, filter).err()?;
        Some(Problem {
            path: format!("/filters/{index}/configuration"),
            reason: error.to_string(),
        })
    })
}
