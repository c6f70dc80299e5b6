//! Envoy's local rate limit, which a route may have.

use envoy_types::pb::envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpFilter, http_filter,
};
use envoy_types::pb::envoy::r#type::v3::TokenBucket;
use envoy_types::pb::google::protobuf::Any;
use envoy_types::util::pack_any;
use gateway_document::RouteLimit;

use super::cors::always;
use super::{number, span};

/// The filter's name, also where a route tells it something.
pub(super) const NAME: &str = "envoy.filters.http.local_ratelimit";

/// The filter, which limits nothing by itself.
pub(super) fn filter() -> HttpFilter {
    HttpFilter {
        name: NAME.to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(pack_any(
            LocalRateLimit {
                stat_prefix: "routes".to_owned(),
                ..Default::default()
            },
        ))),
        ..Default::default()
    }
}

pub(super) fn of_route(limit: &RouteLimit) -> Any {
    pack_any(LocalRateLimit {
        stat_prefix: "routes".to_owned(),
        token_bucket: Some(TokenBucket {
            max_tokens: limit.burst.unwrap_or(limit.requests),
            tokens_per_fill: number(limit.requests),
            fill_interval: span(limit.window),
        }),
        filter_enabled: Some(always()),
        filter_enforced: Some(always()),
        enable_retry_after_header: true,
        ..Default::default()
    })
}
