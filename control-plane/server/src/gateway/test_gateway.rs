//! A gateway without Envoys, and work on it that is counted. For tests.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gateway_document::{CheckedDocument, Format, GatewayDocument, ServerAbout};
use store::{RawTool, SqlStore};
use tokio::task::spawn_blocking;
use xds::Publisher;

use super::Gateway;
use crate::catalogue::{CatalogueClient, Listing};
use crate::module::ModuleFile;
use crate::module::ModuleShelf;

/// How long a [`long_schema`] is at least, so that reading one stands out.
pub(super) const LONG: usize = 20_000;

pub(super) fn document(text: &str) -> GatewayDocument {
    gateway_document::parse(text, Format::Yaml).unwrap()
}

pub(super) fn checked(text: &str) -> Arc<CheckedDocument> {
    Arc::new(CheckedDocument::new(document(text)).unwrap())
}

/// A gateway that has just been started with a document, and keeps its store in `folder`.
pub(crate) async fn gateway(folder: &Path, text: &str) -> Arc<Gateway> {
    let store = SqlStore::open(folder.join("store.db")).await.unwrap();
    let module = ModuleFile {
        sha256: "00".to_owned(),
        path: folder.join("00.wasm"),
        shelf: ModuleShelf::default(),
    };
    let client = CatalogueClient::new();
    let (store, publisher) = (Arc::new(store), Publisher::new());
    let started = Gateway::start(store, publisher, client, module, document(text));
    started.await.unwrap().0
}

/// A list with one tool of this schema.
pub(super) fn listing(endpoint: &str, tool: &str, schema: &str) -> Listing {
    Listing {
        endpoint: endpoint.to_owned(),
        protocol: "2026-07-28".to_owned(),
        about: ServerAbout::default(),
        tools: vec![RawTool {
            name: tool.to_owned(),
            json: format!(r#"{{"name":"{tool}","inputSchema":{schema}}}"#),
        }],
    }
}

pub(super) fn long_schema() -> String {
    let text = "x".repeat(LONG);
    format!(r#"{{"type":"object","description":"{text}"}}"#)
}

/// Runs a test on one thread, and all that is read and compiled aside on one other.
pub(super) fn with_one_thread_aside<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .thread_keep_alive(Duration::from_secs(3_600))
        .build();
    runtime.unwrap().block_on(test)
}

/// The steps that have been taken [aside](with_one_thread_aside) by all that was begun before.
pub(super) async fn steps_aside() -> u64 {
    spawn_blocking(step_count::taken_here).await.unwrap()
}
