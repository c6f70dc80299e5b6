//! Servers that answer each question in time, and never come to the end of their lists.

use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use gateway_document::{Format, parse};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::catalogue::client::LIST_WITHIN;

/// A server whose list is one page, or one page more for ever; gives its URL.
async fn serve(servers: &mut JoinSet<()>, is_endless: bool) -> String {
    serve_pages(servers, (is_endless, json!([]))).await
}

async fn serve_pages(servers: &mut JoinSet<()>, pages: (bool, Value)) -> String {
    async fn page(State((is_endless, tools)): State<(bool, Value)>) -> Json<Value> {
        let mut result = json!({"tools": tools});
        if is_endless {
            result["nextCursor"] = json!("more");
            // A thousand pages take far longer than the client is given below.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Json(json!({"jsonrpc": "2.0", "id": 1, "result": result}))
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let router = Router::new().route("/mcp", post(page));
    let router = router.with_state(pages);
    servers.spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

fn server_at(endpoints: &[&str]) -> Server {
    let endpoints = endpoints.join(", ");
    let text = format!("servers: {{s: {{protocol: '2026-07-28', endpoints: [{endpoints}]}}}}");
    let document = parse(&text, Format::Yaml).unwrap();
    document.servers.into_values().next().unwrap()
}

#[tokio::test]
async fn it_gives_up_a_list_without_an_end_and_asks_the_next_endpoint() {
    let mut servers = JoinSet::new();
    let endless = serve(&mut servers, true).await;
    let sound = serve(&mut servers, false).await;
    let mut client = CatalogueClient::new();
    assert_eq!(client.list_within, LIST_WITHIN);
    client.list_within = Duration::from_millis(1_500);
    let error = client.list(&server_at(&[&endless])).await.unwrap_err();
    let within = format!("`{endless}` did not list all of its tools within 1 s;");
    assert!(error.to_string().starts_with(&within), "{error}");
    // Long enough for an answer on a machine that has much else to do.
    client.list_within = Duration::from_secs(5);
    let server = server_at(&[&endless, &sound]);
    assert_eq!(client.list(&server).await.unwrap().endpoint, sound);
}

#[tokio::test]
async fn it_counts_entries_without_a_name_as_tools_and_tells_of_the_first() {
    let nothing = |count: usize| Value::from(vec![0; count]);
    let mut servers = JoinSet::new();
    let many = serve_pages(&mut servers, (false, nothing(MOST_TOOLS + 1))).await;
    let client = CatalogueClient::new();
    let error = client.list(&server_at(&[&many])).await.unwrap_err();
    assert!(
        error.to_string().contains("more than 10000 tools"),
        "{error}"
    );

    let mut page = nothing(1_000);
    page[500] = json!({"name": "a"});
    page[501] = json!({"name": 1});
    let page = serde_json::value::to_raw_value(&json!({"tools": page})).unwrap();
    let entries = EntriesOfPage::read(&page).unwrap();
    let names: Vec<_> = entries.tools.iter().map(|tool| &*tool.name).collect();
    assert_eq!((names, entries.unnamed.count), (vec!["a"], 999));
    let first = entries.unnamed.first.unwrap();
    assert!(first.contains("integer `0`"), "{first}");
}

#[test]
fn it_builds_nothing_of_entries_past_the_most_that_a_list_may_have() {
    // Small numbers: an entry of two bytes once took thirty.
    let page = |count: usize| {
        let entries = vec!["0"; count].join(",");
        RawValue::from_string(format!(r#"{{"tools": [{entries}]}}"#)).unwrap()
    };
    let work = |page: &RawValue| {
        allocation_counter::measure(|| {
            let entries = EntriesOfPage::read(page).unwrap();
            assert_eq!(entries.count(), MOST_TOOLS + 1);
        })
    };
    let (just_too_many, flood) = (page(MOST_TOOLS + 1), page(100 * MOST_TOOLS));
    let (few, many) = (work(&just_too_many), work(&flood));
    assert_eq!(
        (few.count_total, few.bytes_max),
        (many.count_total, many.bytes_max)
    );
    let no_list = RawValue::from_string(r#"{"tools": {"a": 1}}"#.to_owned()).unwrap();
    let error = EntriesOfPage::read(&no_list).err().unwrap();
    assert!(error.contains("expected a list of definitions"), "{error}");
}

#[test]
fn it_builds_nothing_of_what_a_list_need_not_hold() {
    let raw = |text: String| RawValue::from_string(text).unwrap();
    let numbers = format!("[{}0]", "0,".repeat(100_000));
    // A cursor is a text, and no long one.
    let page = |cursor: &str| raw(format!(r#"{{"tools": [], "nextCursor": {cursor}}}"#));
    assert!(EntriesOfPage::read(&page(&numbers)).is_err());
    let long = format!("\"{}\"", "c".repeat(MOST_CURSOR_BYTES + 1));
    assert!(EntriesOfPage::read(&page(&long)).is_err());
    let entries = EntriesOfPage::read(&page("\"next\"")).unwrap();
    assert_eq!(entries.next_cursor.as_deref(), Some("next"));
    assert!(
        EntriesOfPage::read(&page("null"))
            .unwrap()
            .next_cursor
            .is_none()
    );
    // The last name counts, whatever is beside it.
    let definition = format!(r#"{{"name": "a", "x": {numbers}, "name": "b"}}"#);
    let entries = raw(format!(r#"{{"tools": [{definition}]}}"#));
    assert_eq!(EntriesOfPage::read(&entries).unwrap().tools[0].name, "b");
    // Words of a server about itself have a size.
    let said = |info: &str| {
        let result =
            format!(r#"{{"serverInfo": {info}, "capabilities": {{"tools": {{}}}}, "x": 1}}"#);
        about(&raw(result))
    };
    let known = said(r#"{"name": "s", "version": "1", "icons": []}"#);
    assert_eq!(
        (known.name.as_deref(), known.version.as_deref()),
        (Some("s"), Some("1"))
    );
    assert_eq!(known.capabilities, Some(["tools".to_owned()].into()));
    let flood = said(&format!(r#"{{"name": "s", "x": {numbers}}}"#));
    assert_eq!((flood.name, flood.version), (None, None));
    let meta = r#"{"_meta": {"io.modelcontextprotocol/serverInfo": {"name": "m"}}}"#;
    assert_eq!(about(&raw(meta.to_owned())).name.as_deref(), Some("m"));
}
