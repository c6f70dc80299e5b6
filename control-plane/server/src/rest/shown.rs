//! Answers that show something: worked out and written aside from the threads that serve requests,
//! which Envoys and everybody else wait for. A generation, a document, a history and a fleet may
//! each be large.

use std::fmt::Display;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::etag;
use super::problem::Problem;
use crate::aside;

/// An answer that is written already.
pub(super) struct Shown {
    content_type: &'static str,
    /// The entity tag, without its quotation marks.
    tag: Option<String>,
    written: Bytes,
}

/// Works out what a `GET` shows, with its entity tag, when it is its turn.
///
/// # Errors
/// The [`Problem`] that `work` finds.
pub(super) async fn aside(
    work: impl FnOnce() -> Result<Shown, Problem> + Send + 'static,
) -> Result<Shown, Problem> {
    aside::run_question(|| tagged(work)).await
}

/// The same for what watches the gateway: quick, and not behind those who read large documents.
///
/// # Errors
/// The [`Problem`] that `work` finds.
pub(super) async fn glance(
    work: impl FnOnce() -> Result<Shown, Problem> + Send + 'static,
) -> Result<Shown, Problem> {
    aside::run_glance(|| tagged(work)).await
}

fn tagged(work: impl FnOnce() -> Result<Shown, Problem>) -> Result<Shown, Problem> {
    let mut shown = work()?;
    let written = &shown.written;
    shown.tag.get_or_insert_with(|| etag::of_content(written));
    Ok(shown)
}

impl Shown {
    /// The answer that is this value.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub(super) fn json(value: &impl Serialize) -> Result<Self, Problem> {
        debug_assert!(aside::is_here(), "everybody else waits for it");
        let written = serde_json::to_vec(value).map_err(|error| Problem::internal(&error))?;
        Ok(Self::text("application/json", written))
    }

    /// The answer that is this text.
    pub(super) fn text(content_type: &'static str, written: impl Into<Vec<u8>>) -> Self {
        Self {
            content_type,
            tag: None,
            // A vector may have grown to twice of what was written, and the budget of answers
            // counts that alone.
            written: written.into().into_boxed_slice().into(),
        }
    }

    /// The same answer with this entity tag, and not the one of its content.
    pub(super) fn tagged(self, tag: impl Display) -> Self {
        Self {
            tag: Some(tag.to_string()),
            ..self
        }
    }
}

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        let content_type = [(CONTENT_TYPE, self.content_type)];
        let tag = self.tag.map(|tag| [(ETAG, format!("\"{tag}\""))]);
        (content_type, tag, self.written).into_response()
    }
}
