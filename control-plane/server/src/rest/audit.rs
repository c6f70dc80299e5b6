//! `/api/v1/audit`: who did what, when, from where and why.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Extension, State};
use gateway_document::did_you_mean;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{AuditFilter, AuditRecord, RevisionNumber};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::{IntoParams, ToSchema};

use super::history;
use super::paging::Page;
use super::path_names::PathNames;
use super::problem::Problem;
use super::query::Parameters;
use super::shown::{self, Shown};
use crate::difference::ResourceChange;
use crate::gateway::{Gateway, InHand};
use crate::timestamp::timestamp;

/// Which records are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The most records in the answer, from 1 to 1000; 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only what this author did.
    who: Option<String>,
    /// Only what was done from this address.
    origin: Option<String>,
    /// Only what was about this kind of resource, such as `servers` or `config`: the word behind
    /// `/api/v1/` in the request.
    kind: Option<String>,
    /// Only what begins like this, such as `PUT /api/v1/servers`.
    what: Option<String>,
    /// Only what made this revision, or concerned it.
    revision: Option<u64>,
    /// Only what was done at this time or later (RFC 3339).
    since: Option<String>,
    /// Only what was done before this time (RFC 3339).
    until: Option<String>,
}

/// A page of the audit trail, the newest record first.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditTrail {
    records: Vec<AuditedDeed>,
    /// The cursor of the next page; missing where there are no earlier records.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Something that somebody did.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditedDeed {
    /// Its place in the trail, counted from 1.
    sequence: u64,
    at: String,
    /// The one who did it, as the request says.
    who: String,
    /// The request, such as `PUT /api/v1/config`; behind it `sha256:…` of the module, or of the
    /// definition of a tool, that it was about.
    what: String,
    /// The address that the request came from.
    origin: String,
    /// Why, in the author's words; possibly empty.
    reason: String,
    /// The revision that it made or concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
}

/// Something that somebody did, and what it changed.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditedChange {
    #[serde(flatten)]
    deed: AuditedDeed,
    /// The resources that it changed, before and after. Null where it stored no revision, or where
    /// nobody knows any more what its revision changed.
    changes: Option<Vec<ResourceChange>>,
    /// The revision that they are compared with: the newest before its own that is kept. Missing
    /// where there was none before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    compared_with: Option<u64>,
}

impl From<AuditRecord> for AuditedDeed {
    fn from(record: AuditRecord) -> Self {
        Self {
            sequence: record.sequence,
            at: timestamp(record.at),
            who: record.entry.who,
            what: record.entry.what,
            origin: record.entry.origin,
            reason: record.entry.reason,
            revision: record.entry.revision.map(|revision| revision.0),
        }
    }
}

impl Wanted {
    /// The records that the request wants.
    fn filter(&self) -> Result<AuditFilter, Problem> {
        let time = |name: &str, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => OffsetDateTime::parse(text, &Rfc3339)
                .map(Some)
                .map_err(|_| {
                    Problem::bad_request(format!(
                        "`{name}` is no time; write it like `2026-01-31T08:00:00Z`"
                    ))
                }),
        };
        Ok(AuditFilter {
            who: self.who.clone(),
            origin: self.origin.clone(),
            kind: self.kind.clone(),
            what: self.what.clone(),
            revision: self.revision.map(RevisionNumber),
            since: time("since", &self.since)?,
            until: time("until", &self.until)?,
        })
    }
}

/// Lists who did what, the newest first.
#[utoipa::path(get, path = "/api/v1/audit", operation_id = "list_audit", tag = "audit",
    params(Wanted), responses((status = 200, description = "A page of it", body = AuditTrail)))]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Extension(description): Extension<Arc<Value>>,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Shown, Problem> {
    if let Some(kind) = &wanted.kind {
        check_kind(kind, &description)?;
    }
    let page = Page::new(wanted.limit, wanted.cursor.clone());
    let (limit, filter) = (page.limit()?, wanted.filter()?);
    // One more than is shown tells whether there is another page.
    let most = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let mut records = find(&gateway, &filter, page.number()?, most).await?;
    shown::aside(move || {
        let is_last = records.len() <= limit;
        records.truncate(limit);
        let next = records.last().filter(|_| !is_last);
        Shown::json(&AuditTrail {
            next_cursor: next.map(|next| next.sequence.to_string()),
            records: records.into_iter().map(AuditedDeed::from).collect(),
        })
    })
    .await
}

/// Refuses a kind that nothing can be about: the empty list would be believed.
fn check_kind(kind: &str, description: &Value) -> Result<(), Problem> {
    let paths = description["paths"].as_object().into_iter().flatten();
    let changed = paths.filter(|(_, item)| {
        let mut methods = item.as_object().into_iter().flatten();
        methods.any(|(method, _)| method != "get")
    });
    let kinds: BTreeSet<&str> = changed
        .filter_map(|(path, _)| path.strip_prefix("/api/v1/")?.split('/').next())
        .collect();
    if kinds.contains(kind) {
        return Ok(());
    }
    let advice = did_you_mean(kind, kinds.iter().copied()).unwrap_or_else(|| {
        let kinds: Vec<String> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
        format!("there are {}", kinds.join(", "))
    });
    Err(Problem::bad_request(format!(
        "nothing is about a kind `{kind}`; {advice}"
    )))
}

/// Shows one record, and what was changed.
#[utoipa::path(get, path = "/api/v1/audit/{sequence}", operation_id = "get_audit_record",
    tag = "audit", params(("sequence" = u64, Path, description = "The place in the trail")),
    responses((status = 200, description = "The record", body = AuditedChange)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    PathNames(place): PathNames<String>,
) -> Result<Shown, Problem> {
    let sequence: u64 = place.parse().map_err(|_| {
        Problem::bad_request("the place in the path is not a number; write it like `3`")
    })?;
    let all = AuditFilter::default();
    let record = find(&gateway, &all, sequence.checked_add(1), 1).await?;
    let record = record
        .into_iter()
        .find(|record| record.sequence == sequence);
    let record = record.ok_or_else(|| {
        Problem::nothing_there(
            "there is no such record",
            format!(
                "there is no record {sequence}; `GET /api/v1/audit` lists those that there are"
            ),
        )
    })?;
    let _in_hand = InHand::question().await?;
    let change = match stored_by(&gateway, &record).await? {
        Some(revision) => history::change_of(&gateway, revision).await,
        None => None,
    };
    shown::aside(move || {
        Shown::json(&AuditedChange {
            deed: record.into(),
            compared_with: change.as_ref().and_then(|change| change.compared_with),
            changes: change.map(|change| change.changes),
        })
    })
    .await
}

/// The revision that was stored by what is on record. Others are about a revision: one pauses its
/// rollout, another tells how that ended. A revision and its record are stored at one moment.
async fn stored_by(
    gateway: &Gateway,
    record: &AuditRecord,
) -> Result<Option<RevisionNumber>, Problem> {
    let Some(number) = record.entry.revision else {
        return Ok(None);
    };
    let revision = gateway.store().revision(number).await;
    let revision = revision.map_err(|error| Problem::store(&error))?;
    let stored = revision.filter(|revision| revision.summary.created_at == record.at);
    Ok(stored.map(|revision| revision.summary.number))
}

async fn find(
    gateway: &Gateway,
    filter: &AuditFilter,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<AuditRecord>, Problem> {
    let records = gateway.store().find_audit(filter, before, limit).await;
    records.map_err(|error| Problem::store(&error))
}
