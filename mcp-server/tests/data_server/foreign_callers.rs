//! Nobody has anything to do with the session of another caller, not even with its id.

use serde_json::{Value, json};

use crate::cancelling::{ENDLESS, PATIENT, sleeping};
use crate::client::{Client, Events, read};
use crate::database::{Database, PASSWORD};
use crate::event_streams::StreamClient;
use crate::server::Server;

const NAMED: &str = "--principal-header=x-caller";

/// The messages by which a client does something to its session, and to what runs in it.
fn messages() -> Vec<Value> {
    fn request(method: &str, params: &Value) -> Value {
        json!({"jsonrpc": "2.0", "id": 5, "method": method, "params": params})
    }
    let cancelled = json!({"requestId": 1});
    vec![
        request(
            "tools/call",
            &json!({"name": "list_tables", "arguments": {}}),
        ),
        request("tools/list", &json!({})),
        request("resources/subscribe", &json!({"uri": "pipelines://active"})),
        request("logging/setLevel", &json!({"level": "debug"})),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled}),
        json!({"jsonrpc": "2.0", "id": "x", "result": {"action": "accept"}}),
    ]
}

#[tokio::test]
async fn it_knows_no_session_of_a_caller_for_anybody_else() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[PATIENT, NAMED]).await;
    let alice = Client::named(&server.address, "alice", json!({})).await;
    let calling = alice.clone();
    let call = tokio::spawn(async move { calling.query(ENDLESS, json!([])).await });
    sleeping(&database, 1).await;
    let mut nobody = Client::legacy(&server.address, "2025-11-25").await;
    nobody = nobody.in_session(alice.session());
    for foreign in [alice.as_caller("mallory"), nobody] {
        let unknown = foreign.in_session("x");
        for message in messages() {
            let message = message.to_string();
            let answer = read(foreign.post(&message, &[]).await).await;
            let expected = read(unknown.post(&message, &[]).await).await;
            assert_eq!((answer.status, answer.error()), (404, -32600), "{message}");
            assert_eq!(answer.body, expected.body);
        }
        assert_eq!(foreign.listen(&[]).await.status(), 404);
        assert_eq!(foreign.end().await, 404);
    }
    sleeping(&database, 1).await;
    alice.call("list_tables", json!({})).await.structured();
    assert_eq!(alice.end().await, 204);
    sleeping(&database, 0).await;
    call.abort();
}

#[tokio::test]
async fn it_takes_up_the_session_of_a_named_caller_after_a_restart() {
    let database = Database::with("").await;
    let before = Server::on(&database, &[NAMED]).await;
    let alice = Client::named(&before.address, "alice", json!({})).await;
    drop(before);
    let after = Server::on(&database, &[NAMED]).await;
    let alice = alice.moved_to(&after.address);
    alice.call("list_tables", json!({})).await.structured();
    let foreign = alice.as_caller("mallory");
    let refused = foreign.call("list_tables", json!({})).await;
    assert_eq!((refused.status, refused.error()), (404, -32600));
}

#[tokio::test]
async fn it_takes_no_answer_of_another_caller_to_a_question_in_a_session() {
    let database = Database::with("CREATE TABLE shops AS SELECT 1 AS id").await;
    let writer = [
        NAMED,
        "--postgres-write-user=postgres",
        "--postgres-write-password",
        PASSWORD,
    ];
    let server = Server::on(&database, &writer).await;
    let able = json!({"elicitation": {}});
    let alice = Client::named(&server.address, "alice", able).await;
    let delete = json!({"name": "execute_dml", "arguments": {"sql": "DELETE FROM shops"}});
    let mut events = Events::of(alice.send("tools/call", delete, &[]).await);
    let question = events.next().await["id"].clone();
    let answer = |action: &str| {
        let result = json!({"action": action, "content": {"confirm": true}});
        json!({"jsonrpc": "2.0", "id": question, "result": result}).to_string()
    };
    let foreign = alice
        .as_caller("mallory")
        .post(&answer("accept"), &[])
        .await;
    assert_eq!(foreign.status(), 404);
    let own = alice.post(&answer("decline"), &[]).await;
    assert_eq!(own.status(), 202);
    let over = events.next().await;
    let code = &over["result"]["structuredContent"]["error"]["code"];
    assert_eq!(code, &json!("declined"), "{over}");
}

#[tokio::test]
async fn it_takes_no_message_of_another_caller_for_an_event_stream() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[PATIENT, NAMED]).await;
    let alice = [("x-caller", "alice")];
    let mut client = StreamClient::open_with(&server.address, "/sse", &alice).await;
    let params = json!({"name": "execute_query", "arguments": {"sql": ENDLESS}});
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    assert_eq!(client.post(&call.to_string(), &alice).await, 202);
    sleeping(&database, 1).await;
    let from_gateway = ("x-portcullis-answered", "1");
    for message in messages() {
        let message = message.to_string();
        for headers in [
            &[("x-caller", "mallory")][..],
            &[("x-caller", "mallory"), from_gateway],
            &[],
        ] {
            assert_eq!(client.post(&message, headers).await, 404, "{message}");
        }
    }
    sleeping(&database, 1).await;
    let cancelled = messages().remove(4).to_string();
    assert_eq!(client.post(&cancelled, &alice).await, 202);
    sleeping(&database, 0).await;
    let ping = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}).to_string();
    assert_eq!(client.post(&ping, &alice).await, 202);
    assert_eq!(client.answer().await["id"], json!(2));
}

#[tokio::test]
async fn it_opens_no_more_event_streams_for_a_caller_than_its_share_where_callers_have_names() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[NAMED]).await;
    let nobody = open_all(&server, None).await;
    let alice = open_all(&server, Some("alice")).await;
    assert_eq!((nobody.0.len(), alice.0.len()), (64, 32));
    for refused in [nobody.1, alice.1] {
        let share = "this caller has its share";
        assert!(refused.contains(share), "{refused}");
    }
    let unnamed = Server::on(&database, &[]).await;
    let (open, refused) = open_all(&unnamed, None).await;
    assert_eq!(open.len(), 128);
    assert!(refused.contains("all 128 event streams"), "{refused}");
}

/// Opens event streams until one is refused; those that are open, and the words of the refusal.
async fn open_all(server: &Server, caller: Option<&str>) -> (Vec<reqwest::Response>, String) {
    let http = reqwest::Client::new();
    let mut open = Vec::new();
    loop {
        let mut get = http.get(format!("http://{}/sse", server.address));
        if let Some(caller) = caller {
            get = get.header("x-caller", caller);
        }
        let stream = get.send().await.expect("an answer");
        match stream.status().as_u16() {
            200 => open.push(stream),
            status => {
                assert_eq!(status, 503);
                return (open, stream.text().await.expect("a sentence"));
            }
        }
    }
}
