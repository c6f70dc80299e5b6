//! The part of a result that can be read while the rest is written.

use std::fs::File;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::file::Record;

/// The part of a draft that can be read while it is written.
#[derive(Debug)]
pub(crate) struct DraftView {
    pub(crate) file: File,
    pub(crate) owner: Option<String>,
    pub(crate) mime_type: String,
    pub(crate) columns: Value,
    pub(crate) expiry: Duration,
    pub(crate) records: Mutex<Vec<Record>>,
}

impl DraftView {
    pub(crate) fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
