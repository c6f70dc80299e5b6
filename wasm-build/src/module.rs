//! As much of the WebAssembly binary format (core specification 2.0, section 5) as is needed to
//! read a module's imports, to drop exports and to put functions in the place of others.

use std::fmt;

use anyhow::{Context as _, Result, bail};

const PREAMBLE: &[u8] = b"\0asm\x01\0\0\0";
const CUSTOM_SECTION: u8 = 0;
const IMPORT_SECTION: u8 = 2;
const EXPORT_SECTION: u8 = 7;
const CODE_SECTION: u8 = 10;

/// A thing that a module wants from its host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Import<'a> {
    pub(crate) module: &'a str,
    pub(crate) name: &'a str,
}

impl fmt::Display for Import<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.module, self.name)
    }
}

/// The imports of a module.
pub(crate) fn imports(module: &[u8]) -> Result<Vec<Import<'_>>> {
    let mut imports = Vec::new();
    for section in sections(module)? {
        if section.id != IMPORT_SECTION {
            continue;
        }
        let mut reader = Reader(section.content);
        for _ in 0..reader.number()? {
            imports.push(Import {
                module: reader.name()?,
                name: reader.name()?,
            });
            match reader.byte()? {
                0 => {
                    reader.number()?;
                }
                kind => bail!("an import of kind {kind}, where only functions are expected"),
            }
        }
    }
    Ok(imports)
}

/// The module with those of its exports that `is_needed`.
pub(crate) fn keep_exports(module: &[u8], is_needed: impl Fn(&str) -> bool) -> Result<Vec<u8>> {
    let mut kept = PREAMBLE.to_vec();
    for section in sections(module)? {
        if section.id != EXPORT_SECTION {
            push_section(&mut kept, section.id, section.content);
            continue;
        }
        let mut reader = Reader(section.content);
        let mut exports = Vec::new();
        let mut count = 0;
        for _ in 0..reader.number()? {
            let whole = reader.0;
            let name = reader.name()?;
            reader.byte()?;
            reader.number()?;
            if is_needed(name) {
                count += 1;
                exports.extend_from_slice(&whole[..whole.len() - reader.0.len()]);
            }
        }
        let mut content = Vec::new();
        push_number(&mut content, count);
        content.extend(exports);
        push_section(&mut kept, EXPORT_SECTION, &content);
    }
    Ok(kept)
}

/// The module with the bodies of its functions that `replace` gives for each, by its place among
/// the module's own. A body begins with its length.
pub(crate) fn with_bodies<'a>(
    module: &'a [u8],
    replace: impl Fn(usize, &'a [u8]) -> &'a [u8],
) -> Result<Vec<u8>> {
    let mut replaced = PREAMBLE.to_vec();
    for section in sections(module)? {
        if section.id != CODE_SECTION {
            push_section(&mut replaced, section.id, section.content);
            continue;
        }
        let mut reader = Reader(section.content);
        let count = usize::try_from(reader.number()?)?;
        let mut content = Vec::new();
        push_number(&mut content, count);
        for place in 0..count {
            let whole = reader.0;
            let length = usize::try_from(reader.number()?)?;
            reader.bytes(length)?;
            content.extend(replace(place, &whole[..whole.len() - reader.0.len()]));
        }
        push_section(&mut replaced, CODE_SECTION, &content);
    }
    Ok(replaced)
}

/// The module with one more section of its maker's, at its end.
pub(crate) fn with_custom_section(mut module: Vec<u8>, name: &str, data: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    push_number(&mut content, name.len());
    content.extend_from_slice(name.as_bytes());
    content.extend_from_slice(data);
    push_section(&mut module, CUSTOM_SECTION, &content);
    module
}

struct Section<'a> {
    id: u8,
    content: &'a [u8],
}

fn sections(module: &[u8]) -> Result<Vec<Section<'_>>> {
    let body = module
        .strip_prefix(PREAMBLE)
        .context("it is not a WebAssembly module of version 1")?;
    let mut reader = Reader(body);
    let mut sections = Vec::new();
    while !reader.0.is_empty() {
        let id = reader.byte()?;
        let length = usize::try_from(reader.number()?)?;
        sections.push(Section {
            id,
            content: reader.bytes(length)?,
        });
    }
    Ok(sections)
}

/// Reads from the front of what is left.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, length: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self
            .0
            .split_at_checked(length)
            .context("the module is cut short")?;
        self.0 = rest;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.bytes(1)?[0])
    }

    /// An unsigned LEB128 number of 32 bits.
    fn number(&mut self) -> Result<u32> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(number).context("a number that does not fit 32 bits");
            }
        }
        bail!("a number of more than five bytes")
    }

    fn name(&mut self) -> Result<&'a str> {
        let length = usize::try_from(self.number()?)?;
        std::str::from_utf8(self.bytes(length)?).context("a name that is not UTF-8")
    }
}

fn push_section(module: &mut Vec<u8>, id: u8, content: &[u8]) {
    module.push(id);
    push_number(module, content.len());
    module.extend_from_slice(content);
}

fn push_number(bytes: &mut Vec<u8>, number: usize) {
    let mut rest = number;
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap_or_default();
        rest >>= 7;
        bytes.push(if rest == 0 { low } else { low | 0x80 });
        if rest == 0 {
            return;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An export for a module of the test's making.
    pub(crate) struct Export(&'static str, u8);

    /// A module with these imports and exports, and sections around them that must stay as they
    /// are.
    pub(crate) fn with_sections(imports: &[(&str, &str)], exports: &[Export]) -> Vec<u8> {
        let push_name = |bytes: &mut Vec<u8>, name: &str| {
            push_number(bytes, name.len());
            bytes.extend_from_slice(name.as_bytes());
        };
        let mut module = PREAMBLE.to_vec();
        push_section(&mut module, 1, &[1, 0x60, 0, 0]);
        let mut content = Vec::new();
        push_number(&mut content, imports.len());
        for (from, name) in imports {
            push_name(&mut content, from);
            push_name(&mut content, name);
            content.extend([0, 0]);
        }
        push_section(&mut module, IMPORT_SECTION, &content);
        let mut content = Vec::new();
        push_number(&mut content, exports.len());
        for Export(name, kind) in exports {
            push_name(&mut content, name);
            content.push(*kind);
            push_number(&mut content, 300);
        }
        push_section(&mut module, EXPORT_SECTION, &content);
        push_section(&mut module, 11, &[0; 200]);
        module
    }

    #[test]
    fn it_adds_a_section_behind_the_others() {
        let module = with_sections(&[], &[]);
        let described = with_custom_section(module.clone(), "a", b"xy");
        assert_eq!(
            described,
            [&module[..], &[0, 4, 1, b'a', b'x', b'y']].concat()
        );
    }

    #[test]
    fn it_lists_imports() {
        let module = with_sections(&[("env", "a"), ("wasi_snapshot_preview1", "b")], &[]);
        let expected = [
            Import {
                module: "env",
                name: "a",
            },
            Import {
                module: "wasi_snapshot_preview1",
                name: "b",
            },
        ];
        assert_eq!(imports(&module).unwrap(), expected);
    }

    #[test]
    fn it_drops_exports_and_leaves_the_rest_as_it_was() {
        let all = [
            Export("memory", 2),
            Export("drop", 0),
            Export("keep", 0),
            Export("drop_too", 0),
        ];
        let module = with_sections(&[("env", "a")], &all);
        let kept = keep_exports(&module, |name| !name.starts_with("drop")).unwrap();
        assert_eq!(
            kept,
            with_sections(&[("env", "a")], &[Export("memory", 2), Export("keep", 0)])
        );
        assert_eq!(keep_exports(&module, |_| true).unwrap(), module);
    }

    #[test]
    fn it_refuses_what_is_no_module() {
        assert!(imports(b"\0asm\x02\0\0\0").is_err());
        let module = with_sections(&[("env", "a")], &[]);
        for length in 9..module.len() {
            // Cut between two sections it is a module still.
            if let Ok(sections) = sections(&module[..length]) {
                assert!(sections.len() < 4);
            }
        }
    }
}
