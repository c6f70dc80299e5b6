//! Values of `Mcp-*` headers.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

/// A header value that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HeaderTextError {
    /// A byte outside printable ASCII.
    #[error("holds a byte that is not printable ASCII; encode the value as =?base64?...?=")]
    NotAscii,
    /// Between `=?base64?` and `?=` is no Base64.
    #[error("is not valid Base64 between `=?base64?` and `?=`")]
    NotBase64,
}

/// Decodes the value of an `Mcp-*` header: white space around it is dropped, and `=?base64?…?=`
/// (exactly so, in lower case) stands for the bytes it encodes (2026-07-28, Streamable HTTP, "Value
/// Encoding").
///
/// # Errors
/// Bytes outside printable ASCII, and Base64 that does not decode.
pub fn header_text(value: &[u8]) -> Result<Cow<'_, [u8]>, HeaderTextError> {
    let value = value.trim_ascii();
    if let Some(encoded) = value
        .strip_prefix(b"=?base64?")
        .and_then(|v| v.strip_suffix(b"?="))
    {
        return STANDARD
            .decode(encoded)
            .map(Cow::Owned)
            .map_err(|_| HeaderTextError::NotBase64);
    }
    if value.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        Ok(Cow::Borrowed(value))
    } else {
        Err(HeaderTextError::NotAscii)
    }
}

/// The value of an `Mcp-*` header that [`header_text`] decodes to these bytes, whatever they are.
#[must_use]
pub fn header_text_of(bytes: &[u8]) -> String {
    format!("=?base64?{}?=", STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_decodes_what_clients_send() {
        let check = |value: &str, expected: &str| {
            assert_eq!(
                header_text(value.as_bytes()).as_deref(),
                Ok(expected.as_bytes()),
                "{value}"
            );
        };
        check("list_tables", "list_tables");
        check(" list_tables\t", "list_tables");
        check("=?base64?SGVsbG8sIOS4lueVjA==?=", "Hello, 世界");
        check("=?base64??=", "");
        check("=?BASE64?SGVsbG8=?=", "=?BASE64?SGVsbG8=?=");
        check("=?base64?SGVsbG8=", "=?base64?SGVsbG8=");
        for text in [
            "",
            "list_tables",
            " a ",
            "=?base64?SGVsbG8=?=",
            "Hello, 世界",
            "a\nb",
        ] {
            check(&header_text_of(text.as_bytes()), text);
        }
    }

    #[test]
    fn it_refuses_what_it_cannot_decode() {
        let check = |value: &[u8], expected| assert_eq!(header_text(value), Err(expected));
        check(b"=?base64?SGVsbG8?=", HeaderTextError::NotBase64);
        check(b"=?base64?SGVs bG8=?=", HeaderTextError::NotBase64);
        check(b"ab\xff", HeaderTextError::NotAscii);
        check("世界".as_bytes(), HeaderTextError::NotAscii);
    }
}
