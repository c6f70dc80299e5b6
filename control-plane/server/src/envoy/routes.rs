//! The route configuration: MCP, by how long a request may go unanswered, `/health`, and the routes
//! of plain HTTP.

use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source::Specifier};
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::route_action::{
    ClusterSpecifier, HashPolicy, HostRewriteSpecifier,
};
use envoy_types::pb::envoy::config::route::v3::route_match::PathSpecifier;
use envoy_types::pb::envoy::config::route::v3::{
    DirectResponseAction, HeaderMatcher, Route, RouteAction, RouteConfiguration, RouteMatch,
    VirtualHost,
};
use envoy_types::pb::google::protobuf::Any;
use gateway_document::{GatewayDocument, HttpRoute, Listener, ListenerShare, Target};
use policy_engine::wire::FilterConfig;
use prost::{Message, Name};

use super::deterministic::{repeated, written};
use super::http_route::{CREDENTIALS, by_address, by_header, to_nobody, told, weighted};
use super::matching::{is, present};
use super::{BUILT_IN_SERVER, CLUSTER_HEADER, cors, http_route, milliseconds, truth};

const HEALTH_PATH: &str = "/health";
const HEALTH_MS: u32 = 10_000;
/// The time that a tool's rule gives it, by which the filter tells the router.
const TIMEOUT_HEADER: &str = "x-envoy-upstream-rq-timeout-ms";
/// The header by which calls of one session are told from others.
const SESSION_HEADER: &str = "mcp-session-id";

/// The numbers of two fields in `envoy/config/route/v3/route.proto` and `route_components.proto`:
/// what they hold is written from parts.
const VIRTUAL_HOSTS: u32 = 2;
const ROUTES: u32 = 3;

/// The parts of the configuration that the table of a listener's routes is made of.
#[derive(Debug, PartialEq)]
pub(super) struct RoutesParts<'a> {
    listener: &'a Listener,
    /// The rules that spread calls over several clusters, by the names of the spreads.
    splits: Vec<(String, &'a Target)>,
    others: Vec<&'a HttpRoute>,
    /// Whether a cluster balances by a hash.
    some_hash: bool,
    /// The paths of the endpoints of MCP.
    paths: Vec<&'a str>,
    /// The cluster that answers for the gateway's health.
    health: Option<&'a str>,
}

impl<'a> RoutesParts<'a> {
    pub(super) fn of(share: &ListenerShare<'a>, config: &'a FilterConfig, some_hash: bool) -> Self {
        let paths = config.endpoints.iter();
        let health = config.servers.get(BUILT_IN_SERVER);
        Self {
            listener: share.listener,
            splits: splits(share).collect(),
            others: share.routes.clone(),
            some_hash,
            paths: paths.map(|endpoint| endpoint.path.as_str()).collect(),
            health: health.map(|server| server.cluster.as_str()),
        }
    }

    pub(super) fn name(&self) -> &'a str {
        self.listener.name.as_str()
    }
}

/// The table of a listener's routes, in the order of their precedence.
pub(super) fn routes(parts: &RoutesParts<'_>) -> Any {
    let listener = parts.listener;
    let hashes = match parts.some_hash {
        true => hashes_of_sessions(),
        false => Vec::new(),
    };
    let mut routes: Vec<Vec<Route>> = split_routes(parts).map(|route| vec![route]).collect();
    let all = [
        // The tool's time bounds the whole of it.
        mcp("mcp-timed", vec![present(TIMEOUT_HEADER)], Some(0), &hashes),
        // The listener's own bound is for them.
        mcp("mcp-events", vec![is(":method", "GET")], None, &hashes),
        mcp(
            "mcp-subscriptions",
            vec![is("mcp-method", "subscriptions/listen")],
            None,
            &hashes,
        ),
        mcp("mcp", Vec::new(), Some(idle_ms(listener)), &hashes),
    ]
    .map(|route| vec![route]);
    routes.extend(all);
    routes.extend(mcp_preflights(parts).map(|route| vec![route]));
    routes.push(vec![health(parts.health)]);
    routes.extend(
        parts
            .others
            .iter()
            .flat_map(|route| http_route::routes(route)),
    );
    table(listener, routes)
}

/// Writes the table, each route of which is a list of parts.
fn table(listener: &Listener, routes: Vec<Vec<Route>>) -> Any {
    let mut host = VirtualHost {
        name: listener.name.to_string(),
        // The filter checks `Host` against the listener's list, also for what has no route.
        domains: vec!["*".to_owned()],
        ..Default::default()
    }
    .encode_to_vec();
    host.extend(repeated(ROUTES, routes.into_iter().map(written)));
    let name = RouteConfiguration {
        name: listener.name.to_string(),
        ..Default::default()
    };
    let rest = RouteConfiguration {
        // The filter names the cluster per call, and clusters come before the configuration that
        // names them.
        validate_clusters: truth(false),
        ..Default::default()
    };
    let mut value = name.encode_to_vec();
    value.extend(repeated(VIRTUAL_HOSTS, [host]));
    value.extend(rest.encode_to_vec());
    Any {
        type_url: RouteConfiguration::type_url(),
        value,
    }
}

/// Whether a cluster of the document balances by a hash.
pub(super) fn some_hash(document: &GatewayDocument) -> bool {
    let servers = document.servers.values().map(|server| &server.upstream);
    let clusters = document.clusters.iter().map(|cluster| &cluster.upstream);
    let mut all = servers.chain(clusters);
    all.any(|upstream| upstream.balancing.hashes())
}

/// Where a cluster balances by a hash: the session, or else the client's address.
fn hashes_of_sessions() -> Vec<HashPolicy> {
    let by = |specifier, terminal| HashPolicy {
        policy_specifier: Some(specifier),
        terminal,
    };
    vec![by(by_header(SESSION_HEADER), true), by(by_address(), false)]
}

/// Takes what a browser asks of an endpoint before the filter chooses where a call goes: Envoy's
/// own filter, which comes first, finds the listener's policy here. It answers the question; a call
/// goes on, and gets another route.
fn mcp_preflights(parts: &RoutesParts<'_>) -> impl Iterator<Item = Route> {
    let listener = parts.listener;
    let policy = listener
        .cors
        .as_ref()
        .map(|policy| cors::of_mcp(listener, policy));
    policy.into_iter().flat_map(|policy| {
        parts.paths.iter().map(move |path| Route {
            name: "mcp-cors".to_owned(),
            r#match: Some(RouteMatch {
                path_specifier: Some(PathSpecifier::Path((*path).to_owned())),
                ..Default::default()
            }),
            action: Some(to_nobody()),
            typed_per_filter_config: told(cors::NAME, policy.clone()),
            ..Default::default()
        })
    })
}

fn idle_ms(listener: &Listener) -> u32 {
    u32::try_from(listener.idle_timeout.milliseconds()).unwrap_or(u32::MAX)
}

fn splits<'a>(share: &ListenerShare<'a>) -> impl Iterator<Item = (String, &'a Target)> {
    share.rules.iter().filter_map(|(_, rule)| {
        let target = rule.route.as_ref();
        let target = target.filter(|target| target.cluster.is_none())?;
        Some((rule.split(), target))
    })
}

/// The calls that rules of the listener spread over several clusters: the filter names the spread,
/// and these routes choose.
fn split_routes(parts: &RoutesParts<'_>) -> impl Iterator<Item = Route> {
    parts.splits.iter().flat_map(|(split, target)| {
        let clusters = weighted(target);
        let timed = (vec![present(TIMEOUT_HEADER)], Some(0));
        let others = (Vec::new(), Some(idle_ms(parts.listener)));
        [timed, others].map(|(mut headers, idle_ms)| {
            headers.push(is(CLUSTER_HEADER, split));
            let mut route = mcp("mcp-split", headers, idle_ms, &[]);
            if let Some(Action::Route(action)) = &mut route.action {
                action.cluster_specifier = Some(clusters.clone());
            }
            route
        })
    })
}

/// Every call that the filter has allowed and that has these headers, wherever it goes. The filter
/// sets the cluster's header, so the route is chosen again after it has; the path may by then be
/// the server's own. A server that says nothing for `idle_ms` is answered for; none leaves that to
/// the listener, and 0 to the tool's own time.
fn mcp(
    name: &str,
    mut headers: Vec<HeaderMatcher>,
    idle_ms: Option<u32>,
    hashes: &[HashPolicy],
) -> Route {
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
            hash_policy: hashes.to_vec(),
            ..Default::default()
        })),
        ..Default::default()
    }
}

fn health(cluster: Option<&str>) -> Route {
    let action = match cluster {
        Some(cluster) => Action::Route(RouteAction {
            cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_writes_the_bytes_that_the_message_itself_would_be_written_as() {
        let listener = &GatewayDocument::default().listeners[0];
        let present = || present(TIMEOUT_HEADER);
        let routes = ["a", "b"].map(|name| vec![mcp(name, vec![present()], Some(7), &[])]);
        let table = table(listener, routes.into());
        let read = RouteConfiguration::decode(table.value.as_slice()).unwrap();
        assert_eq!(read.virtual_hosts[0].routes.len(), 2);
        assert_eq!(read.encode_to_vec(), table.value);
    }
}
