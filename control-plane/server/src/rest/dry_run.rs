//! Changes that are tried and not made: what they would change, for the document and for Envoy.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use gateway_document::{Warning, WithheldTool};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::change_headers::ChangeHeaders;
use super::conflict;
use super::envoy_changes::between_snapshots;
use super::problem::{FieldError, Problem};
use super::shown::Shown;
use crate::aside;
use crate::difference::{ResourceChange, between_documents};
use crate::gateway::{ChangeError, Crowded, Edit, Gateway, InHand, Preview, WayBack, WriteReport};

/// The name of the parameter that a change is tried by.
pub(super) const DRY_RUN: &str = "dry_run";

/// Whether a change is to be made.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DryRun {
    /// `true` tells what the change would do, and does not make it.
    #[serde(default)]
    pub(super) dry_run: bool,
}

impl DryRun {
    /// Waits until the change may be made, or tried. Whoever waits has read nothing yet of what was
    /// sent.
    ///
    /// # Errors
    /// When too many wait.
    pub(super) async fn in_hand(self) -> Result<InHand, Crowded> {
        if self.dry_run {
            InHand::trial().await
        } else {
            InHand::change().await
        }
    }
}

/// The effect that a change would have.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Trial {
    /// Whether the change would be taken. Envoys may reject it all the same.
    valid: bool,
    /// Everything that is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// The revision that it would be made to.
    revision: u64,
    /// The generation that Envoys would be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<String>,
    /// The resources of the document that it would change.
    changes: Vec<ResourceChange>,
    /// Whether calls may pass afterwards that are refused now; what nobody can compare counts as
    /// such.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    loosens: bool,
    /// The resources of Envoy that it would change. The tools of servers that it registers or moves
    /// are not known yet.
    envoy: Vec<ResourceChange>,
    /// The tools that would be listed and could not be called all the same, or not everywhere.
    #[schema(value_type = Vec<Object>)]
    withheld: Vec<WithheldTool>,
    /// The rules that would have no effect.
    #[schema(value_type = Vec<Object>)]
    warnings: Vec<Warning>,
    /// Why no Envoy has judged it, where one was to.
    #[serde(skip_serializing_if = "Option::is_none")]
    unjudged: Option<String>,
    /// Where a rollback would go, and from where.
    #[serde(skip_serializing_if = "Option::is_none")]
    way_back: Option<WayBack>,
}

impl Trial {
    /// The answer about a change to this revision that would not be taken.
    pub(super) async fn failed(revision: u64, errors: Vec<FieldError>) -> Result<Shown, Problem> {
        aside::run(move || {
            Shown::json(&Self {
                revision,
                errors,
                ..Self::default()
            })
        })
        .await
    }

    /// The answer that is the effect of a change that was tried, and of the way back that it is.
    pub(super) async fn of(preview: Preview, way_back: Option<WayBack>) -> Result<Shown, Problem> {
        aside::run(move || {
            let loosens = preview.loosens();
            let Preview {
                before,
                after,
                unjudged,
            } = preview;
            let json = |document| serde_json::to_value(document).unwrap_or_default();
            let envoy = between_snapshots(&before.snapshot, &after.snapshot);
            let withheld: BTreeSet<_> = after.withheld().map(|(_, withheld)| withheld).collect();
            Shown::json(&Self {
                valid: true,
                errors: Vec::new(),
                revision: before.revision.0,
                generation: Some(after.generation().to_string()),
                changes: between_documents(&json(&**before.document), &json(&**after.document)),
                loosens,
                envoy: envoy.map_err(|error| Problem::internal(&error))?,
                withheld: withheld.into_iter().cloned().collect(),
                warnings: after.warnings.clone(),
                unjudged,
                way_back,
            })
        })
        .await
    }
}

/// The answer to a change that was made, or tried.
pub(super) struct Done {
    answer: Shown,
    /// The revision that was made; none where the change was only tried.
    pub(super) made: Option<u64>,
}

impl Done {
    /// The answer to a change of the document. Its entity tag is the revision, as `GET` of the
    /// document has it.
    pub(super) fn of_document(self) -> Response {
        let tag = self.made.map(|revision| revision.to_string());
        self.tagged(tag)
    }

    /// The answer to a change after which `GET` shows what has this entity tag. What was only
    /// tried, or is gone, has none.
    pub(super) fn tagged(self, tag: Option<String>) -> Response {
        match tag {
            Some(tag) => self.answer.tagged(tag).into_response(),
            None => self.answer.into_response(),
        }
    }
}

/// A change that was made, or tried.
pub(super) enum Outcome {
    Made(Box<WriteReport>),
    /// It holds its turn until the answer to it is written.
    Tried(Box<Preview>, InHand),
}

impl Outcome {
    /// Writes the answer to it; `way_back` is told in it, where the change was one.
    pub(super) async fn answer(self, way_back: Option<WayBack>) -> Result<Done, Problem> {
        match self {
            Self::Tried(preview, _in_hand) => {
                let answer = Trial::of(*preview, way_back).await?;
                Ok(Done { answer, made: None })
            }
            Self::Made(mut report) => {
                let made = Some(report.revision);
                report.way_back = way_back;
                // It is as long as the fleet.
                let answer = aside::run(move || Shown::json(&*report)).await?;
                Ok(Done { answer, made })
            }
        }
    }
}

async fn carry_out(
    gateway: &Arc<Gateway>,
    in_hand: InHand,
    edit: Edit,
    headers: ChangeHeaders,
    DryRun { dry_run }: DryRun,
) -> Result<Outcome, ChangeError> {
    if dry_run {
        let preview = gateway.preview(&in_hand, edit, headers.precondition);
        let preview = Box::new(preview.await?);
        return Ok(Outcome::Tried(preview, in_hand));
    }
    let report = gateway
        .change(in_hand, edit, headers.precondition, headers.author)
        .await?;
    Ok(Outcome::Made(Box::new(report)))
}

/// Makes a change, or tries it.
pub(super) async fn make_or_try(
    gateway: &Arc<Gateway>,
    in_hand: InHand,
    edit: Edit,
    headers: ChangeHeaders,
    dry_run: DryRun,
) -> Result<Result<Done, Problem>, ChangeError> {
    let outcome = carry_out(gateway, in_hand, edit, headers, dry_run).await?;
    Ok(outcome.answer(None).await)
}

/// Makes a change of the document as a whole, or tries it. A refusal names who wrote what it is
/// about.
pub(super) async fn carry_out_on_document(
    gateway: &Arc<Gateway>,
    in_hand: InHand,
    edit: Edit,
    headers: ChangeHeaders,
    dry_run: DryRun,
) -> Result<Outcome, Problem> {
    let expected = headers.precondition.clone();
    match carry_out(gateway, in_hand, edit, headers, dry_run).await {
        Ok(outcome) => Ok(outcome),
        Err(error) => Err(conflict::told(gateway, error, &expected).await),
    }
}

/// The same, and the answer to it.
pub(super) async fn make_or_try_document(
    gateway: &Arc<Gateway>,
    in_hand: InHand,
    edit: Edit,
    headers: ChangeHeaders,
    dry_run: DryRun,
) -> Result<Response, Problem> {
    let outcome = carry_out_on_document(gateway, in_hand, edit, headers, dry_run).await?;
    outcome.answer(None).await.map(Done::of_document)
}
