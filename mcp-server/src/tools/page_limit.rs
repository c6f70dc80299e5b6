//! The `limit` argument of tools that answer by pages.

use std::fmt::Display;

use super::ToolFailure;

/// The entries of a page, when a caller may ask for `most`.
///
/// # Errors
/// `limit` is 0 or more than `most`: `invalid_arguments`, with the range.
pub(super) fn page_limit<N>(limit: N, most: N) -> Result<N, ToolFailure>
where
    N: Copy + Display + From<u8> + PartialOrd,
{
    match limit >= N::from(1) && limit <= most {
        true => Ok(limit),
        false => Err(ToolFailure::invalid_arguments(format!(
            "`limit` must be from 1 to {most}"
        ))),
    }
}
