//! The generated code of Envoy's messages is what its generator makes of the descriptors today.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use envoy_protocol::DESCRIPTORS;
use prost::Message;
use prost_types::FileDescriptorSet;

/// Run with `UPDATE_GOLDEN=1` after a change of the descriptors or of the generator's version.
#[test]
fn it_is_what_the_generator_makes_of_the_descriptors() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    config.type_name_domain(["."], "type.googleapis.com");
    tonic_prost_build::configure()
        .compile_well_known_types(true)
        .emit_rerun_if_changed(false)
        .include_file("packages.rs")
        .out_dir(folder.path())
        .compile_fds_with_config(
            FileDescriptorSet::decode(DESCRIPTORS).expect("the descriptors are readable"),
            config,
        )
        .expect("the descriptors are understood");
    let generated = texts(folder.path());
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pb");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::remove_dir_all(&sources).expect("the files can be removed");
        fs::create_dir(&sources).expect("the folder can be made");
        for (name, text) in &generated {
            fs::write(sources.join(name), text).expect("the file can be written");
        }
    }
    assert!(
        texts(&sources) == generated,
        "`{}` is not what the generator makes: run this test with UPDATE_GOLDEN=1",
        sources.display()
    );
}

/// The files of a folder by their names.
fn texts(folder: &Path) -> BTreeMap<String, String> {
    fs::read_dir(folder)
        .expect("the folder is readable")
        .map(|entry| {
            let path = entry.expect("the folder is readable").path();
            let name = path.file_name().expect("a file has a name");
            let text = fs::read_to_string(&path).expect("generated code is text");
            (name.to_string_lossy().into_owned(), text)
        })
        .collect()
}
