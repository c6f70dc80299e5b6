//! The gateway document: what an operator writes, and what becomes of it.
//!
//! [`parse`] reads YAML or JSON strictly into a [`GatewayDocument`]; [`CheckedDocument::new`] finds
//! everything that is wrong with it by itself; [`resolve`] turns it, with the [`Catalogue`] of what
//! the servers list, into the wire form that the filter of each listener is given, and has the
//! policy engine compile it. What an author writes (this crate), what travels
//! (`policy_engine::wire`) and what decides (`policy_engine::Policy`) are three types.
//!
//! The crate does no I/O, knows nothing of Envoy, HTTP or storage, and never accepts a setting that
//! has no effect.
//!
//! ```
//! use gateway_document::{Catalogue, CheckedDocument, Format, KnownSchemas, parse, resolve};
//!
//! let document = parse(
//!     "tools:\n  - name: slow-down\n    limits: [{per: [tool], requests: 2, window: 1m}]\n",
//!     Format::Yaml,
//! )?;
//! let document = CheckedDocument::new(document).unwrap();
//! let schemas = KnownSchemas::default();
//! let listener = &document.shares()[0];
//! let resolved = resolve(&document, listener, &Catalogue::new(), &schemas).unwrap();
//! assert_eq!(resolved.config.rules[0].limits[0].window_ms, 60_000);
//! # Ok::<(), gateway_document::ParseError>(())
//! ```

mod catalogue;
mod check;
mod document;
mod endpoint_path;
mod known_schemas;
mod listed;
mod names;
mod near_names;
mod parse;
mod parts;
mod path_regex;
mod patience;
mod problem;
mod resolve;
mod route_path;
mod schema;
mod shadowed;
mod shares;
mod span;
mod unique;
mod unnamed_rule;
mod uri_warnings;
mod warning;

pub use catalogue::{
    Catalogue, CatalogueTool, SchemaText, ServerCatalogue, ToolFlaw, WithholdingCause,
};
pub use check::CheckedDocument;
pub use document::*;
pub use endpoint_path::{MCP_PATH, endpoint_paths};
pub use known_schemas::KnownSchemas;
pub use names::{
    ClusterName, FilterName, GroupName, InvalidName, LimitId, ListenerName, RoleName, RouteName,
    RuleName, SecretName, Selector, ServerName,
};
pub use near_names::{did_you_mean, near_names};
pub use parse::{
    Fault, Format, ParseError, is_blank, parse, parse_rule, parse_tool_rule, parse_value,
};
pub use path_regex::{InvalidPathRegex, PathRegex};
pub use problem::Problem;
pub use resolve::{Resolved, WithheldTool, resolve};
pub use route_path::{InvalidRoutePath, RoutePath};
pub use schema::json_schema;
pub use shares::ListenerShare;
pub use span::{InvalidSpan, Span};
pub use unique::UniqueValue;
pub use unnamed_rule::UnnamedRule;
pub use warning::{Warning, warnings};
