//! Compiles Spark Connect's protocol (`proto/`) without `protoc`

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=migrations");
    let descriptors = protox::compile(["spark/connect/base.proto"], ["proto"])?;
    tonic_prost_build::configure()
        // The server side serves only the tests' stand-in for Spark.
        .server_mod_attribute("spark.connect", "#[cfg(test)]")
        .emit_rerun_if_changed(false)
        .bytes(".spark.connect.ExecutePlanResponse.ArrowBatch.data")
        .compile_fds(descriptors)?;
    Ok(())
}
