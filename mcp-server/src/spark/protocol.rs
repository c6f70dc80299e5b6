//! Spark Connect's messages and client, generated from `proto/` by `build.rs`
#![allow(
    dead_code,
    missing_docs,
    clippy::all,
    clippy::pedantic,
    rustdoc::all,
    unused_qualifications
)]

tonic::include_proto!("spark.connect");
