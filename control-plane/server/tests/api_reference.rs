//! The page of the documentation that describes the management API.

use std::path::Path;
use std::{env, fs};

use control_plane::rest;

#[test]
fn it_is_described_as_it_is() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/control-plane-api.md");
    let written = rest::reference_page();
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&page, &written).unwrap();
    }
    assert!(
        fs::read_to_string(&page).unwrap_or_default() == written,
        "docs/control-plane-api.md differs; run `make reference` and read the difference"
    );
}
