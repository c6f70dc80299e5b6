//! Revisions, lists and generations for tests to store.

use std::collections::BTreeMap;

use store::{
    AuditEntry, Catalogue, ConfigStore, NewRevision, RawTool, RevisionNumber, SqlStore,
    StoredGeneration, StoredResource,
};
use time::OffsetDateTime;

pub fn by(author: &str, document: &str) -> NewRevision {
    NewRevision {
        document: document.to_owned(),
        author: author.to_owned(),
        reason: format!("{author} had one"),
        action: "PUT /api/v1/config".to_owned(),
        origin: "127.0.0.1".to_owned(),
        modules: Vec::new(),
    }
}

/// The record of something that ada did.
pub fn deed(what: &str) -> AuditEntry {
    AuditEntry {
        who: "ada".to_owned(),
        what: what.to_owned(),
        revision: None,
        origin: String::new(),
        reason: "why".to_owned(),
    }
}

pub fn catalogue(server: &str, tools: &[(&str, &str)]) -> Catalogue {
    let tools = tools
        .iter()
        .map(|(name, json)| RawTool {
            name: (*name).to_owned(),
            json: (*json).to_owned(),
        })
        .collect();
    let seen_at = OffsetDateTime::from_unix_timestamp(1_795_000_000).expect("a time");
    Catalogue::new(server.to_owned(), "2026-07-28".to_owned(), seen_at, tools)
}

pub fn resource(kind: &str, version: u8) -> StoredResource {
    StoredResource {
        type_url: kind.to_owned(),
        version: version.to_string(),
        value: vec![version, 0, 255],
    }
}

/// A generation of that name, made from a revision.
pub fn accepted(name: &str, revision: u64) -> StoredGeneration {
    StoredGeneration {
        generation: name.to_owned(),
        revision: RevisionNumber(revision),
        lists: BTreeMap::new(),
        module: "ab".repeat(32),
        resources: vec![resource("cluster", 1), resource("listener", 1)],
    }
}

/// Appends this many revisions to an empty store.
pub async fn append(store: &SqlStore, revisions: u64) {
    let mut head = None;
    for number in 1..=revisions {
        let revision = store
            .append(head, by("ada", &format!("{{\"number\":{number}}}")))
            .await
            .expect("appended");
        head = Some(revision.summary.number);
    }
}

/// The numbers of all revisions, newest first.
pub async fn revisions(store: &SqlStore) -> Vec<u64> {
    let revisions = store.revisions(None, u32::MAX).await.expect("read");
    revisions.iter().map(|summary| summary.number.0).collect()
}
