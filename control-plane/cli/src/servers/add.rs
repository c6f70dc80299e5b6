//! `portcullis servers add`: registers an MCP server.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use reqwest::Method;
use serde_json::json;

use crate::changes;
use crate::control_plane::{Body, DocumentChange};

/// The server to register.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The name that rules and paths know it by
    name: String,
    /// Its MCP endpoint, such as `http://10.0.0.5:8001/mcp`; several that serve the same tools
    /// share the calls
    #[arg(required = true)]
    urls: Vec<String>,
    /// The revision of MCP that the gateway speaks to it [default: the newest that it answers]
    #[arg(long)]
    protocol: Option<String>,
    /// Further fields of the server in YAML or JSON, such as `{max_connections: 64}`
    #[arg(long, value_name = "FIELDS")]
    set: Option<String>,
    #[command(flatten)]
    change: DocumentChange,
}

/// Registers the server, and tells whether it has listed its tools.
pub(super) async fn run(add: Add) -> anyhow::Result<ExitCode> {
    let mut server = match &add.set {
        None => json!({}),
        Some(fields) => yaml_serde::from_str(fields)
            .with_context(|| format!("`{fields}` is neither YAML nor JSON"))?,
    };
    if !server.is_object() {
        bail!("`--set` takes fields, such as `{{max_connections: 64}}`");
    }
    server["name"] = json!(add.name);
    match add.urls.as_slice() {
        [url] => server["url"] = json!(url),
        urls => server["endpoints"] = json!(urls),
    }
    if let Some(protocol) = &add.protocol {
        server["protocol"] = json!(protocol);
    }
    let request = add.change.request(Method::POST, "servers");
    changes::make(add.change.asked(), request.with(Body::Json(server))).await
}
