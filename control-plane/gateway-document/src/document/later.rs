//! The sections that the document has room for and the product cannot do yet. They parse, so that
//! the refusal can say so in one sentence at the right place instead of "unknown field".

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::unique::UniqueValue;

/// The place where a secret is found. Only the reference is ever part of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// In this environment variable of the control plane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// In this file on the control plane's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// A filter module by content hash, with its place in the chain and its configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Filter(#[schemars(with = "serde_json::Value")] pub UniqueValue);
