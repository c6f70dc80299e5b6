//! `/api/v1/config/validate`: whether a document would be taken, and what it would change.

use std::sync::Arc;

use axum::extract::State;

use super::body::Written;
use super::config::read;
use super::dry_run::Trial;
use super::problem::{FieldError, Problem};
use super::shown::Shown;
use crate::aside;
use crate::gateway::{ChangeError, Gateway, InHand, Precondition};

/// Tells everything that is wrong with a document, or what it would change. Changes nothing.
#[utoipa::path(post, path = "/api/v1/config/validate", operation_id = "validate_config",
    tag = "document", request_body(content = super::openapi::Document,
        description = "A document, or what `GET /api/v1/config` gave"),
    responses((status = 200, description = "The faults, or the difference", body = Trial)))]
pub(super) async fn post(
    State(gateway): State<Arc<Gateway>>,
    Written { text, format }: Written,
) -> Result<Shown, Problem> {
    let in_hand = InHand::trial().await?;
    let revision = gateway.latest().revision.0;
    let tried = match aside::run(move || read(&text, format)).await {
        Ok((edit, _)) => gateway.preview(&in_hand, edit, Precondition::None).await,
        Err(error) => Err(error),
    };
    let errors: Vec<FieldError> = match tried {
        Ok(preview) => return Trial::of(preview, None).await,
        Err(ChangeError::Malformed(faults)) => faults.0.into_iter().map(Into::into).collect(),
        Err(ChangeError::Invalid(problems)) => problems.into_iter().map(Into::into).collect(),
        Err(other) => return Err(other.into()),
    };
    Trial::failed(revision, errors).await
}
