//! Secrets: how resources name them, and how credentials go to servers.

use std::collections::BTreeMap;

use envoy_types::pb::envoy::config::core::v3::{ConfigSource, TypedExtensionConfig};
use envoy_types::pb::envoy::extensions::filters::http::credential_injector::v3::CredentialInjector;
use envoy_types::pb::envoy::extensions::filters::http::upstream_codec::v3::UpstreamCodec;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpFilter, http_filter::ConfigType,
};
use envoy_types::pb::envoy::extensions::http::injected_credentials::generic::v3::Generic;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::SdsSecretConfig;
use envoy_types::pb::google::protobuf::{Any, Duration};
use envoy_types::util::pack_any;
use gateway_document::{GatewayDocument, Secret, SecretCredentials, SecretName};

use super::ads;
use crate::secrets::SYSTEM_AUTHORITIES;

/// The secrets that a part of the document names, with where they are.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct NamedSecrets<'a>(BTreeMap<&'a SecretName, &'a Secret>);

impl<'a> NamedSecrets<'a> {
    /// Those of `names` that there are. The checks of the document have refused others.
    pub(super) fn of<'n>(
        document: &'a GatewayDocument,
        names: impl IntoIterator<Item = Option<&'n SecretName>>,
    ) -> Self {
        let names = names.into_iter().flatten();
        Self(
            names
                .filter_map(|name| document.secrets.get_key_value(name))
                .collect(),
        )
    }

    /// Has Envoy ask for one of them.
    pub(super) fn discovered(&self, name: Option<&SecretName>) -> Option<SdsSecretConfig> {
        let name = name?;
        let secret = self.0.get(name)?;
        Some(SdsSecretConfig {
            name: secret.resource_name(name),
            sds_config: Some(source()),
        })
    }
}

/// Has Envoy ask for the authorities of the control plane's system.
pub(super) fn system_authorities() -> SdsSecretConfig {
    SdsSecretConfig {
        name: SYSTEM_AUTHORITIES.to_owned(),
        sds_config: Some(source()),
    }
}

/// Where Envoy finds secrets.
fn source() -> ConfigSource {
    /// The longest time for which an Envoy that starts, and so opens none of its listeners, waits
    /// for a secret. It is answered within milliseconds, or there is none: then Envoy goes on, and
    /// takes it when it comes. With less a busy machine would have a listener refuse clients whose
    /// certificate is on its way; Envoy's own is fifteen seconds.
    const LONGEST_WAIT_S: i64 = 3;
    ConfigSource {
        initial_fetch_timeout: Some(Duration {
            seconds: LONGEST_WAIT_S,
            nanos: 0,
        }),
        ..ads()
    }
}

/// The filters of a cluster that put a credential into each request, over whatever the caller wrote
/// there. Without the credential the request is answered 401 and does not go to the server.
pub(super) fn injecting(
    secrets: &NamedSecrets<'_>,
    credentials: &SecretCredentials,
) -> Vec<HttpFilter> {
    let header = credentials.in_header();
    let generic = Generic {
        credential: secrets.discovered(Some(&credentials.secret)),
        header: header.name.to_owned(),
        header_value_prefix: header.prefix.to_owned(),
    };
    let injector = CredentialInjector {
        overwrite: true,
        allow_request_without_credential: false,
        credential: Some(TypedExtensionConfig {
            name: "envoy.http.injected_credentials.generic".to_owned(),
            typed_config: Some(pack_any(generic)),
        }),
    };
    vec![
        filter("envoy.filters.http.credential_injector", pack_any(injector)),
        filter(
            "envoy.filters.http.upstream_codec",
            pack_any(UpstreamCodec::default()),
        ),
    ]
}

fn filter(name: &str, config: Any) -> HttpFilter {
    HttpFilter {
        name: name.to_owned(),
        config_type: Some(ConfigType::TypedConfig(config)),
        ..Default::default()
    }
}
