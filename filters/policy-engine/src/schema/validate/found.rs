//! How a value is shown that stands where something else was expected.

use crate::schema::violation::echo;

/// A value to be shown: itself if it is a scalar, shortened; otherwise what kind of thing it is.
pub(super) fn show(value: &[u8]) -> String {
    match value.first() {
        Some(b'{') => "an object".to_owned(),
        Some(b'[') => "an array".to_owned(),
        _ => format!("`{}`", echo(value)),
    }
}
