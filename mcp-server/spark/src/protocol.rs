//! Spark Connect's messages and client, generated from `proto/`.
//!
//! The generated file is part of the tree, so that nobody has to build its generator first. The
//! test `tests/protocol.rs` generates it again and compares.
#![allow(
    dead_code,
    missing_docs,
    clippy::all,
    clippy::pedantic,
    rustdoc::all,
    unused_qualifications
)]

include!("protocol/spark.connect.rs");
