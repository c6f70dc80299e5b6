//! Modules that would take long to read, or say too much.

use control_plane::module::inspect;
use policy_engine::wire::MANIFEST_SECTION;
use wasm_encoder::{CustomSection, Encode as _, TypeSection, ValType};

use crate::wasm;

fn refusal(module: &[u8]) -> String {
    let refused = inspect(module).unwrap_err().to_string();
    assert!(refused.len() < 4_000, "{} bytes", refused.len());
    refused
}

/// A module with a function type of this many parameters, and as many results.
fn with_values(count: usize) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types
        .ty()
        .function(vec![ValType::I32; count], vec![ValType::I32; count]);
    wasm::module_of_types(&types, &[], &wasm::OF_ANY_FILTER, None)
}

#[test]
fn it_bounds_the_values_that_each_call_is_checked_for() {
    inspect(&with_values(25)).unwrap();
    for count in [26, 1_000] {
        let refused = refusal(&with_values(count));
        assert!(refused.contains("parameters and results"), "{refused}");
    }
}

/// A module with this much room at its start: pages of memory, and entries of a table.
fn with_room(pages: u64, entries: u64) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    wasm::module_with_room(&types, &[], &wasm::OF_ANY_FILTER, None, (pages, entries))
}

#[test]
fn it_bounds_the_memory_that_a_module_takes_before_it_does_anything() {
    inspect(&with_room(1 << 10, 1 << 18)).unwrap();
    for (pages, entries, words) in [
        ((1 << 10) + 1, 0, "67174400 bytes of memory"),
        (1 << 16, 0, "4294967296 bytes of memory"),
        (1, (1 << 18) + 1, "262145 entries"),
    ] {
        let refused = refusal(&with_room(pages, entries));
        assert!(refused.contains(words), "{refused}");
    }
}

#[test]
fn it_says_in_one_sentence_that_a_file_is_no_module() {
    let whole = wasm::other_filter();
    let broken = [&whole[..20], &[0xff; 40]].concat();
    let component = b"\0asm\x0d\0\x01\0";
    for file in [
        b"".as_slice(),
        b"\x7fELF\x02\x01",
        b"\0as",
        component,
        &broken,
    ] {
        let refused = refusal(file);
        assert!(
            refused.starts_with("this is not a valid WebAssembly module: "),
            "{refused}"
        );
        assert!(
            refused.ends_with("; send the `.wasm` file itself"),
            "{refused}"
        );
        assert!(
            !refused.contains('\n') && !refused.contains("expected=["),
            "{refused}"
        );
        assert!(refused.len() < 300, "{refused}");
    }
}

#[test]
fn it_takes_no_types_whose_comparison_takes_longer_the_more_there_are() {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().struct_([]);
    let module = wasm::module_of_types(&types, &[], &wasm::OF_ANY_FILTER, None);
    assert!(refusal(&module).contains("not a valid WebAssembly module"));
}

#[test]
fn it_names_some_of_many_functions_that_envoy_does_not_have() {
    let names: Vec<String> = (0..10_000)
        .map(|number| format!("proxy_{number}"))
        .collect();
    let long = "x".repeat(50_000);
    let mut imports = vec![("env", &*long)];
    imports.extend(names.iter().map(|name| ("env", &**name)));
    let refused = refusal(&wasm::module(&imports, &wasm::OF_ANY_FILTER, None));
    assert!(refused.contains("`env.proxy_0`"), "{refused}");
    assert!(refused.contains("and 9996 more"), "{refused}");
}

#[test]
fn it_reads_one_short_description_of_a_module() {
    let name = "x".repeat(5_000);
    let long = format!(r#"{{"name":"{name}","version":"1","wire_form":1}}"#);
    let module = wasm::module(&[], &wasm::OF_ANY_FILTER, Some(&long));
    assert!(refusal(&module).contains("more than 4096 bytes"));
    let mut twice = wasm::own_filter("1.2.3");
    let manifest = wasm::own_manifest("3.2.1");
    let section = CustomSection {
        name: MANIFEST_SECTION.into(),
        data: manifest.as_bytes().into(),
    };
    twice.push(0);
    section.encode(&mut twice);
    assert!(refusal(&twice).contains("twice"));
}
