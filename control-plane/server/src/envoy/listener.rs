//! The listener and its HTTP connection manager.

use envoy_types::pb::envoy::config::common::mutation_rules::v3::{
    HeaderMutation, header_mutation::Action,
};
use envoy_types::pb::envoy::config::core::v3::{
    CidrRange, ExtensionConfigSource, Http2ProtocolOptions, HttpProtocolOptions,
    TypedExtensionConfig, http_protocol_options::HeadersWithUnderscoresAction,
};
use envoy_types::pb::envoy::config::listener::v3::{
    Filter, FilterChain, Listener, filter::ConfigType,
};
use envoy_types::pb::envoy::extensions::filters::http::health_check::v3::HealthCheck;
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::filters::network::connection_limit::v3::ConnectionLimit;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, Rds, RequestIdExtension,
    http_connection_manager::{
        InternalAddressConfig, PathWithEscapedSlashesAction, RouteSpecifier,
    },
    http_filter,
};
use envoy_types::pb::envoy::extensions::http::early_header_mutation::header_mutation as early;
use envoy_types::pb::envoy::extensions::request_id::uuid::v3::UuidRequestIdConfig;
use envoy_types::pb::google::protobuf::{Any, Duration, UInt64Value};
use envoy_types::util::pack_any;
use gateway_document::{
    FilterPlace, GatewayDocument, Listener as DocumentListener, ListenerShare, RoutePath, Span,
};
use prost::Name;

use super::further_filter::Discovered;
use super::matching::is;
use super::secret::NamedSecrets;
use super::{
    CLUSTER_HEADER, access_log, ads, cors, filter, local_reply, milliseconds, number, rate_limit,
    socket_address, span, tls, truth,
};

/// Above the filter's own limit, so that the filter answers for a long body before Envoy does; and
/// never below what responses are streamed through.
const BUFFER_ABOVE_BODY: u32 = 65_536;
const SMALLEST_BUFFER: u32 = 1 << 20;

/// Requests at once on one connection of HTTP/2: each may hold its headers, which a client repeats
/// by a byte apiece, and an answer as large as the buffer that the client does not take. Bodies are
/// bounded by the filter, for all connections together.
const MOST_STREAMS: u32 = 100;
/// The largest headers of a request, in KiB.
const MOST_HEADERS_KIB: u32 = 32;
/// Tool calls may be silent for long, and so may streams of server events.
const STREAM_IDLE_MS: u32 = 3_600_000;
/// How long an answer that the server has finished waits for a client that does not take it.
const STREAM_FLUSH_MS: u32 = 60_000;
/// A request arrives at once or not at all: slow ones hold memory.
const REQUEST_MS: u32 = 60_000;
const REQUEST_HEADERS_MS: u32 = 10_000;

/// The parts of the document that a listener is made of.
#[derive(Debug, PartialEq)]
pub(super) struct ListenerParts<'a> {
    listener: &'a DocumentListener,
    routes: RoutesInShort,
    before: Vec<Discovered<'a>>,
    after: Vec<Discovered<'a>>,
    secrets: NamedSecrets<'a>,
}

/// The filters that the HTTP routes of a listener want there.
#[derive(Debug, PartialEq)]
struct RoutesInShort {
    are_there: bool,
    have_cors: bool,
    have_limits: bool,
}

impl<'a> ListenerParts<'a> {
    pub(super) fn of(document: &'a GatewayDocument, share: &ListenerShare<'a>) -> Self {
        let listener = share.listener;
        let routes = &share.routes;
        let further = |place| share.filters(place);
        let tls = listener.tls.as_ref();
        let secrets = tls.map(|tls| [tls.client_ca_secret.as_ref(), tls.secret.as_ref()]);
        Self {
            listener,
            routes: RoutesInShort {
                are_there: !routes.is_empty(),
                have_cors: routes.iter().any(|route| route.cors.is_some()),
                have_limits: routes.iter().any(|route| route.limit.is_some()),
            },
            before: further(FilterPlace::Before).map(Discovered::of).collect(),
            after: further(FilterPlace::After).map(Discovered::of).collect(),
            secrets: NamedSecrets::of(document, secrets.into_iter().flatten()),
        }
    }

    pub(super) fn name(&self) -> &'a str {
        self.listener.name.as_str()
    }
}

pub(super) fn listener(parts: &ListenerParts<'_>) -> Listener {
    let listener = parts.listener;
    let manager = network_filter(
        "envoy.filters.network.http_connection_manager",
        pack_any(connection_manager(parts)),
    );
    let limit = listener.max_connections.map(|most| {
        network_filter(
            "envoy.filters.network.connection_limit",
            pack_any(ConnectionLimit {
                stat_prefix: listener.name.to_string(),
                max_connections: Some(UInt64Value { value: most.into() }),
                ..Default::default()
            }),
        )
    });
    Listener {
        name: listener.name.to_string(),
        address: Some(socket_address(
            &listener.address.ip().to_string(),
            listener.address.port(),
        )),
        filter_chains: vec![FilterChain {
            filters: limit.into_iter().chain([manager]).collect(),
            transport_socket: listener
                .tls
                .as_ref()
                .map(|tls| tls::for_clients(&parts.secrets, tls)),
            ..Default::default()
        }],
        per_connection_buffer_limit_bytes: number(buffer(listener)),
        ..Default::default()
    }
}

fn network_filter(name: &str, config: Any) -> Filter {
    Filter {
        name: name.to_owned(),
        config_type: Some(ConfigType::TypedConfig(config)),
    }
}

/// How many bytes of a request Envoy buffers at most, by either version of HTTP.
fn buffer(listener: &DocumentListener) -> u32 {
    listener
        .max_body_bytes
        .saturating_add(BUFFER_ABOVE_BODY)
        .max(SMALLEST_BUFFER)
}

/// The filters of HTTP, each only where something asks for it.
fn http_filters(parts: &ListenerParts<'_>) -> Vec<HttpFilter> {
    let listener = parts.listener;
    let mut filters = Vec::new();
    filters.extend(listener.health_check_path.as_ref().map(health_check));
    // Before our own, so that it answers what browsers ask, and marks our refusals as readable.
    if listener.cors.is_some() || parts.routes.have_cors {
        filters.push(cors::filter());
    }
    filters.extend(parts.before.iter().map(Discovered::filter));
    filters.push(mcp_filter(listener));
    filters.extend(parts.after.iter().map(Discovered::filter));
    if parts.routes.have_limits {
        filters.push(rate_limit::filter());
    }
    filters.push(router());
    filters
}

/// The client's time as the operator gave it, or else as it is for all.
fn time(given: Option<Span>, usual_ms: u32) -> Option<Duration> {
    given.map_or_else(|| milliseconds(usual_ms), span)
}

fn connection_manager(parts: &ListenerParts<'_>) -> HttpConnectionManager {
    let listener = parts.listener;
    let times = &listener.client_times;
    HttpConnectionManager {
        stat_prefix: listener.name.to_string(),
        route_specifier: Some(RouteSpecifier::Rds(Rds {
            config_source: Some(ads()),
            route_config_name: listener.name.to_string(),
        })),
        http_filters: http_filters(parts),
        common_http_protocol_options: Some(HttpProtocolOptions {
            idle_timeout: times.connection_idle.and_then(span),
            max_connection_duration: times.connection.and_then(span),
            // Some servers read `Mcp_Name` as `Mcp-Name`; the filter, which vouches for the latter,
            // does not.
            headers_with_underscores_action: HeadersWithUnderscoresAction::RejectRequest.into(),
            ..Default::default()
        }),
        http2_protocol_options: Some(Http2ProtocolOptions {
            max_concurrent_streams: number(MOST_STREAMS),
            // A body that the filter holds must fit in the stream's window whole: the client gets
            // no more room before the filter lets go. The connection's room is given back as bytes
            // arrive.
            initial_stream_window_size: number(buffer(listener)),
            initial_connection_window_size: number(buffer(listener)),
            ..Default::default()
        }),
        max_request_headers_kb: number(MOST_HEADERS_KIB),
        stream_idle_timeout: time(times.stream_idle, STREAM_IDLE_MS),
        stream_flush_timeout: milliseconds(STREAM_FLUSH_MS),
        request_timeout: time(times.request, REQUEST_MS),
        request_headers_timeout: time(times.request_headers, REQUEST_HEADERS_MS),
        access_log: vec![access_log::json_to_stdout(listener.access_log.as_ref())],
        local_reply_config: Some(local_reply::answers(parts.routes.are_there)),
        use_remote_address: truth(true),
        internal_address_config: Some(nobody_internal()),
        early_header_mutation_extensions: vec![without_cluster_header()],
        // The correlation id: the client's if it sends one, and never rewritten.
        generate_request_id: truth(true),
        preserve_external_request_id: true,
        always_set_request_id_in_response: true,
        request_id_extension: Some(RequestIdExtension {
            typed_config: Some(pack_any(UuidRequestIdConfig {
                pack_trace_reason: truth(false),
                use_request_id_for_trace_sampling: truth(false),
            })),
        }),
        // What the filter compares is what the server gets.
        normalize_path: truth(true),
        merge_slashes: true,
        path_with_escaped_slashes_action: PathWithEscapedSlashesAction::RejectRequest.into(),
        ..Default::default()
    }
}

/// The peer's own address counts, and nobody is trusted more for where he comes from: Envoy then
/// removes `x-envoy-*` headers of clients, which could ask for retries or other time-outs. Without
/// any range, Envoy would trust private networks and this machine; nobody connects from the one
/// that is given.
fn nobody_internal() -> InternalAddressConfig {
    InternalAddressConfig {
        unix_sockets: false,
        cidr_ranges: vec![CidrRange {
            address_prefix: "0.0.0.0".to_owned(),
            prefix_len: number(32),
        }],
    }
}

/// Removes the cluster header before a route is chosen, so that a client's own value never meets
/// one.
fn without_cluster_header() -> TypedExtensionConfig {
    TypedExtensionConfig {
        name: "envoy.http.early_header_mutation.header_mutation".to_owned(),
        typed_config: Some(pack_any(early::v3::HeaderMutation {
            mutations: vec![HeaderMutation {
                action: Some(Action::Remove(CLUSTER_HEADER.to_owned())),
            }],
        })),
    }
}

/// Whether this Envoy takes requests: it stops to while it drains.
fn health_check(path: &RoutePath) -> HttpFilter {
    HttpFilter {
        name: "envoy.filters.http.health_check".to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(pack_any(
            HealthCheck {
                pass_through_mode: truth(false),
                headers: vec![is(":path", path.as_str())],
                ..Default::default()
            },
        ))),
        ..Default::default()
    }
}

fn mcp_filter(listener: &DocumentListener) -> HttpFilter {
    HttpFilter {
        name: filter::resource_name(listener),
        config_type: Some(http_filter::ConfigType::ConfigDiscovery(
            ExtensionConfigSource {
                config_source: Some(ads()),
                type_urls: vec![Wasm::type_url()],
                ..Default::default()
            },
        )),
        ..Default::default()
    }
}

fn router() -> HttpFilter {
    HttpFilter {
        name: "envoy.filters.http.router".to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(pack_any(Router {
            // Clients learn nothing of the upstream's timing or retries.
            suppress_envoy_headers: true,
            ..Default::default()
        }))),
        ..Default::default()
    }
}
