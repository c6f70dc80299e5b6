//! The headers of a request that changes something.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::{
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use store::RevisionNumber;

use super::problem::Problem;
use crate::gateway::{Author, Precondition};

/// The author and the precondition of a change: what `x-portcullis-author`, `x-portcullis-reason`
/// and `If-Match` say.
pub(super) struct ChangeHeaders {
    pub(super) author: Author,
    pub(super) precondition: Precondition,
    /// The entity tags of `If-Match`, which resources are compared with by their content; an empty
    /// list stands for `*`.
    pub(super) tags: Option<Vec<String>>,
}

impl ChangeHeaders {
    /// Adds the condition that the document is at this revision.
    pub(super) fn to(self, revision: RevisionNumber) -> Self {
        Self {
            precondition: self.precondition.and(revision),
            ..self
        }
    }
}

pub(super) const AUTHOR: &str = "x-portcullis-author";
pub(super) const REASON: &str = "x-portcullis-reason";

/// The longest author or reason: longer ones are no names and no sentences, and each is kept for
/// ever.
const MOST_CHARACTERS: usize = 500;

impl<S: Send + Sync> FromRequestParts<S> for ChangeHeaders {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        refuse_unknown(&parts.headers)?;
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0.ip().to_string());
        let peer = peer.unwrap_or_default();
        let name = text(parts, AUTHOR)?.unwrap_or_else(|| format!("anonymous@{peer}"));
        let reason = text(parts, REASON)?.unwrap_or_default();
        let tags = tags(&parts.headers)?;
        Ok(Self {
            author: Author {
                name,
                reason,
                action: format!("{} {}", parts.method, parts.uri.path()),
                origin: peer,
            },
            precondition: precondition(tags.as_deref()),
            tags,
        })
    }
}

/// A header's text, which goes on the record: UTF-8 without control characters.
fn text(parts: &Parts, name: &'static str) -> Result<Option<String>, Problem> {
    let Some(value) = parts.headers.get(name) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(value.as_bytes()).ok().map(str::trim);
    let text = text.filter(|text| {
        !text.contains(shown_text::is_obeyed) && text.chars().count() <= MOST_CHARACTERS
    });
    match text {
        Some("") => Ok(None),
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(Problem::bad_request(format!(
            "`{name}` is not text of at most {MOST_CHARACTERS} characters; write it in UTF-8"
        ))),
    }
}

/// The revisions that the document may be at, by the tags of `If-Match`. Tags that are no
/// revisions are met by none.
fn precondition(tags: Option<&[String]>) -> Precondition {
    match tags {
        None | Some([]) => Precondition::None,
        Some(tags) => {
            let revisions = tags.iter().filter_map(|tag| tag.parse().ok());
            Precondition::OneOf(revisions.map(RevisionNumber).collect())
        }
    }
}

/// Reads `If-Match` (RFC 9110, 13.1.1): `*`, or a list of the entity tags that `GET` gives. A weak
/// tag never matches here (RFC 9110, 8.8.3.2), so it is kept as it is written.
fn tags(headers: &HeaderMap) -> Result<Option<Vec<String>>, Problem> {
    let mut tags = None;
    for value in headers.get_all(IF_MATCH) {
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Some(Vec::new()));
        }
        for tag in text.split(',').map(str::trim) {
            let opaque = tag.strip_prefix("W/").unwrap_or(tag);
            let quoted = opaque
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'))
                .filter(|inside| !inside.contains('"'));
            let Some(inside) = quoted else {
                return Err(Problem::bad_request(format!(
                    "`If-Match: {}` is no entity tag; write it in quotes as `GET` gives it in \
                     `ETag`, such as `If-Match: \"3\"`",
                    tag.chars().take(MOST_CHARACTERS).collect::<String>()
                )));
            };
            let known = if opaque == tag { inside } else { tag };
            tags.get_or_insert_with(Vec::new).push(known.to_owned());
        }
    }
    Ok(tags)
}

/// Refuses what would have to be ignored: an author who wrote it believes that it counts.
fn refuse_unknown(headers: &HeaderMap) -> Result<(), Problem> {
    for name in [
        IF_NONE_MATCH,
        IF_MODIFIED_SINCE,
        IF_UNMODIFIED_SINCE,
        IF_RANGE,
    ] {
        if headers.contains_key(&name) {
            return Err(Problem::bad_request(format!(
                "changes know no condition `{name}`; use `If-Match` with the `ETag` of the \
                 revision that you have read"
            )));
        }
    }
    let unknown = headers
        .keys()
        .map(HeaderName::as_str)
        .find(|name| name.starts_with("x-portcullis-") && ![AUTHOR, REASON].contains(name));
    match unknown {
        None => Ok(()),
        Some(name) => Err(Problem::bad_request(format!(
            "there is no header `{name}`; changes take `{AUTHOR}` and `{REASON}`"
        ))),
    }
}
