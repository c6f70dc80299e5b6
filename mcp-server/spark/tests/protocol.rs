//! The generated code of Spark Connect's protocol is what its generator makes of `proto/` today.

use std::fs;
use std::path::Path;

/// Run with `UPDATE_GOLDEN=1` after a change of `proto/` or of the generator's version.
#[test]
fn it_is_what_the_generator_makes_of_the_protocol_files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let descriptors = protox::compile(["spark/connect/base.proto"], [root.join("proto")])
        .expect("the protocol files are readable");
    tonic_prost_build::configure()
        // The server side serves only the tests' stand-in for Spark.
        .server_mod_attribute("spark.connect", "#[cfg(test)]")
        .emit_rerun_if_changed(false)
        .bytes(".spark.connect.ExecutePlanResponse.ArrowBatch.data")
        .out_dir(folder.path())
        .compile_fds(descriptors)
        .expect("the descriptors are understood");
    let generated = fs::read_to_string(folder.path().join("spark.connect.rs")).expect("one file");
    let file = root.join("src/protocol/spark.connect.rs");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, &generated).expect("the file can be written");
    }
    let kept = fs::read_to_string(&file).expect("the generated file is part of the tree");
    assert!(
        kept == generated,
        "`{}` is not what the generator makes: run this test with UPDATE_GOLDEN=1",
        file.display()
    );
}
