//! The numbers that Envoys report of their traffic by `envoy.service.metrics.v3`, summed up.
//!
//! An Envoy whose bootstrap has the statistics sink `envoy.stat_sinks.metrics_service` sends all
//! its statistics every few seconds. Of these, the few are kept that the control plane works with:
//! requests and failures of each listener, requests, failures and times of each server, what the
//! filter counts for each tool and kind of item, and which configuration it says is in force.
//!
//! - [`ReportsServer`]: the gRPC service, for whoever serves it beside others;
//! - [`Reports`]: what was reported, of each Envoy ([`EnvoyNumbers`]) and of all of them together
//!   ([`Traffic`]);
//! - [`WatchedNames`]: the listeners, servers and tools that there are. What is reported of others
//!   is counted nowhere, so that nothing grows with what an Envoy writes.
//!
//! Envoys report counters as they stand. The first message of a stream says where they stand, and
//! what is counted begins there; so a control plane that was started again begins anew, and an
//! Envoy that comes back is not counted twice. Of two Envoys that share a `node.id`, both count.
//!
//! It judges nothing, and knows nothing of configuration but names.
//!
//! ```
//! use envoy_reports::{Reports, WatchedNames};
//!
//! let reports = Reports::new(std::time::Instant::now);
//! reports.watch(WatchedNames {
//!     listeners: ["mcp".to_owned()].into(),
//!     servers: ["data".to_owned()].into(),
//!     tools: [("data".to_owned(), "query".to_owned())].into(),
//!     owners: ["data".to_owned()].into(),
//! });
//! let traffic = reports.traffic();
//! assert_eq!((traffic.tools[0].tool.as_str(), traffic.tools[0].calls.total), ("query", 0));
//! assert_eq!(reports.envoy("edge-1"), None);
//! ```

mod counts;
mod envoys;
mod message;
mod minute;
mod reports;
mod service;
mod statistic;
mod stream;
mod times;
mod traffic;

pub use counts::TrafficCounts;
pub use envoys::EnvoyNumbers;
pub use minute::Count;
pub use reports::Reports;
pub use service::ReportsServer;
pub use times::ResponseTimes;
pub use traffic::{ServerTraffic, ToolTraffic, Traffic, WatchedNames};
