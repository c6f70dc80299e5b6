//! Lists of many servers that come at the same time.

use std::time::Duration;

use store::{ConfigStore as _, RawTool, SqlStore};
use xds::Publisher;

use super::*;
use crate::catalogue::CatalogueClient;
use crate::module::{ModuleFile, ModuleShelf};

const SERVERS: usize = 5;

fn url(server: usize) -> String {
    format!("http://127.0.0.{}:8000/mcp", server + 1)
}

async fn gateway(folder: &std::path::Path) -> Arc<Gateway> {
    let servers = (0..SERVERS).map(|server| format!("s{server}: {{url: '{}'}}", url(server)));
    let servers = servers.collect::<Vec<_>>().join(", ");
    let text = format!("servers: {{{servers}}}");
    let document = gateway_document::parse(&text, gateway_document::Format::Yaml).unwrap();
    let store = SqlStore::open(folder.join("store.db")).await.unwrap();
    let module = ModuleFile {
        sha256: "00".to_owned(),
        path: folder.join("00.wasm"),
        shelf: ModuleShelf::default(),
    };
    let client = CatalogueClient::new().unwrap();
    let started = Gateway::start(Arc::new(store), Publisher::new(), client, module, document);
    started.await.unwrap().0
}

fn listing(server: usize) -> Listing {
    Listing {
        endpoint: url(server),
        protocol: "2026-07-28".to_owned(),
        about: gateway_document::ServerAbout::default(),
        tools: vec![RawTool {
            name: format!("tool_{server}"),
            json: format!(r#"{{"name":"tool_{server}","inputSchema":{{"type":"object"}}}}"#),
        }],
    }
}

#[tokio::test]
async fn it_makes_one_generation_of_all_lists_that_come_while_others_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = gateway(folder.path()).await;
    let others_are_taken = gateway.taking_listings.lock().await;
    let observing = (0..SERVERS).map(|server| {
        let gateway = Arc::clone(&gateway);
        let name: ServerName = format!("s{server}").parse().unwrap();
        tokio::spawn(async move { gateway.observe(&name, listing(server)).await })
    });
    let observing: Vec<_> = observing.collect();
    while gateway.listings().len() < SERVERS {
        tokio::task::yield_now().await;
    }
    assert_eq!(gateway.desired().edition, 0);
    drop(others_are_taken);
    for one in observing {
        one.await.unwrap();
    }
    let desired = gateway.desired();
    assert_eq!((desired.edition, desired.lists.len()), (1, SERVERS));
    assert_eq!(desired.built.tools().len(), SERVERS);
}

#[tokio::test]
async fn it_rolls_out_no_list_that_is_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = gateway(folder.path()).await;
    let name: ServerName = "s0".parse().unwrap();
    // Another process leads: what this one writes is refused.
    let path = folder.path().join("store.db");
    let other = SqlStore::open(path.as_path()).await.unwrap();
    gateway
        .store()
        .lead("this one", Duration::ZERO)
        .await
        .unwrap();
    gateway.store().stop_leading().await.unwrap();
    other.lead("another one", Duration::ZERO).await.unwrap();
    gateway.observe(&name, listing(0)).await;
    assert_eq!(gateway.desired().edition, 0);
    assert!(other.catalogues().await.unwrap().is_empty());
}
