//! From a module with the types of its world in it to a component.

use anyhow::{Result, bail, ensure};
use wit_component::{ComponentEncoder, DecodedWasm};

/// The component of a module that `wit-bindgen` gave its exports. It wants nothing of its host.
pub(crate) fn of(module: &[u8]) -> Result<Vec<u8>> {
    let component = ComponentEncoder::default()
        .module(module)?
        .validate(true)
        .encode()?;
    check(&component)?;
    Ok(component)
}

/// Refuses a component that imports anything, or offers nothing.
fn check(component: &[u8]) -> Result<()> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
        bail!("it is a package of types, and no component");
    };
    let world = &resolve.worlds[world];
    let imports: Vec<String> = world
        .imports
        .keys()
        .map(|key| format!("`{}`", resolve.name_world_key(key)))
        .collect();
    ensure!(
        imports.is_empty(),
        "it imports {}; the engine wants nothing of its host",
        imports.join(", ")
    );
    ensure!(
        !world.exports.is_empty(),
        "it offers nothing; does its crate still export its world?"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component that imports a function `ask`: its types, and its imports.
    const ASKING: &[u8] = b"\0asm\x0d\0\x01\0\
        \x07\x05\x01\x40\0\x01\0\
        \x0a\x08\x01\0\x03ask\x01\0";

    #[test]
    fn it_refuses_a_component_that_imports_anything() {
        let error = check(ASKING).unwrap_err().to_string();
        assert_eq!(
            error,
            "it imports `ask`; the engine wants nothing of its host"
        );
    }

    #[test]
    fn it_refuses_a_module_without_the_types_of_a_world() {
        let error = of(b"\0asm\x01\0\0\0").unwrap_err().to_string();
        assert!(error.starts_with("it offers nothing"), "{error}");
    }
}
