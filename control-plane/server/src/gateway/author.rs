//! The author of a change.

/// Who changes what, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The name under which the change goes on the record.
    pub name: String,
    /// The reason in their own words; possibly empty.
    pub reason: String,
    /// The request that makes the change, such as `PUT /api/v1/config`.
    pub action: String,
    /// The address that the request came from.
    pub origin: String,
}
