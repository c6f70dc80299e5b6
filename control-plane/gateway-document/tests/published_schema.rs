//! The JSON Schema that editors use is the one of the code.

use std::path::Path;
use std::{env, fs};

#[test]
fn it_publishes_the_schema_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway-document.schema.json");
    let generated = format!(
        "{}\n",
        serde_json::to_string_pretty(&gateway_document::json_schema()).unwrap()
    );
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == generated,
        "{} is out of date; run this test with UPDATE_GOLDEN=1 and read the difference",
        path.display()
    );
}
