//! The control plane keeps its document across starts; the addresses of this start may be others
//! than those of the last one.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::header::{ETAG, IF_MATCH};
use serde_json::{Value, json};
use url::{Host, Url};

use super::control_plane::{DATA_SERVER, LISTENER, server_url};
use super::stack::Stack;

const PATIENCE: Duration = Duration::from_secs(20);

/// Makes the stored document say where the gateway and the data server are now. It must be called
/// before Envoy starts.
///
/// # Errors
/// When the control plane does not answer, or refuses the corrected document.
pub(crate) async fn correct(stack: &Stack) -> anyhow::Result<()> {
    let settings = &stack.settings;
    let url = format!("{}/api/v1/config", settings.rest_url());
    let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let answer = client.get(&url).send().await?.error_for_status()?;
    let version = answer.headers().get(ETAG).cloned();
    let stored: Value = answer
        .json()
        .await
        .with_context(|| format!("{url} answers no JSON"))?;
    let Some(document) = corrected(
        &stored["document"],
        settings.gateway_address,
        settings.mcp_address,
    ) else {
        return Ok(());
    };
    let mut change = client
        .put(&url)
        .header("x-portcullis-author", "portcullis up")
        .header("x-portcullis-reason", "the addresses of this start")
        .json(&document);
    if let Some(version) = version {
        change = change.header(IF_MATCH, version);
    }
    let answer = change.send().await?;
    if !answer.status().is_success() {
        bail!(
            "the control plane refuses the addresses of this start: {}",
            answer.text().await?
        );
    }
    Ok(())
}

/// The document with today's addresses, or nothing when it has them. A data server on another
/// machine is the operator's.
fn corrected(document: &Value, gateway: SocketAddr, data_server: SocketAddr) -> Option<Value> {
    let mut fresh = document.clone();
    if let Some(listener) = fresh["listeners"]
        .as_array_mut()
        .and_then(|all| all.iter_mut().find(|listener| listener["name"] == LISTENER))
    {
        listener["address"] = json!(gateway);
    }
    if let Some(url) = fresh.pointer_mut(&format!("/servers/{DATA_SERVER}/url"))
        && url.as_str().is_some_and(is_on_this_machine)
    {
        *url = json!(server_url(data_server));
    }
    (fresh != *document).then_some(fresh)
}

fn is_on_this_machine(url: &str) -> bool {
    let parsed = Url::parse(url).ok();
    match parsed.as_ref().and_then(Url::host) {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(address: &str, url: &str) -> Value {
        json!({"listeners": [{"name": "mcp", "address": address, "servers": ["*"]}],
            "servers": {"data": {"url": url}}, "tools": [{"name": "kept"}]})
    }

    fn addresses() -> (SocketAddr, SocketAddr) {
        (
            ([127, 0, 0, 1], 10000).into(),
            ([127, 0, 0, 1], 8000).into(),
        )
    }

    #[test]
    fn it_leaves_a_document_with_todays_addresses_alone() {
        let (gateway, server) = addresses();
        assert_eq!(
            corrected(
                &document("127.0.0.1:10000", "http://127.0.0.1:8000/mcp"),
                gateway,
                server
            ),
            None
        );
    }

    #[test]
    fn it_replaces_yesterdays_addresses_and_keeps_the_rest() {
        let (gateway, server) = addresses();
        let today = document("127.0.0.1:10000", "http://127.0.0.1:8000/mcp");
        assert_eq!(
            corrected(
                &document("127.0.0.1:25000", "http://localhost:25004/mcp"),
                gateway,
                server
            ),
            Some(today)
        );
    }

    #[test]
    fn it_leaves_alone_a_data_server_elsewhere_and_a_document_without_ours() {
        let (gateway, server) = addresses();
        assert_eq!(
            corrected(
                &document("127.0.0.1:10000", "http://10.0.0.7:8000/mcp"),
                gateway,
                server
            ),
            None
        );
        assert_eq!(
            corrected(&json!({"listeners": [], "servers": {}}), gateway, server),
            None
        );
    }
}
