//! The arguments that every change has, and the requests that are made of them.

use clap::Args;
use reqwest::Method;

use super::{Asked, Effect, Request};

/// A change as it is typed: who makes it and why, and where it is sent.
#[derive(Debug, Args)]
pub(crate) struct ChangeArguments {
    /// Your name, for the record
    #[arg(long)]
    author: Option<String>,

    /// Why you make the change, for the record
    #[arg(long)]
    reason: Option<String>,

    #[command(flatten)]
    pub(crate) asked: Asked,
}

impl ChangeArguments {
    /// The request that makes the change.
    pub(crate) fn request(&self, method: Method, resource: impl Into<String>) -> Request<'_> {
        Request {
            method,
            resource: resource.into(),
            effect: Effect::Change,
            author: self.author.as_deref(),
            reason: self.reason.as_deref(),
            ..Request::default()
        }
    }
}

/// A change of the gateway document, which can be tried without being made.
#[derive(Debug, Args)]
pub(crate) struct DocumentChange {
    /// Show what the change would do, and do not make it
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) arguments: ChangeArguments,
}

impl DocumentChange {
    pub(crate) fn asked(&self) -> &Asked {
        &self.arguments.asked
    }

    /// The request that makes the change, or tries it.
    pub(crate) fn request(&self, method: Method, resource: &str) -> Request<'_> {
        if self.dry_run {
            self.trial(method, resource)
        } else {
            self.arguments.request(method, resource)
        }
    }

    /// The request that tries the change, and does not make it.
    pub(crate) fn trial(&self, method: Method, resource: &str) -> Request<'_> {
        Request {
            effect: Effect::Nothing,
            ..self
                .arguments
                .request(method, format!("{resource}?dry_run=true"))
        }
    }
}
