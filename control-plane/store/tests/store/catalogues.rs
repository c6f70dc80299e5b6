//! The lists of servers' tools.

use std::collections::BTreeMap;

use store::{
    Catalogue, ConfigStore, DefinitionReview, RawTool, ReviewState, RevisionNumber,
    StoredGeneration,
};
use time::OffsetDateTime;

use crate::places::Place;
use crate::samples::{accepted, by, catalogue, deed};

on_each_database!(
    it_keeps_tools_byte_for_byte_and_in_order,
    it_remembers_since_when_each_tool_was_listed_and_which_endpoint_answered,
    it_keeps_the_lists_of_the_accepted_generation_while_the_server_moves_on,
    it_tells_an_empty_list_from_an_unknown_one,
    it_forgets_a_list_that_nothing_has_named_for_a_day,
    it_keeps_few_lists_of_a_server_that_lists_something_else_each_time,
    it_bounds_the_bytes_of_lists_that_nothing_names,
    it_keeps_what_was_decided_about_definitions_with_the_record_of_it,
);

async fn it_keeps_tools_byte_for_byte_and_in_order(place: Place) {
    let store = place.open().await;
    let odd = "{\"name\":\"z\",\n\t\"n\": 1.0e+2, \"u\":\"\\u00e9 é \\u0000\"  }";
    let data = catalogue(
        "data",
        &[("z", odd), ("a", "{}"), ("z", "{\"again\":true}")],
    );
    store.put_catalogue(&data).await.expect("put");
    let read = store.catalogues().await.expect("read");
    assert_eq!(read["data"].tools, data.tools);
    assert_eq!(read["data"].tools[0].json.as_bytes(), odd.as_bytes());
}

async fn it_remembers_since_when_each_tool_was_listed_and_which_endpoint_answered(place: Place) {
    let (a, b, c) = (
        ("a", "{\"name\":\"a\"}"),
        ("b", "{\"name\":\"b\"}"),
        ("c", "{\"name\":\"c\"}"),
    );
    let first = catalogue("data", &[a, b]);
    let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("a time");
    let second = Catalogue {
        since: BTreeMap::from([
            ("b".to_owned(), at(1_795_000_060)),
            ("c".to_owned(), at(1_795_000_060)),
        ]),
        ..catalogue("data", &[b, c])
    }
    .from_endpoint("http://127.0.0.1:8000/mcp".to_owned())
    .following(&first);
    {
        let store = place.open().await;
        store.put_catalogue(&first).await.expect("put");
        store.put_catalogue(&second).await.expect("put");
    }
    let store = place.open().await;
    let read = store.catalogues().await.expect("read");
    assert_eq!(read["data"], second);
    assert_eq!(read["data"].since["b"], first.seen_at);
    assert_eq!(read["data"].since["c"], at(1_795_000_060));

    // What was forgotten is new when it comes again.
    store.remove_catalogue("data").await.expect("removed");
    let again = catalogue("data", &[b, c]);
    store.put_catalogue(&again).await.expect("put");
    let read = store.catalogues().await.expect("read");
    assert_eq!(read["data"], again);
}

async fn it_keeps_the_lists_of_the_accepted_generation_while_the_server_moves_on(place: Place) {
    let store = place.open().await;
    store.append(None, by("ada", "1")).await.expect("appended");
    let old = catalogue("data", &[("a", "{}")]);
    store.put_catalogue(&old).await.expect("put");
    let accepted = StoredGeneration {
        generation: "g".to_owned(),
        revision: RevisionNumber(1),
        lists: BTreeMap::from([("data".to_owned(), old.to_generation_list())]),
        module: "ab".repeat(32),
        resources: Vec::new(),
    };
    store.add_accepted(&accepted).await.expect("added");
    let new = catalogue("data", &[("a", "{}"), ("b", "{}")]);
    store.put_catalogue(&new).await.expect("put");
    store.remove_catalogue("data").await.expect("removed");

    assert_eq!(store.catalogues().await.expect("read"), BTreeMap::new());
    assert_eq!(
        store.tool_list(&old.hash).await.expect("read"),
        Some(old.tools)
    );
}

async fn it_tells_an_empty_list_from_an_unknown_one(place: Place) {
    let store = place.open().await;
    let empty = catalogue("data", &[]);
    assert_eq!(store.tool_list(&empty.hash).await.expect("read"), None);
    store.put_catalogue(&empty).await.expect("put");
    assert_eq!(
        store.tool_list(&empty.hash).await.expect("read"),
        Some(Vec::new())
    );
}

async fn it_forgets_a_list_that_nothing_has_named_for_a_day(place: Place) {
    let store = place.open().await;
    let old = catalogue("data", &[("a", "{}")]);
    store.put_catalogue(&old).await.expect("put");
    let new = catalogue("data", &[("b", "{\"name\":\"b\"}")]);
    store.put_catalogue(&new).await.expect("put");
    // A roll-out that began with it may still be under way.
    assert!(store.tool_list(&old.hash).await.expect("read").is_some());
    let aged = "UPDATE tool_list SET stored_at = stored_at - 86400000000";
    place.execute(aged).await.expect("aged");
    store.remove_catalogue("other").await.expect("removed");
    assert_eq!(store.tool_list(&old.hash).await.expect("read"), None);
    assert!(store.tool_list(&new.hash).await.expect("read").is_some());
    assert_eq!(place.numbers("SELECT count(*) FROM tool").await, [1]);
}

/// The list of a server of one tool whose definition has that many bytes, and is like no other one.
fn large(server: &str, number: usize, bytes: usize) -> Catalogue {
    let start = format!("{{\"d\":\"{server} {number} ");
    let rest = "x".repeat(bytes - start.len() - 2);
    catalogue(server, &[("a", &format!("{start}{rest}\"}}"))])
}

async fn it_keeps_few_lists_of_a_server_that_lists_something_else_each_time(place: Place) {
    let store = place.open().await;
    let other: Vec<Catalogue> = (0..2).map(|number| large("other", number, 100)).collect();
    for list in &other {
        store.put_catalogue(list).await.expect("put");
    }
    let lists: Vec<Catalogue> = (0..60).map(|number| large("data", number, 100)).collect();
    for list in &lists {
        store.put_catalogue(list).await.expect("put");
    }
    // Two of the other server, the one that is named, and 32.
    let kept = [2 + 1 + 32];
    assert_eq!(place.numbers("SELECT count(*) FROM tool_list").await, kept);
    assert_eq!(place.numbers("SELECT count(*) FROM tool").await, kept);
    // A server takes no room from another one; the newest are kept.
    let hashes = other.iter().chain(&lists[27..]).map(|list| &list.hash);
    for hash in hashes {
        assert!(store.tool_list(hash).await.expect("read").is_some());
    }
    assert_eq!(store.tool_list(&lists[26].hash).await.expect("read"), None);
}

async fn it_bounds_the_bytes_of_lists_that_nothing_names(place: Place) {
    let store = place.open().await;
    store.append(None, by("ada", "1")).await.expect("appended");
    let known = async |lists: &[Catalogue]| {
        let mut known = Vec::new();
        for list in lists {
            known.push(store.tool_list(&list.hash).await.expect("read").is_some());
        }
        known
    };
    // As if each list were of the largest size.
    let enlarge = async || {
        let sized = "UPDATE tool_list SET bytes = 16777216";
        place.execute(sized).await.expect("sized");
        store.remove_catalogue("nobody").await.expect("looked at");
    };
    let of_a: Vec<Catalogue> = (0..8).map(|number| large("a", number, 100)).collect();
    store.put_catalogue(&of_a[0]).await.expect("put");
    let generation = StoredGeneration {
        lists: BTreeMap::from([("a".to_owned(), of_a[0].to_generation_list())]),
        ..accepted("g", 1)
    };
    store.add_accepted(&generation).await.expect("added");
    for list in &of_a[1..] {
        store.put_catalogue(list).await.expect("put");
    }
    let bytes = "SELECT DISTINCT bytes FROM tool_list";
    assert_eq!(place.numbers(bytes).await, [100]);
    // An earlier version says nothing of sizes, and its lists are counted all the same.
    let unsized_rows = "UPDATE tool_list SET bytes = NULL";
    place.execute(unsized_rows).await.expect("written");
    store.remove_catalogue("nobody").await.expect("looked at");
    assert_eq!(place.numbers(bytes).await, [100]);

    // The two that are named, and four of one server.
    enlarge().await;
    let kept = [true, false, false, true, true, true, true, true];
    assert_eq!(known(&of_a).await, kept);

    let mut others = Vec::new();
    for server in 0..8 {
        for number in 0..3 {
            let list = large(&format!("s{server}"), number, 100);
            store.put_catalogue(&list).await.expect("put");
            others.push(list);
        }
    }
    // Newer ones of eight servers take all the room, but for the newest of each server.
    enlarge().await;
    assert_eq!(known(&others).await, [true; 24]);
    let kept = [true, false, false, false, false, false, true, true];
    assert_eq!(known(&of_a).await, kept);
    // A server that is gone has no such place.
    store.remove_catalogue("a").await.expect("removed");
    let kept = [true, false, false, false, false, false, false, false];
    assert_eq!(known(&of_a).await, kept);
}

async fn it_keeps_what_was_decided_about_definitions_with_the_record_of_it(place: Place) {
    let review = |name: &str, state| DefinitionReview {
        tool: RawTool {
            name: name.to_owned(),
            json: format!("{{\"name\": \"{name}\"}}"),
        },
        state,
        author: "ada".to_owned(),
        reason: "why".to_owned(),
        at: OffsetDateTime::from_unix_timestamp(1_795_000_060).expect("a time"),
    };
    let reviewed = Catalogue {
        reviews: vec![
            review("a", ReviewState::Rejected),
            review("a", ReviewState::Unreviewed),
            review("b", ReviewState::Approved),
        ],
        ..catalogue("data", &[("a", "{}")]).about("{\"version\":\"1.2\"}".to_owned())
    };
    let entry = deed("POST /api/v1/servers/data/tools/a/reject");
    {
        let store = place.open().await;
        store.put_reviewed(&reviewed, &entry).await.expect("put");
    }
    let store = place.open().await;
    assert_eq!(store.catalogues().await.expect("read")["data"], reviewed);
    assert_eq!(store.audit(None, 1).await.expect("read")[0].entry, entry);

    // What the next list says nothing of is forgotten, and so is all of a server that is gone.
    let next = Catalogue {
        reviews: vec![review("c", ReviewState::Unreviewed)],
        ..catalogue("data", &[])
    };
    store.put_catalogue(&next).await.expect("put");
    assert_eq!(store.catalogues().await.expect("read")["data"], next);
    store.remove_catalogue("data").await.expect("removed");
    let left = "SELECT count(*) FROM definition_review";
    assert_eq!(place.numbers(left).await, [0]);
}
