//! The routes of plain HTTP, besides the MCP endpoints.

use std::collections::HashMap;

use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::route_action::{
    ClusterNotFoundResponseCode, ClusterSpecifier, HashPolicy, HostRewriteSpecifier,
    hash_policy::{ConnectionProperties, Header, PolicySpecifier},
};
use envoy_types::pb::envoy::config::route::v3::route_match::PathSpecifier;
use envoy_types::pb::envoy::config::route::v3::weighted_cluster::ClusterWeight;
use envoy_types::pb::envoy::config::route::v3::{
    HeaderMatcher, QueryParameterMatcher, RetryPolicy, Route, RouteAction, RouteMatch,
    WeightedCluster, query_parameter_matcher,
};
use envoy_types::pb::envoy::r#type::matcher::v3::RegexMatchAndSubstitute;
use envoy_types::pb::google::protobuf::Any;
use gateway_document::{
    ANY_VALUE, HttpMethod, HttpRoute, Retries, RetryCause, RouteMatch as DocumentMatch, RoutePath,
    Target,
};

use super::matching::{exactly, header, is, like, present, quoted, regex};
use super::{cors, number, rate_limit, span, truth};

/// The headers with a caller's credentials.
pub(super) const CREDENTIALS: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];
/// Before the name of each of these routes, in Envoy and in the access log.
pub(super) const NAME_PREFIX: &str = "http.";

/// Makes Envoy's routes for one of the document, in their order of precedence. Each is a list of
/// parts, which together are one message: no part has a map of several entries.
pub(super) fn routes(route: &HttpRoute) -> Vec<Vec<Route>> {
    let preflight = route
        .cors
        .as_ref()
        .map(|policy| vec![preflight(route, cors::of_route(policy))]);
    let mut parts = vec![main(route)];
    parts.extend(route.limit.as_ref().map(|limit| Route {
        typed_per_filter_config: told(rate_limit::NAME, rate_limit::of_route(limit)),
        ..Default::default()
    }));
    preflight.into_iter().chain([parts]).collect()
}

/// The one thing that a route tells one filter.
pub(super) fn told(filter: &str, config: Any) -> HashMap<String, Any> {
    HashMap::from([(filter.to_owned(), config)])
}

fn main(route: &HttpRoute) -> Route {
    let mut matches = path_match(&route.matches);
    let methods = methods(&route.matches);
    let headers = route.matches.headers.iter().map(|(name, value)| {
        if value == ANY_VALUE {
            present(name.as_str())
        } else {
            is(name.as_str(), value)
        }
    });
    matches.headers = methods.into_iter().chain(headers).collect();
    let per_filter = route.cors.as_ref();
    let per_filter = per_filter.map(|policy| told(cors::NAME, cors::of_route(policy)));
    Route {
        name: format!("{NAME_PREFIX}{}", route.name),
        r#match: Some(matches),
        // As towards servers of MCP: they are for the gateway, unless the operator says otherwise.
        request_headers_to_remove: match route.credentials {
            Some(_) => Vec::new(),
            None => CREDENTIALS.map(str::to_owned).to_vec(),
        },
        action: Some(Action::Route(action(route))),
        typed_per_filter_config: per_filter.unwrap_or_default(),
        ..Default::default()
    }
}

/// Takes the question of a browser whether a page may call: it has neither the method nor the
/// headers of the call. Envoy's filter answers it.
fn preflight(route: &HttpRoute, policy: Any) -> Route {
    let mut matches = path_match(&route.matches);
    matches.headers = vec![
        is(":method", "OPTIONS"),
        present("origin"),
        present("access-control-request-method"),
    ];
    Route {
        name: format!("{NAME_PREFIX}{}.preflight", route.name),
        r#match: Some(matches),
        action: Some(to_nobody()),
        typed_per_filter_config: told(cors::NAME, policy),
        ..Default::default()
    }
}

/// Where no request goes: the filter of CORS looks at routes that lead to a cluster only, and
/// answers in its place.
pub(super) fn to_nobody() -> Action {
    Action::Route(RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster(NOBODY.to_owned())),
        cluster_not_found_response_code: ClusterNotFoundResponseCode::NotFound.into(),
        ..Default::default()
    })
}

/// The name of no cluster: those of documents have no dot.
const NOBODY: &str = "portcullis.nobody";

/// The path and the query, which a browser's question has in common with its call.
fn path_match(matches: &DocumentMatch) -> RouteMatch {
    let path = matches
        .path
        .as_ref()
        .map(|path| PathSpecifier::Path(path.to_string()));
    let prefix = matches.prefix.as_ref().map(|prefix| match prefix.stem() {
        "" => PathSpecifier::Prefix("/".to_owned()),
        stem => PathSpecifier::PathSeparatedPrefix(stem.to_owned()),
    });
    let expression = matches.regex.as_ref();
    let expression = expression.map(|text| PathSpecifier::SafeRegex(regex(text.to_string())));
    let query = matches
        .query
        .iter()
        .map(|(name, value)| QueryParameterMatcher {
            name: name.clone(),
            query_parameter_match_specifier: Some(if value == ANY_VALUE {
                query_parameter_matcher::QueryParameterMatchSpecifier::PresentMatch(true)
            } else {
                query_parameter_matcher::QueryParameterMatchSpecifier::StringMatch(exactly(value))
            }),
        });
    RouteMatch {
        path_specifier: path.or(prefix).or(expression),
        query_parameters: query.collect(),
        ..Default::default()
    }
}

fn methods(matches: &DocumentMatch) -> Option<HeaderMatcher> {
    let words: Vec<&str> = matches
        .methods
        .iter()
        .copied()
        .map(HttpMethod::word)
        .collect();
    match words.as_slice() {
        [] => None,
        [one] => Some(is(":method", one)),
        several => Some(header(
            ":method",
            HeaderMatchSpecifier::StringMatch(like(several.join("|"))),
        )),
    }
}

fn action(route: &HttpRoute) -> RouteAction {
    let mut action = RouteAction {
        cluster_specifier: Some(cluster(&route.to)),
        host_rewrite_specifier: Some(HostRewriteSpecifier::AutoHostRewrite(
            truth(true).unwrap_or_default(),
        )),
        append_x_forwarded_host: true,
        timeout: span(route.timeout),
        retry_policy: route.retries.as_ref().map(retries),
        hash_policy: vec![hash_policy(route)],
        ..Default::default()
    };
    if let Some(rewrite) = &route.rewrite {
        rewrite_path(&route.matches, rewrite, &mut action);
    }
    action
}

fn cluster(target: &Target) -> ClusterSpecifier {
    if let Some(name) = &target.cluster {
        return ClusterSpecifier::Cluster(name.to_string());
    }
    weighted(target)
}

/// Several clusters, each by its weight.
pub(super) fn weighted(target: &Target) -> ClusterSpecifier {
    let clusters = target.weights.iter().map(|(name, weight)| ClusterWeight {
        name: name.to_string(),
        weight: number(*weight),
        ..Default::default()
    });
    ClusterSpecifier::WeightedClusters(WeightedCluster {
        clusters: clusters.collect(),
        ..Default::default()
    })
}

fn retries(retries: &Retries) -> RetryPolicy {
    let causes: Vec<&str> = retries.on.iter().copied().map(RetryCause::word).collect();
    RetryPolicy {
        retry_on: causes.join(","),
        num_retries: number(retries.attempts),
        per_try_timeout: retries.per_try_timeout.and_then(span),
        ..Default::default()
    }
}

/// The part of a request of which clusters that balance by a hash take it.
fn hash_policy(route: &HttpRoute) -> HashPolicy {
    let specifier = match &route.hash_header {
        Some(name) => by_header(name.as_str()),
        None => by_address(),
    };
    HashPolicy {
        policy_specifier: Some(specifier),
        ..Default::default()
    }
}

pub(super) fn by_header(name: &str) -> PolicySpecifier {
    PolicySpecifier::Header(Header {
        header_name: name.to_owned(),
        ..Default::default()
    })
}

pub(super) fn by_address() -> PolicySpecifier {
    PolicySpecifier::ConnectionProperties(ConnectionProperties { source_ip: true })
}

/// Envoy puts a text in the place of the prefix that it matched, without its slash: where all of it
/// goes away, or all is below it, the slash between the two has to be seen to.
fn rewrite_path(matches: &DocumentMatch, rewrite: &RoutePath, action: &mut RouteAction) {
    let prefix = matches.prefix.as_ref();
    match (prefix.map(RoutePath::stem), rewrite.stem()) {
        (None, _) => action.prefix_rewrite = rewrite.to_string(),
        (Some(""), "") => {}
        (Some(""), stem) => action.prefix_rewrite = format!("{stem}/"),
        (Some(prefix), "") => {
            action.regex_rewrite = Some(RegexMatchAndSubstitute {
                pattern: Some(regex(format!("^{}/?", quoted(prefix)))),
                substitution: "/".to_owned(),
            });
        }
        (Some(_), stem) => action.prefix_rewrite = stem.to_owned(),
    }
}
