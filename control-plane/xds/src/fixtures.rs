//! Small resources for tests.

use std::sync::Arc;

use envoy_types::pb::{
    envoy::{
        config::{
            cluster::v3::{Cluster, cluster},
            core::v3::{
                AsyncDataSource, ConfigSource, DataSource, ExtensionConfigSource, HttpUri,
                RemoteDataSource, TransportSocket, TypedExtensionConfig, async_data_source,
                data_source::Specifier, transport_socket,
            },
            endpoint::v3::ClusterLoadAssignment,
            listener::v3::{Filter, FilterChain, Listener, filter},
            route::v3::{RouteConfiguration, VirtualHost},
        },
        extensions::{
            filters::{
                http::wasm::v3::Wasm,
                network::http_connection_manager::v3::{
                    HttpConnectionManager, HttpFilter, Rds,
                    http_connection_manager::RouteSpecifier, http_filter,
                },
            },
            transport_sockets::tls::v3::{
                CommonTlsContext, GenericSecret, SdsSecretConfig, Secret, UpstreamTlsContext,
                secret,
            },
            wasm::v3::{PluginConfig, VmConfig, plugin_config},
        },
    },
    google::protobuf::{Any, Duration},
};
use envoy_types::util::pack_any;
use prost::Message;

use crate::{Generation, Resource, Snapshot, VersionKey};

pub(crate) fn snapshot(
    generation: &str,
    resources: impl IntoIterator<Item = Resource>,
) -> Arc<Snapshot> {
    let mut builder = Snapshot::builder(Generation::new(generation));
    for resource in resources {
        builder = builder.with(resource);
    }
    Arc::new(builder.build().expect("consistent"))
}

/// A filter whose code Envoys fetch; `hash` names the code.
pub(crate) fn filter_with_fetched_code(name: &str, hash: &str) -> Resource {
    let source = RemoteDataSource {
        http_uri: Some(HttpUri {
            uri: format!("http://127.0.0.1:1/modules/{hash}.wasm"),
            ..HttpUri::default()
        }),
        sha256: hash.to_owned(),
        ..RemoteDataSource::default()
    };
    let machine = VmConfig {
        code: Some(AsyncDataSource {
            specifier: Some(async_data_source::Specifier::Remote(source)),
        }),
        ..VmConfig::default()
    };
    let wasm = Wasm {
        config: Some(PluginConfig {
            vm: Some(plugin_config::Vm::VmConfig(machine)),
            ..PluginConfig::default()
        }),
    };
    encode(&TypedExtensionConfig {
        name: name.to_owned(),
        typed_config: Some(pack_any(wasm)),
    })
}

/// A cluster with its endpoints inside; `revision` makes it differ.
pub(crate) fn cluster(name: &str, revision: u32) -> Resource {
    encode(&Cluster {
        name: name.to_owned(),
        connect_timeout: Some(seconds(revision)),
        ..Cluster::default()
    })
}

/// A cluster that fills a batch alone; `revision` makes it differ.
pub(crate) fn large_cluster(name: &str, revision: u32) -> Resource {
    encode(&Cluster {
        name: name.to_owned(),
        alt_stat_name: "x".repeat(crate::session::MOST_BATCH_BYTES),
        connect_timeout: Some(seconds(revision)),
        ..Cluster::default()
    })
}

/// A cluster whose endpoints come by EDS under its own name.
pub(crate) fn eds_cluster(name: &str, revision: u32) -> Resource {
    let by_eds = cluster::DiscoveryType::Eds as i32;
    encode(&Cluster {
        name: name.to_owned(),
        connect_timeout: Some(seconds(revision)),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(by_eds)),
        ..Cluster::default()
    })
}

pub(crate) fn endpoints(name: &str, revision: u32) -> Resource {
    encode(&ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        policy: Some(
            envoy_types::pb::envoy::config::endpoint::v3::cluster_load_assignment::Policy {
                endpoint_stale_after: Some(seconds(revision)),
                ..Default::default()
            },
        ),
        ..ClusterLoadAssignment::default()
    })
}

/// A cluster that names a secret.
pub(crate) fn tls_cluster(name: &str, secret: &str) -> Resource {
    let context = UpstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            tls_certificate_sds_secret_configs: vec![SdsSecretConfig {
                name: secret.to_owned(),
                sds_config: Some(ConfigSource::default()),
            }],
            ..CommonTlsContext::default()
        }),
        ..UpstreamTlsContext::default()
    };
    encode(&Cluster {
        name: name.to_owned(),
        transport_socket: Some(TransportSocket {
            name: "tls".to_owned(),
            config_type: Some(transport_socket::ConfigType::TypedConfig(pack_any(context))),
        }),
        ..Cluster::default()
    })
}

/// A secret; `content` makes it differ.
pub(crate) fn secret(name: &str, content: &str) -> Resource {
    secret_by(name, content, &VersionKey::new(&[0; 32]))
}

pub(crate) fn secret_by(name: &str, content: &str, key: &VersionKey) -> Resource {
    let content = DataSource {
        specifier: Some(Specifier::InlineString(content.to_owned())),
        ..DataSource::default()
    };
    let secret = Secret {
        name: name.to_owned(),
        r#type: Some(secret::Type::GenericSecret(GenericSecret {
            secret: Some(content),
            ..GenericSecret::default()
        })),
    };
    Resource::secret(&secret, key).expect("a resource")
}

/// A listener that names nothing.
pub(crate) fn listener(name: &str, revision: u32) -> Resource {
    encode(&Listener {
        name: name.to_owned(),
        stat_prefix: revision.to_string(),
        ..Listener::default()
    })
}

/// A listener that names a route configuration and an extension configuration.
pub(crate) fn http_listener(name: &str, route: &str, extension: &str) -> Resource {
    let manager = HttpConnectionManager {
        route_specifier: Some(RouteSpecifier::Rds(Rds {
            route_config_name: route.to_owned(),
            ..Rds::default()
        })),
        http_filters: vec![HttpFilter {
            name: extension.to_owned(),
            config_type: Some(http_filter::ConfigType::ConfigDiscovery(
                ExtensionConfigSource::default(),
            )),
            ..HttpFilter::default()
        }],
        ..HttpConnectionManager::default()
    };
    encode(&Listener {
        name: name.to_owned(),
        filter_chains: vec![FilterChain {
            filters: vec![Filter {
                name: "http".to_owned(),
                config_type: Some(filter::ConfigType::TypedConfig(pack_any(manager))),
            }],
            ..FilterChain::default()
        }],
        ..Listener::default()
    })
}

/// A route configuration; `content` makes it differ.
pub(crate) fn route(name: &str, content: &str) -> Resource {
    encode(&RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts: vec![VirtualHost {
            name: content.to_owned(),
            ..VirtualHost::default()
        }],
        ..RouteConfiguration::default()
    })
}

/// An extension configuration; `content` makes it differ.
pub(crate) fn extension(name: &str, content: &str) -> Resource {
    encode(&TypedExtensionConfig {
        name: name.to_owned(),
        typed_config: Some(Any {
            type_url: "type.googleapis.com/google.protobuf.StringValue".to_owned(),
            value: content.as_bytes().to_vec(),
        }),
    })
}

fn encode<M: Message + prost::Name>(message: &M) -> Resource {
    Resource::encode(message).expect("a resource")
}

fn seconds(seconds: u32) -> Duration {
    Duration {
        seconds: seconds.into(),
        nanos: 0,
    }
}
