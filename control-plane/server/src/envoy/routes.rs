//! The route configuration: MCP, by how long a request may go unanswered, and `/health`.

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
use envoy_types::pb::envoy::r#type::matcher::v3::StringMatcher;
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use gateway_document::Listener;
use policy_engine::wire::FilterConfig;

use super::{BUILT_IN_SERVER, CLUSTER_HEADER, milliseconds, truth};

const HEALTH_PATH: &str = "/health";
const CREDENTIALS: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];
const HEALTH_MS: u32 = 10_000;
/// The time that a tool's rule gives it, by which the filter tells the router.
const TIMEOUT_HEADER: &str = "x-envoy-upstream-rq-timeout-ms";

pub(super) fn routes(listener: &Listener, config: &FilterConfig) -> RouteConfiguration {
    RouteConfiguration {
        name: listener.name.to_string(),
        virtual_hosts: vec![VirtualHost {
            name: listener.name.to_string(),
            // The filter checks `Host` against the listener's list, also for what has no route.
            domains: vec!["*".to_owned()],
            routes: vec![
                // The tool's time bounds the whole of it.
                mcp("mcp-timed", vec![present(TIMEOUT_HEADER)], Some(0)),
                // The listener's own bound is for them.
                mcp("mcp-events", vec![is(":method", "GET")], None),
                mcp(
                    "mcp-subscriptions",
                    vec![is("mcp-method", "subscriptions/listen")],
                    None,
                ),
                mcp("mcp", Vec::new(), Some(idle_ms(listener))),
                health(config),
            ],
            ..Default::default()
        }],
        // The filter names the cluster per call, and clusters come before the configuration that
        // names them.
        validate_clusters: truth(false),
        ..Default::default()
    }
}

fn idle_ms(listener: &Listener) -> u32 {
    u32::try_from(listener.idle_timeout.milliseconds()).unwrap_or(u32::MAX)
}

fn present(name: &str) -> HeaderMatcher {
    header(name, HeaderMatchSpecifier::PresentMatch(true))
}

fn is(name: &str, value: &str) -> HeaderMatcher {
    let pattern = MatchPattern::Exact(value.to_owned());
    header(
        name,
        HeaderMatchSpecifier::StringMatch(StringMatcher {
            match_pattern: Some(pattern),
            ..Default::default()
        }),
    )
}

fn header(name: &str, specifier: HeaderMatchSpecifier) -> HeaderMatcher {
    HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(specifier),
        ..Default::default()
    }
}

/// Every call that the filter has allowed and that has these headers, wherever it goes. The filter
/// sets the cluster's header, so the route is chosen again after it has; the path may by then be
/// the server's own. A server that says nothing for `idle_ms` is answered for; none leaves that to
/// the listener, and 0 to the tool's own time.
fn mcp(name: &str, mut headers: Vec<HeaderMatcher>, idle_ms: Option<u32>) -> Route {
    headers.push(present(CLUSTER_HEADER));
    Route {
        name: name.to_owned(),
        r#match: Some(RouteMatch {
            path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
            headers,
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
            idle_timeout: idle_ms.and_then(milliseconds),
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
