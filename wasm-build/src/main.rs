//! Builds the filters for wasm, checks imports and sizes, writes the manifest

fn main() {}
