//! The route configuration: one MCP route, and `/health`.

use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source::Specifier};
use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::route_action::{
    ClusterSpecifier, HostRewriteSpecifier,
};
use envoy_types::pb::envoy::config::route::v3::route_match::PathSpecifier;
use envoy_types::pb::envoy::config::route::v3::{
    DirectResponseAction, HeaderMatcher, Route, RouteAction, RouteConfiguration, RouteMatch,
    VirtualHost,
};
use gateway_document::Listener;
use policy_engine::wire::FilterConfig;

use super::{CLUSTER_HEADER, milliseconds, truth};

const HEALTH_PATH: &str = "/health";
const CREDENTIALS: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];
const HEALTH_MS: u32 = 10_000;
/// The server that comes with the product and answers `/health` for what is behind it.
const BUILT_IN_SERVER: &str = "data";

pub(super) fn routes(listener: &Listener, config: &FilterConfig) -> RouteConfiguration {
    RouteConfiguration {
        name: listener.name.to_string(),
        virtual_hosts: vec![VirtualHost {
            name: listener.name.to_string(),
            // The filter checks `Host` against the listener's list, also for what has no route.
            domains: vec!["*".to_owned()],
            routes: vec![mcp(), health(config)],
            ..Default::default()
        }],
        // The filter names the cluster per call, and clusters come before the configuration that
        // names them.
        validate_clusters: truth(false),
        ..Default::default()
    }
}

/// Every call that the filter has allowed, wherever it goes. The filter sets the header, so the
/// route is chosen again after it has; the path may by then be the server's own.
fn mcp() -> Route {
    Route {
        name: "mcp".to_owned(),
        r#match: Some(RouteMatch {
            path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
            headers: vec![HeaderMatcher {
                name: CLUSTER_HEADER.to_owned(),
                header_match_specifier: Some(HeaderMatchSpecifier::PresentMatch(true)),
                ..Default::default()
            }],
            ..Default::default()
        }),
        request_headers_to_remove: vec![CLUSTER_HEADER.to_owned()],
        action: Some(Action::Route(RouteAction {
            cluster_specifier: Some(ClusterSpecifier::ClusterHeader(CLUSTER_HEADER.to_owned())),
            // Servers guard themselves against rebinding by their own `Host`; the listener's list
            // guards the gateway.
            host_rewrite_specifier: Some(HostRewriteSpecifier::AutoHostRewrite(
                truth(true).unwrap_or_default(),
            )),
            append_x_forwarded_host: true,
            // None of its own: Envoy's default would cut tool calls. The filter sets each tool's.
            timeout: milliseconds(0),
            ..Default::default()
        })),
        ..Default::default()
    }
}

fn health(config: &FilterConfig) -> Route {
    let action = match config.servers.get(BUILT_IN_SERVER) {
        Some(server) => Action::Route(RouteAction {
            cluster_specifier: Some(ClusterSpecifier::Cluster(server.cluster.clone())),
            host_rewrite_specifier: Some(HostRewriteSpecifier::AutoHostRewrite(
                truth(true).unwrap_or_default(),
            )),
            timeout: milliseconds(HEALTH_MS),
            ..Default::default()
        }),
        None => Action::DirectResponse(DirectResponseAction {
            status: 200,
            body: Some(DataSource {
                specifier: Some(Specifier::InlineString("{\"status\":\"ok\"}\n".to_owned())),
                ..Default::default()
            }),
            ..Default::default()
        }),
    };
    Route {
        name: "health".to_owned(),
        // Whoever asks for health need not say who they are, and no server need learn it.
        request_headers_to_remove: CREDENTIALS.map(str::to_owned).to_vec(),
        r#match: Some(RouteMatch {
            path_specifier: Some(PathSpecifier::Path(HEALTH_PATH.to_owned())),
            ..Default::default()
        }),
        action: Some(action),
        ..Default::default()
    }
}
