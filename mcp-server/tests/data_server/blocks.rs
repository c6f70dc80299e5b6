//! Where a result goes by its size, and how its blocks are read.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::client::{self, Client};
use crate::database::Database;
use crate::server::Server;

/// About 800 kB in lines.
const MANY: &str = "SELECT n, md5(n::text) AS h, NULL AS z FROM generate_series(1, 18000) AS n";

const SMALL_BLOCKS: [&str; 2] = ["--block-threshold-bytes=200000", "--block-bytes=16384"];

/// One block by `resources/read`: its text and what stands beside it.
async fn read(client: &Client, uri: &str) -> (String, Value) {
    let answer = client.request("resources/read", json!({"uri": uri})).await;
    let contents = &answer.result()["contents"][0];
    assert_eq!(contents["uri"], json!(uri));
    let text = contents["text"].as_str().expect("text").to_owned();
    (text, contents["_meta"].clone())
}

/// All bytes of a result, block after block.
pub async fn whole(client: &Client, handle: &Value) -> String {
    let mut next = Some(format!(
        "{}?block=0",
        handle["uri"].as_str().expect("a URI")
    ));
    let mut whole = String::new();
    while let Some(uri) = next {
        let (text, meta) = read(client, &uri).await;
        let range = &meta["portcullis/range"];
        assert_eq!(range["offset"], json!(whole.len()));
        assert_eq!(range["total"], handle["bytes"]);
        let sha256 = hex::encode(Sha256::digest(&text));
        assert_eq!(meta["portcullis/sha256"], json!(sha256));
        whole.push_str(&text);
        next = meta["portcullis/next"].as_str().map(ToOwned::to_owned);
    }
    assert_eq!(handle["bytes"], json!(whole.len()));
    let sha256 = hex::encode(Sha256::digest(&whole));
    assert_eq!(handle["sha256"], json!(sha256));
    whole
}

/// The rows of lines of JSON.
fn rows(lines: &str) -> Vec<Value> {
    let rows = lines.lines();
    rows.map(|row| serde_json::from_str(row).expect("a row"))
        .collect()
}

#[tokio::test]
async fn it_gives_a_large_result_as_its_first_rows_and_blocks_that_are_the_whole() {
    let server = Server::on(&Database::with("").await, &SMALL_BLOCKS).await;
    let client = server.client();
    let answer = client.query(MANY, json!([])).await;
    let structured = answer.structured();
    assert_eq!(structured["row_count"], json!(18_000));
    assert_eq!(structured["truncated_by"], json!("blocks"));
    let handle = &structured["result"];
    let read = rows(&whole(&client, handle).await);
    assert_eq!(read.len(), 18_000);
    assert_eq!(read[17_999][0], json!(18_000));
    let first = structured["rows"].as_array().expect("rows");
    assert!((100..2_000).contains(&first.len()), "{}", first.len());
    assert_eq!(first, &read[..first.len()]);
    // The handle stands where a model sees it, and as a link for programs.
    let uri = handle["uri"].as_str().expect("a URI");
    let text = answer.texts()[0];
    assert!(
        text.starts_with("18000 rows, ") && text.contains(uri),
        "{text}"
    );
    let link = &answer.result()["content"][1];
    assert_eq!(link["type"], json!("resource_link"));
    assert_eq!(
        (&link["uri"], &link["size"]),
        (&handle["uri"], &handle["bytes"])
    );
    let old = Client::legacy(&server.address, "2025-03-26").await;
    let answer = old.query(MANY, json!([])).await;
    assert_eq!(answer.result()["content"].as_array().map(Vec::len), Some(1));
    assert!(
        answer.texts()[0].contains("read_result_block reads blocks 0 to"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn it_reads_the_same_blocks_by_the_tool_in_any_order() {
    let server = Server::on(&Database::with("").await, &SMALL_BLOCKS).await;
    let client = server.client();
    let answer = client.query(MANY, json!([])).await;
    let handle = &answer.structured()["result"];
    let blocks = handle["blocks"].as_u64().expect("a number");
    assert!(blocks > 40, "{blocks}");
    for block in [blocks - 1, 0, 7] {
        let arguments = json!({"uri": handle["uri"], "block": block});
        let answer = client.call("read_result_block", arguments).await;
        let uri = format!("{}?block={block}", handle["uri"].as_str().expect("a URI"));
        let named = json!({"uri": uri});
        let same = client.call("read_result_block", named).await;
        assert_eq!(same.structured(), answer.structured());
        let (text, meta) = read(&client, &uri).await;
        let seen = answer.texts();
        assert_eq!(seen[0], text);
        let facts = answer.structured();
        assert_eq!(facts["sha256"], meta["portcullis/sha256"]);
        assert_eq!(facts["first_row"], meta["portcullis/rows"]["first"]);
        assert_eq!(facts["row_count"], json!(text.lines().count()));
        let is_last = block + 1 == blocks;
        let next = if is_last {
            json!(null)
        } else {
            json!(block + 1)
        };
        assert_eq!(
            (&facts["next_block"], &facts["blocks"]),
            (&next, &json!(blocks))
        );
        assert!(seen[1].contains(if is_last { "the last" } else { "the next is" }));
    }
    let facts = client
        .request("resources/read", json!({"uri": handle["uri"]}))
        .await;
    let facts = facts.result()["contents"][0]["text"]
        .as_str()
        .expect("text");
    let facts: Value = serde_json::from_str(facts).expect("JSON");
    assert_eq!(facts["row_count"], json!(18_000));
    assert_eq!(facts["columns"][1]["name"], json!("h"));
    assert_eq!(facts["sha256"], handle["sha256"]);
}

#[tokio::test]
async fn it_shows_a_model_a_block_part_by_part() {
    let flags = [SMALL_BLOCKS[0], SMALL_BLOCKS[1], "--text-bytes=500"];
    let server = Server::on(&Database::with("").await, &flags).await;
    let client = server.client();
    let answer = client.query(MANY, json!([])).await;
    let uri = &answer.structured()["result"]["uri"];
    let uri = format!("{}?block=2", uri.as_str().expect("a URI"));
    let (block, _) = read(&client, &uri).await;
    let (mut seen, mut next) = (String::new(), json!(0));
    while !next.is_null() {
        let arguments = json!({"uri": uri, "text_offset": next});
        let answer = client.call("read_result_block", arguments).await;
        let (part, place) = (answer.texts()[0], answer.texts()[1]);
        assert!(part.len() <= 500 && part.ends_with("]\n"), "{part}");
        seen += part;
        next = answer.structured()["next_text_offset"].clone();
        let told = format!("call again with text_offset {next}");
        assert_eq!(place.contains(&told), !next.is_null(), "{place}");
    }
    assert_eq!(seen, block);
    let beyond = json!({"uri": uri, "text_offset": 1_000_000});
    let beyond = client.call("read_result_block", beyond).await;
    assert!(
        beyond.failure().1.contains("`next_text_offset`"),
        "{beyond:?}"
    );
}

#[tokio::test]
async fn it_offers_blocks_for_what_the_answer_holds_and_its_text_does_not() {
    let server = Server::on(&Database::with("").await, &[]).await;
    let client = server.client();
    let answer = client.query(MANY, json!([])).await;
    let structured = answer.structured();
    assert_eq!(
        (&structured["truncated"], &structured["truncated_by"]),
        (&json!(false), &json!(null))
    );
    let held = structured["rows"].as_array().expect("rows");
    assert_eq!(held.len(), 18_000);
    assert_eq!(held, &rows(&whole(&client, &structured["result"]).await));
    // A model reads a block as a whole.
    let uri = &structured["result"]["uri"];
    let block = client.call("read_result_block", json!({"uri": uri})).await;
    assert!(block.texts()[0].len() <= 32 << 10);
    let text = answer.texts()[0];
    assert!(
        text.contains("they are in structuredContent; or read_result_block"),
        "{text}"
    );
    let content = answer.result()["content"].as_array();
    assert_eq!(content.map(Vec::len), Some(1), "a link that nobody needs");
    let small = client.query("SELECT 1", json!([])).await;
    assert_eq!(small.structured()["result"], json!(null));
}

#[tokio::test]
async fn it_does_as_the_caller_asks() {
    let server = Server::on(&Database::with("").await, &SMALL_BLOCKS).await;
    let client = server.client();
    let ask = async |more: Value| {
        let mut arguments = json!({"sql": "SELECT generate_series(1, 10) AS n"});
        let more = more.as_object().expect("an object").clone();
        arguments.as_object_mut().expect("an object").extend(more);
        client.call("execute_query", arguments).await
    };
    let answer = ask(json!({"use_block_transport": true, "fetch_size": 4})).await;
    let handle = &answer.structured()["result"];
    assert_eq!(handle["blocks"], json!(3));
    assert_eq!(rows(&whole(&client, handle).await).len(), 10);
    let many = json!({"sql": MANY, "use_block_transport": false});
    let answer = client.call("execute_query", many).await;
    assert_eq!(answer.structured()["truncated_by"], json!("rows"));
    assert_eq!(answer.structured()["row_count"], json!(1_000));
    assert_eq!(answer.structured()["result"], json!(null));
    for wrong in [
        json!({"fetch_size": 0}),
        json!({"fetch_size": 1.5}),
        json!({"use_block_transport": "yes"}),
    ] {
        assert_eq!(ask(wrong).await.failure().0, "invalid_arguments");
    }
}

#[tokio::test]
async fn it_says_the_same_of_every_result_that_is_not_the_callers_to_read() {
    let server = Server::on(&Database::with("").await, &SMALL_BLOCKS).await;
    let client = server.client();
    let answer = client.query(MANY, json!([])).await;
    let uri = answer.structured()["result"]["uri"]
        .as_str()
        .expect("a URI")
        .to_owned();
    let (node, id) = uri["result://".len()..]
        .split_once('/')
        .expect("a node and an id");
    let unknown = id.replace(|letter: char| letter.is_ascii_digit(), "0");
    for uri in [
        format!("result://{node}/{unknown}"),
        format!("result://other/{id}"),
        format!("result://{node}/x"),
        format!("result://{node}/..%2F{id}"),
    ] {
        let by_tool = client.call("read_result_block", json!({"uri": uri})).await;
        let (code, message) = by_tool.failure();
        assert_eq!(code, "not_found", "{uri}");
        assert_eq!(
            message,
            "there is no such result: it has expired, or never was"
        );
        for uri in [uri.clone(), format!("{uri}?block=0")] {
            let read = client.request("resources/read", json!({"uri": uri})).await;
            let error = &read.body["error"];
            assert_eq!(error["code"], json!(-32602), "{uri}");
            let text = error["message"].as_str().expect("a sentence");
            assert!(text.contains(message), "{text}");
        }
    }
    let beyond = json!({"uri": uri, "block": 1_000_000});
    let beyond = client.call("read_result_block", beyond).await;
    assert!(
        beyond.failure().1.contains("blocks, counted from 0"),
        "{beyond:?}"
    );
    let no_uri = client.call("read_result_block", json!({"uri": "x"})).await;
    assert_eq!(no_uri.failure().0, "invalid_arguments");
    let read = client
        .request("resources/read", json!({"uri": format!("{uri}?block=x")}))
        .await;
    assert_eq!(read.error(), -32602);
}

#[tokio::test]
async fn it_gives_a_result_to_its_owner_alone() {
    let flags = [
        SMALL_BLOCKS[0],
        SMALL_BLOCKS[1],
        "--principal-header=x-caller",
    ];
    let server = Server::on(&Database::with("").await, &flags).await;
    let client = server.client();
    let call = async |caller: &str, tool: &str, arguments: Value| {
        let params = json!({"name": tool, "arguments": arguments});
        let headers = [("x-caller", caller)];
        client::read(client.send("tools/call", params, &headers).await).await
    };
    let answer = call("ada", "execute_query", json!({"sql": MANY})).await;
    let block = json!({"uri": answer.structured()["result"]["uri"]});
    let own = call("ada", "read_result_block", block.clone()).await;
    assert_eq!(own.structured()["first_row"], json!(0));
    let foreign = call("eve", "read_result_block", block).await;
    let nobodys = json!({"uri": "result://n1/0"});
    let nobodys = call("eve", "read_result_block", nobodys).await;
    assert_eq!(foreign.failure(), nobodys.failure());
}

#[tokio::test]
async fn it_gives_what_fits_where_blocks_cannot_be_had_and_says_why() {
    let database = Database::with("").await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("data");
    std::fs::write(&file, "no folder").expect("written");
    let no_folder = format!("--data={}", file.display());
    for (flag, why) in [
        (
            "--result-quota-bytes=400000",
            "over the 200000 bytes that one result may have",
        ),
        (no_folder.as_str(), "this server's disk does not take it"),
        (
            "--block-transport=false",
            "the operator has switched that off",
        ),
    ] {
        let flags = [SMALL_BLOCKS[0], SMALL_BLOCKS[1], flag];
        let server = Server::on(&database, &flags).await;
        let call = json!({"sql": MANY, "use_block_transport": true});
        let answer = server.client().call("execute_query", call).await;
        let structured = answer.structured();
        assert_eq!(structured["truncated_by"], json!("rows"), "{flag}");
        assert_eq!(structured["rows"].as_array().map(Vec::len), Some(1_000));
        let note = structured["note"].as_str().expect("a note");
        assert!(note.contains(why), "{note}");
        assert!(answer.texts()[0].ends_with(note), "{answer:?}");
        if flag.contains("transport") {
            continue;
        }
        // What an answer can hold needs no disk.
        let small = server.client();
        let small = small.query("SELECT generate_series(1, 5000)", json!([]));
        let small = small.await;
        assert_eq!(small.structured()["truncated"], json!(false), "{flag}");
    }
}

#[tokio::test]
async fn it_offers_nothing_that_reads_blocks_where_there_are_none() {
    let database = Database::with("").await;
    for is_offered in [true, false] {
        let flag = format!("--block-transport={is_offered}");
        let server = Server::on(&database, &[&flag]).await;
        let client = server.client();
        let lists = [
            client.request("tools/list", json!({})).await,
            client.request("resources/templates/list", json!({})).await,
        ];
        let lists = lists.map(|list| list.result().to_string());
        for word in [
            "read_result_block",
            "use_block_transport",
            "fetch_size",
            "blocks",
        ] {
            assert_eq!(lists[0].contains(word), is_offered, "{word}");
        }
        assert_eq!(lists[1].contains("result://{node}"), is_offered);
    }
}

#[tokio::test]
async fn it_sends_whole_answers_to_calls_that_ask_nothing_of_clients_that_could_be_asked() {
    let server = Server::on(&Database::with("").await, &[]).await;
    let able = json!({"elicitation": {}, "sampling": {}});
    let client = Client::able(&server.address, "2025-11-25", able).await;
    let sql = "SELECT n, md5(n::text) AS h FROM generate_series(1, 50000) AS n";
    let answer = client.query(sql, json!([])).await;
    let rows = answer.structured()["rows"].as_array().map(Vec::len);
    assert_eq!(rows, Some(50_000));
}

#[tokio::test]
async fn it_tells_clients_on_event_streams_of_blocks_and_sends_them_smaller_answers() {
    let server = Server::on(&Database::with("").await, &[]).await;
    let client = Client::legacy(&server.address, "2025-11-25").await;
    let sql = "SELECT n, md5(n::text) AS h FROM generate_series(1, 50000) AS n";
    let call =
        |meta: Value| json!({"name": "execute_query", "arguments": {"sql": sql}, "_meta": meta});
    let plain = client.send("tools/call", call(json!({})), &[]).await;
    let plain: Value = plain.json().await.expect("one object");
    let held = &plain["result"]["structuredContent"];
    assert_eq!(held["rows"].as_array().map(Vec::len), Some(50_000));
    let stream = client
        .send("tools/call", call(json!({"progressToken": 1})), &[])
        .await;
    let stream = stream.text().await.expect("a stream");
    let events = stream.lines().filter_map(|line| line.strip_prefix("data:"));
    let events: Vec<&str> = events.filter(|event| !event.trim().is_empty()).collect();
    for event in &events {
        assert!(event.len() < 1 << 20, "{}", event.len());
    }
    let told = events
        .iter()
        .filter(|event| event.contains("blocks_available: "));
    assert!(told.count() > 0, "{events:?}");
    let last: Value = serde_json::from_str(events[events.len() - 1]).expect("JSON");
    let result = &last["result"]["structuredContent"]["result"];
    assert_eq!(rows(&whole(&client, result).await).len(), 50_000);
}
