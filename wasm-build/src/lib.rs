//! The parts that the builders of WebAssembly modules share: [`compile`] runs cargo, [`manifest`]
//! writes the modules with their content hashes.

pub mod compile;
pub mod manifest;
