//! A compiled load generator and recording upstream for benchmarks

fn main() {}
