//! The headers of a request that changes something.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;
use store::RevisionNumber;

use super::problem::Problem;
use crate::gateway::{Author, Precondition};

/// The author and the precondition of a change: what `x-portcullis-author`, `x-portcullis-reason` and `If-Match` say.
pub(super) struct ChangeHeaders {
    pub(super) author: Author,
    pub(super) precondition: Precondition,
}

const MOST_CHARACTERS: usize = 500;

impl<S: Send + Sync> FromRequestParts<S> for ChangeHeaders {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0.ip().to_string());
        let peer = peer.unwrap_or_default();
        let name =
            text(parts, "x-portcullis-author")?.unwrap_or_else(|| format!("anonymous@{peer}"));
        let reason = text(parts, "x-portcullis-reason")?.unwrap_or_default();
        Ok(Self {
            author: Author {
                name,
                reason,
                action: format!("{} {}", parts.method, parts.uri.path()),
                origin: peer,
            },
            precondition: precondition(parts),
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
        !text.chars().any(char::is_control) && text.chars().count() <= MOST_CHARACTERS
    });
    match text {
        Some("") => Ok(None),
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(Problem::bad_request(format!(
            "`{name}` is not text of at most {MOST_CHARACTERS} characters; write it in UTF-8"
        ))),
    }
}

/// `If-Match` (RFC 9110, 13.1.1) with the entity tag that `GET` gave.
fn precondition(parts: &Parts) -> Precondition {
    let mut values = parts.headers.get_all(IF_MATCH).iter();
    match (
        values
            .next()
            .map(|value| value.to_str().unwrap_or_default().trim()),
        values.next(),
    ) {
        (None, _) | (Some("*"), None) => Precondition::None,
        (Some(tag), None) => {
            let number = tag
                .strip_prefix('"')
                .and_then(|tag| tag.strip_suffix('"'))
                .and_then(|tag| tag.parse().ok());
            number.map_or(Precondition::Unknown, |number| {
                Precondition::Revision(RevisionNumber(number))
            })
        }
        (Some(_), Some(_)) => Precondition::Unknown,
    }
}
