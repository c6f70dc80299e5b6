//! The control plane.
#![allow(missing_docs)]
pub mod catalogue;
pub mod descriptors;
pub mod envoy;
pub mod gateway;
pub mod generation;
pub mod module;
pub mod rest;
