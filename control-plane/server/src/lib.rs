//! The control plane: every change live, accounted for, and reversible.
//!
//! It ties the pure parts to the world. A document ([`gateway_document`]) and what the servers list
//! ([`catalogue`]) become one generation ([`generation`]), which is written as Envoy's resources
//! ([`envoy`]), published by [`xds`], and taken back where an Envoy rejects it ([`gateway`]).
//! Operators see and change it over HTTP ([`rest`]); what must survive is in [`store`].
//!
//! It decides nothing about calls: that is the policy engine's, in Envoy. It is on no call's path:
//! killing it changes nothing for traffic.
//!
//! The way of a change, in code: [`rest::router`] → [`gateway::Gateway::change`] →
//! [`generation::Built::next`] → [`store::ConfigStore::append`] →
//! [`xds::Publisher::distribute`] → [`gateway::WriteReport`].
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//!
//! use control_plane::generation::{Built, KnownSchemas};
//! use control_plane::module::{ModuleFile, ModuleShelf};
//! use gateway_document::CheckedDocument;
//! use store::RevisionNumber;
//! use xds::ResourceType;
//!
//! let module = ModuleFile { sha256: "6d1e…".to_owned(), path: "/modules/6d1e….wasm".into(),
//!     shelf: ModuleShelf::default() };
//! let document = Arc::new(CheckedDocument::default());
//! let (known, number) = (KnownSchemas::default(), RevisionNumber(1));
//! let built = Built::first(&known, number, document, &BTreeMap::new(), module)?;
//! assert!(built.snapshot.get(ResourceType::Listener, "mcp").is_some());
//! assert!(built.snapshot.get(ResourceType::ExtensionConfig, "portcullis.mcp.mcp").is_some());
//! # Ok::<(), control_plane::generation::BuildError>(())
//! ```

mod aside;
pub mod catalogue;
pub mod descriptors;
pub mod difference;
pub mod envoy;
pub mod explanation;
pub mod gateway;
pub mod generation;
pub mod lease;
pub mod log_lines;
pub mod module;
pub mod preflight;
pub mod rest;
pub mod secrets;
pub mod sections;
mod timestamp;
