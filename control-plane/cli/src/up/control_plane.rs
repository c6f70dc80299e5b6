//! The control plane, and the gateway document that it begins with.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;
use supervisor::{Program, Readiness, Restart};

use crate::places;

use super::settings::reachable;
use super::stack::Stack;

/// The name of the listener that `up` is about, and of the built-in server behind it.
pub(crate) const LISTENER: &str = "mcp";
pub(crate) const DATA_SERVER: &str = "data";

/// The control plane, ready when its REST interface answers.
pub(crate) fn program(stack: &Stack) -> anyhow::Result<Program> {
    let settings = &stack.settings;
    let module = match &settings.module {
        Some(module) => std::path::absolute(module)?,
        None => places::module()?,
    };
    let mut program = Program::new(
        "control plane",
        places::sibling("control-plane")?,
        stack.log("control-plane"),
    )
    .env("PORTCULLIS_DATA", &stack.data)
    .env(
        "CONTROL_PLANE_XDS_ADDRESS",
        settings.xds_address.to_string(),
    )
    .env(
        "CONTROL_PLANE_REST_ADDRESS",
        settings.rest_address.to_string(),
    )
    .env("CONTROL_PLANE_MODULE", module)
    .env("CONTROL_PLANE_DOCUMENT", document(stack)?)
    .ready_when(Readiness::Answers(format!(
        "{}/healthz",
        settings.rest_url()
    )))
    .restart(Restart::WithBackoff);
    for (variable, default) in [
        ("CONTROL_PLANE_STORE", "control-plane.db"),
        ("CONTROL_PLANE_MODULE_DIR", "modules"),
    ] {
        if std::env::var_os(variable).is_none() {
            program = program.env(variable, stack.data.join(default));
        }
    }
    if std::env::var_os("CONTROL_PLANE_ENVOY").is_none() {
        program = program.env("CONTROL_PLANE_ENVOY", stack.home.envoy()?);
    }
    Ok(program)
}

/// The user's document, or one of our making: one listener, and the data server behind it.
fn document(stack: &Stack) -> anyhow::Result<PathBuf> {
    if let Some(named) = &stack.settings.document {
        return Ok(std::path::absolute(named)?);
    }
    let path = stack.data.join("gateway-document.json");
    let document = json!({
        "listeners": [{"name": LISTENER, "address": stack.settings.gateway_address,
            "servers": ["*"], "event_streams": DATA_SERVER}],
        "servers": {DATA_SERVER: {"url": server_url(stack.settings.mcp_address)}},
    });
    std::fs::write(&path, serde_json::to_string_pretty(&document)?)
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(path)
}

/// The URL at which Envoy reaches the data server.
pub(crate) fn server_url(address: SocketAddr) -> String {
    format!("http://{}/mcp", reachable(address))
}
