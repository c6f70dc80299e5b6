//! A call that takes long becomes a task where its client can follow one.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::cancelling::{ENDLESS, PATIENT, sleeping};
use crate::client::{Answer, Client, MODERN, read};
use crate::database::{Database, PASSWORD, run};
use crate::process::ServerProcess;
use crate::server::Server;

/// A client waits for its call no longer than it takes to see that the call is not quick.
const SOON: &str = "--task-after-ms=100";

fn able() -> Value {
    json!({"extensions": {"io.modelcontextprotocol/tasks": {}}, "elicitation": {}})
}

/// A client that says what it can do, under the name that the gateway gives it.
pub struct Follower<'a> {
    client: Client,
    name: &'a str,
    capabilities: Value,
}

impl<'a> Follower<'a> {
    pub fn of(client: Client, name: &'a str) -> Self {
        Self {
            client,
            name,
            capabilities: able(),
        }
    }

    pub async fn request(&self, method: &'static str, mut params: Value) -> Answer {
        let name = params["name"].as_str().or(params["taskId"].as_str());
        let name = name.expect("what it is about").to_owned();
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": self.capabilities});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let headers = [
            ("mcp-method", method),
            ("mcp-name", name.as_str()),
            ("x-caller", self.name),
        ];
        read(self.client.post(&body.to_string(), &headers).await).await
    }

    async fn call(&self, tool: &str, arguments: Value) -> Answer {
        let params = json!({"name": tool, "arguments": arguments});
        self.request("tools/call", params).await
    }

    /// The id of the task that a query becomes.
    pub async fn begin(&self, sql: &str) -> String {
        self.begin_call("execute_query", json!({"sql": sql})).await
    }

    /// The id of the task that a call becomes.
    pub async fn begin_call(&self, tool: &str, arguments: Value) -> String {
        let answer = self.call(tool, arguments).await;
        let task = answer.result();
        assert_eq!(task["resultType"], json!("task"), "{answer:?}");
        assert_eq!(task["status"], json!("working"));
        let id = task["taskId"].as_str().expect("an id");
        assert!(id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()));
        id.to_owned()
    }

    async fn look(&self, id: &str) -> Answer {
        self.request("tasks/get", json!({"taskId": id})).await
    }

    pub async fn cancel(&self, id: &str) -> Answer {
        self.request("tasks/cancel", json!({"taskId": id})).await
    }

    /// The task once it has this status.
    pub async fn wait_for(&self, id: &str, status: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let answer = self.look(id).await;
            let task = answer.result();
            assert_eq!(task["resultType"], json!("complete"));
            if task["status"] == json!(status) {
                return task.clone();
            }
            let still = ["working", "input_required"].map(Value::from);
            assert!(still.contains(&task["status"]), "{task}");
            assert!(Instant::now() < deadline, "the task never is {status}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn it_answers_a_quick_call_at_once_and_gives_a_task_for_a_long_one() {
    let database = Database::with("").await;
    let server = Server::on(&database, &["--task-after-ms=60000"]).await;
    let quick = Follower::of(server.client(), "");
    let quick = quick.call("execute_query", json!({"sql": "SELECT 1"}));
    assert_eq!(quick.await.structured()["rows"], json!([[1]]));
    let server = Server::on(&database, &[SOON]).await;
    let follower = Follower::of(server.client(), "");
    let id = follower.begin("SELECT 7 FROM pg_sleep(3)").await;
    let over = follower.wait_for(&id, "completed").await;
    let answer = &over["result"];
    assert_eq!(answer["structuredContent"]["rows"], json!([[7]]));
    assert_eq!(answer["isError"], json!(false));
    assert!(answer["_meta"]["portcullis/requestId"].is_string());
    let id = follower
        .begin("SELECT 1 / (n - 1) FROM pg_sleep(3), generate_series(1, 1) n")
        .await;
    let failed = follower.wait_for(&id, "completed").await;
    assert_eq!(failed["result"]["isError"], json!(true), "{failed}");
}

#[tokio::test]
async fn it_makes_no_task_for_a_client_that_has_not_said_on_this_request_that_it_can_follow_one() {
    let database = Database::with("").await;
    let server = Server::on(&database, &["--task-after-ms=0"]).await;
    let unable = Follower {
        capabilities: json!({}),
        ..Follower::of(server.client(), "")
    };
    let sql = json!({"sql": "SELECT 7 FROM pg_sleep(0.3)"});
    let answer = unable.call("execute_query", sql.clone()).await;
    assert_eq!(answer.structured()["rows"], json!([[7]]));
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let params = json!({"taskId": "x", "inputResponses": {}});
        let refused = unable.request(method, params).await;
        assert_eq!((refused.status, refused.error()), (400, -32021), "{method}");
    }
    let news = json!({"notifications": {"taskIds": ["x"]}});
    let refused = server.client().request("subscriptions/listen", news).await;
    let needed = &refused.body["error"]["data"]["requiredCapabilities"]["extensions"];
    assert_eq!((refused.status, refused.error()), (400, -32021));
    assert!(
        needed["io.modelcontextprotocol/tasks"].is_object(),
        "{refused:?}"
    );
    let off = Server::on(&database, &["--tasks=false", "--task-after-ms=0"]).await;
    let able = Follower::of(off.client(), "");
    let answer = able.call("execute_query", sql).await;
    assert_eq!(answer.structured()["rows"], json!([[7]]));
    let refused = able.look("x").await;
    assert_eq!((refused.status, refused.error()), (404, -32601));
}

#[tokio::test]
async fn it_stops_the_query_of_a_task_that_is_cancelled_and_keeps_the_one_that_nobody_waits_for() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[SOON, PATIENT]).await;
    let follower = Follower::of(server.client(), "");
    let id = follower.begin(ENDLESS).await;
    // The request is over, and its work goes on.
    sleeping(&database, 1).await;
    let acknowledged = follower.cancel(&id).await;
    assert_eq!(acknowledged.result()["resultType"], json!("complete"));
    sleeping(&database, 0).await;
    let over = follower.wait_for(&id, "cancelled").await;
    assert!(over.get("statusMessage").is_none(), "{over}");
    // Once more, and it stays as it ended.
    follower.cancel(&id).await.result();
    follower.wait_for(&id, "cancelled").await;
}

#[tokio::test]
async fn it_stops_a_call_whose_client_goes_away_before_it_is_a_task() {
    let database = Database::with("").await;
    let server = Server::on(&database, &["--task-after-ms=60000", PATIENT]).await;
    let address = server.address.clone();
    let call = tokio::spawn(async move {
        let follower = Follower::of(Client::modern(&address), "");
        follower
            .call("execute_query", json!({"sql": ENDLESS}))
            .await
    });
    sleeping(&database, 1).await;
    call.abort();
    sleeping(&database, 0).await;
}

#[tokio::test]
async fn it_gives_a_task_to_the_caller_who_began_it_alone() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[SOON, PATIENT, "--principal-header=x-caller"]).await;
    let [alice, bob] = ["alice", "bob"].map(|name| Follower::of(server.client(), name));
    let id = alice.begin(ENDLESS).await;
    sleeping(&database, 1).await;
    let unknown = bob.look("00000000000000000000000000000000").await;
    for answer in [bob.look(&id).await, bob.cancel(&id).await] {
        assert_eq!((answer.status, answer.error()), (200, -32602));
        assert_eq!(answer.body["error"], unknown.body["error"]);
    }
    let answers = json!({"taskId": id, "inputResponses": {}});
    assert_eq!(bob.request("tasks/update", answers).await.error(), -32602);
    sleeping(&database, 1).await;
    alice.cancel(&id).await.result();
    sleeping(&database, 0).await;
}

#[tokio::test]
async fn it_asks_in_the_task_whether_a_change_is_meant_that_took_long_to_find_out() {
    let slow = "CREATE TABLE shops (id int PRIMARY KEY); INSERT INTO shops VALUES (1), (2), (3)";
    let database = Database::with(slow).await;
    let writer = [
        "--postgres-write-user=postgres",
        "--postgres-write-password",
        PASSWORD,
        "--task-after-ms=0",
    ];
    let server = Server::on(&database, &writer).await;
    let follower = Follower::of(server.client(), "");
    let mut lock = database.connection().await;
    // A text that was judged already would be asked about before a task begins.
    let delete = |rows| json!({"sql": format!("DELETE FROM shops -- {rows}")});
    for (answer, rows) in [
        (json!({"action": "decline"}), 3),
        (json!({"action": "accept", "content": {"confirm": true}}), 0),
    ] {
        run(&mut lock, "BEGIN; LOCK TABLE shops").await;
        let id = follower.begin_call("execute_dml", delete(rows)).await;
        run(&mut lock, "ROLLBACK").await;
        let asking = follower.wait_for(&id, "input_required").await;
        let question = &asking["inputRequests"]["confirm"];
        assert_eq!(question["method"], json!("elicitation/create"), "{asking}");
        let answers = json!({"confirm": answer});
        let params = json!({"taskId": id, "inputResponses": answers});
        follower.request("tasks/update", params).await.result();
        let over = follower.wait_for(&id, "completed").await;
        assert_eq!(over["result"]["isError"], json!(rows > 0), "{over}");
        let left = "SELECT count(*) FROM shops";
        database.wait_for_count(left, rows).await;
    }
}

#[tokio::test]
async fn it_answers_when_it_is_over_a_call_that_finds_no_place_for_a_task() {
    let database = Database::with("").await;
    let server = Server::on(&database, &["--task-after-ms=0", "--task-most=1"]).await;
    let follower = Follower::of(server.client(), "");
    let id = follower.begin(ENDLESS).await;
    let second = follower.call(
        "execute_query",
        json!({"sql": "SELECT 7 FROM pg_sleep(0.2)"}),
    );
    assert_eq!(second.await.structured()["rows"], json!([[7]]));
    follower.cancel(&id).await.result();
}

#[tokio::test]
async fn it_stops_work_that_is_not_over_in_the_time_of_its_task() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[SOON, PATIENT, "--task-ttl-s=5"]).await;
    let follower = Follower::of(server.client(), "");
    // Somebody looks from the beginning, and so sees it before its time is over.
    let (id, ()) = tokio::join!(follower.begin(ENDLESS), sleeping(&database, 1));
    let over = follower.wait_for(&id, "failed").await;
    let message = over["error"]["message"].as_str().expect("a sentence");
    assert!(message.contains("within the 5 s"), "{over}");
    assert_eq!(over["statusMessage"], json!(message));
    sleeping(&database, 0).await;
}

#[tokio::test]
async fn it_says_after_a_restart_what_was_lost_and_has_what_was_done() {
    let database = Database::with("").await;
    let data = tempfile::tempdir().expect("a folder");
    let before = ServerProcess::on(&database, data.path(), &[SOON]);
    let follower = Follower::of(before.client(), "");
    let done = follower.begin("SELECT 7 FROM pg_sleep(3)").await;
    follower.wait_for(&done, "completed").await;
    let lost = follower.begin(ENDLESS).await;
    sleeping(&database, 1).await;
    // The process is killed, not asked to stop.
    drop(before);
    let after = ServerProcess::on(&database, data.path(), &[SOON]);
    let follower = Follower::of(after.client(), "");
    let over = follower.wait_for(&done, "completed").await;
    assert_eq!(over["result"]["structuredContent"]["rows"], json!([[7]]));
    let over = follower.wait_for(&lost, "failed").await;
    let message = over["error"]["message"].as_str().expect("a sentence");
    assert!(message.contains("restarted while it worked on this call of `execute_query`"));
    assert!(message.ends_with("call it again"), "{message}");
}

#[tokio::test]
async fn it_stops_the_work_of_its_tasks_when_it_is_told_to_stop() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[SOON, PATIENT]).await;
    let follower = Follower::of(server.client(), "");
    follower.begin(ENDLESS).await;
    sleeping(&database, 1).await;
    drop(server);
    sleeping(&database, 0).await;
}

#[tokio::test]
async fn it_leaves_no_work_of_its_tasks_behind_when_its_process_is_told_to_stop() {
    let database = Database::with("").await;
    let data = tempfile::tempdir().expect("a folder");
    let process = ServerProcess::on(&database, data.path(), &[SOON, PATIENT]);
    let follower = Follower::of(process.client(), "");
    follower.begin(ENDLESS).await;
    sleeping(&database, 1).await;
    process.tell_to_stop();
    sleeping(&database, 0).await;
}

#[tokio::test]
async fn it_gives_the_memory_of_large_answers_back_once_they_are_read() {
    let database = Database::with("").await;
    let data = tempfile::tempdir().expect("a folder");
    let process = ServerProcess::on(&database, data.path(), &["--task-after-ms=0"]);
    let follower = Follower::of(process.client(), "");
    let nine_megabytes = "SELECT repeat('x', 1000) FROM generate_series(1, 9000)";
    let id = follower.begin(nine_megabytes).await;
    follower.wait_for(&id, "completed").await;
    let before = process.memory();
    for _ in 0..3 {
        join_all((0..40).map(|_| follower.look(&id))).await;
    }
    database
        .until(|| process.memory() < before + (64 << 20))
        .await;
}
