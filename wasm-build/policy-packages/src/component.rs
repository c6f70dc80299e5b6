//! From a module with the types of its world in it to a component.

use anyhow::{Result, ensure};
use wit_component::{ComponentEncoder, DecodedWasm};

/// The component of a module that `wit-bindgen` gave its exports. It wants nothing of its host.
pub(crate) fn of(module: &[u8]) -> Result<Vec<u8>> {
    let component = ComponentEncoder::default()
        .module(module)?
        .validate(true)
        .encode()?;
    if let DecodedWasm::Component(resolve, world) = wit_component::decode(&component)? {
        let imports = &resolve.worlds[world].imports;
        ensure!(
            imports.is_empty(),
            "it imports {:?}; the engine wants nothing of its host",
            imports.keys()
        );
    }
    Ok(component)
}
