//! Lists of many servers that come at the same time.

use std::time::Duration;

use store::{ConfigStore as _, SqlStore};

use super::*;
use crate::gateway::test_gateway;

const SERVERS: usize = 5;

fn url(server: usize) -> String {
    format!("http://127.0.0.{}:8000/mcp", server + 1)
}

async fn gateway(folder: &std::path::Path) -> Arc<Gateway> {
    let servers = (0..SERVERS).map(|server| format!("s{server}: {{url: '{}'}}", url(server)));
    let servers = servers.collect::<Vec<_>>().join(", ");
    test_gateway::gateway(folder, &format!("servers: {{{servers}}}")).await
}

fn listing(server: usize) -> Listing {
    let tool = format!("tool_{server}");
    test_gateway::listing(&url(server), &tool, r#"{"type":"object"}"#)
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

#[tokio::test]
async fn it_stores_a_list_while_somebody_else_has_the_turn() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = gateway(folder.path()).await;
    let listing = listing(0);
    let hash = store::ListHash::of(&listing.tools);
    let turn = gateway.turn().await;
    let observing = {
        let (gateway, name) = (Arc::clone(&gateway), "s0".parse().unwrap());
        tokio::spawn(async move { gateway.observe(&name, listing).await })
    };
    let is_stored = async || gateway.store().tool_list(&hash).await.unwrap().is_some();
    while !is_stored().await {
        tokio::task::yield_now().await;
    }
    // What it is a list of is known when the turn is its own.
    assert!(gateway.store().catalogues().await.unwrap().is_empty());
    drop(turn);
    observing.await.unwrap();
    assert_eq!(gateway.store().catalogues().await.unwrap()["s0"].hash, hash);
}
