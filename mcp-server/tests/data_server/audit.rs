//! The audit log of the program: a line for each request, and nothing that its caller wrote.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cancelling::{ENDLESS, sleeping};
use crate::client::{Client, read};
use crate::database::{Database, PASSWORD};
use crate::observability::{Program, SECRET, one_of_each};
use crate::tasks::Follower;

#[track_caller]
fn check_audit(lines: &[Value]) {
    let [good, bad] = lines else {
        panic!("two calls: {lines:?}");
    };
    for (line, outcome) in [(good, "ok"), (bad, "failed")] {
        assert_eq!(line["target"], "audit");
        assert_eq!(line["call"], "execute_query");
        assert_eq!(line["who"], "anonymous");
        assert_eq!(line["outcome"], outcome);
        assert!(line["ms"].as_f64().is_some_and(|ms| ms > 0.0), "{line}");
        assert!(line["call_id"].as_str().is_some_and(|id| !id.is_empty()));
    }
    assert!(good["bytes"].as_u64().is_some_and(|bytes| bytes > 0));
    assert!(good.get("code").is_none());
    assert!(bad["code"].as_str().is_some_and(|code| !code.is_empty()));
    let all = format!("{lines:?}");
    assert!(!all.contains(SECRET) && !all.contains("SELECT"), "{all}");
}

pub fn lines_of(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).expect("it is written");
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("a line is JSON")
}

#[tokio::test]
async fn it_writes_one_line_for_each_call_and_nothing_that_a_caller_wrote() {
    let database = Database::with("").await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("audit.jsonl");
    let path = file.to_str().expect("text");
    let mut program = Program::on(&database, &[("MCP_AUDIT_LOG", path)]);
    let address = program.address("listening").await;
    one_of_each(&Client::modern(&address)).await;
    check_audit(&lines_of(&file));
    let (_, log) = program.until("failed").await;
    assert!(log.iter().all(|line| line["target"] != "audit"), "{log:?}");
}

#[tokio::test]
async fn it_writes_the_audit_log_into_the_log_where_it_has_no_file() {
    let database = Database::with("").await;
    let mut program = Program::on(&database, &[("LOG_LEVEL", "INFO")]);
    let address = program.address("listening").await;
    one_of_each(&Client::modern(&address)).await;
    let (_, log) = program.until("failed").await;
    let audit = log.into_iter().filter(|line| line["target"] == "audit");
    check_audit(&audit.collect::<Vec<_>>());
}

#[tokio::test]
async fn it_writes_the_line_of_a_call_that_nobody_waits_for_and_of_a_task_whose_time_is_over() {
    let database = Database::with("").await;
    for (after, ttl) in [("60000", "60"), ("0", "1")] {
        let settings = [
            ("LOG_LEVEL", "INFO"),
            ("MCP_TASK_AFTER_MS", after),
            ("MCP_TASK_TTL_S", ttl),
        ];
        let mut program = Program::on(&database, &settings);
        let address = program.address("listening").await;
        let client = Client::modern(&address);
        match after {
            "0" => drop(Follower::of(client, "").begin(ENDLESS).await),
            _ => {
                let query = async move { client.query(ENDLESS, json!([])).await };
                let call = tokio::spawn(query);
                sleeping(&database, 1).await;
                call.abort();
            }
        }
        let (line, _) = program.until("call").await;
        assert_eq!(line["target"], "audit");
        assert_eq!(line["call"], "execute_query");
        assert_eq!(line["outcome"], "given_up", "{line}");
    }
}

/// The call, outcome and code of a line.
type Outcome = [Value; 3];

/// A program with an audit log of its own.
pub struct AuditedProgram {
    program: Program,
    pub address: String,
    pub log: PathBuf,
    _database: Database,
    _folder: TempDir,
}

impl AuditedProgram {
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let database = Database::with("").await;
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("audit.jsonl");
        let path = log.to_str().expect("text");
        let data = folder.path().to_str().expect("text");
        let own = [("MCP_AUDIT_LOG", path), ("PORTCULLIS_DATA", data)];
        let settings = [&own[..], settings].concat();
        let mut program = Program::on(&database, &settings);
        let address = program.address("listening").await;
        Self {
            program,
            address,
            log,
            _database: database,
            _folder: folder,
        }
    }

    /// The call, outcome and code of each line.
    fn outcomes(&self) -> Vec<Outcome> {
        let lines = lines_of(&self.log).into_iter();
        lines
            .map(|line| ["call", "outcome", "code"].map(|member| line[member].clone()))
            .collect()
    }

    /// Waits until there are as many lines as are expected, and checks what they say.
    async fn wait_for(&self, expected: &[Outcome]) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.outcomes().len() < expected.len() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(self.outcomes(), expected);
    }
}

/// A name that nobody has, with a secret in it that a shortened name does not show.
fn foreign_name() -> String {
    let long = "x".repeat(400);
    format!("{long}{SECRET}{long}")
}

#[tokio::test]
async fn it_writes_a_line_for_each_request_that_is_turned_away_and_none_of_its_words() {
    let mut audited = AuditedProgram::start(&[]).await;
    let client = Client::modern(&audited.address);
    let name = foreign_name();
    let uri = format!("x://{name}");
    let prompt = |name: &str| json!({"type": "ref/prompt", "name": name});
    let argument = json!({"name": name, "value": ""});
    let turned_away = [
        (
            "tools/call",
            json!({"name": name, "arguments": {}}),
            "tools/call",
            "unknown",
            -32602,
        ),
        (
            "prompts/get",
            json!({"name": name}),
            "prompts/get",
            "unknown",
            -32602,
        ),
        (
            "prompts/get",
            json!({"name": "sql_best_practices", "arguments": {&name: name}}),
            "prompts/get",
            "refused",
            -32602,
        ),
        (
            "resources/read",
            json!({"uri": uri}),
            "resources/read",
            "unknown",
            -32002,
        ),
        (
            "completion/complete",
            json!({"ref": prompt(&name), "argument": argument}),
            "completion/complete",
            "unknown",
            -32602,
        ),
        (
            "nobody/knows",
            json!({"it": name}),
            "method",
            "unknown",
            -32601,
        ),
        (
            "tools/call",
            json!({"name": 5}),
            "tools/call",
            "refused",
            -32602,
        ),
    ];
    for (method, params, ..) in &turned_away {
        let answer = client.request(method, params.clone()).await;
        assert!(answer.body.get("error").is_some(), "{method}: {answer:?}");
    }
    let expected = turned_away
        .iter()
        .map(|(_, _, call, outcome, code)| [json!(call), json!(outcome), json!(code.to_string())]);
    assert_eq!(audited.outcomes(), expected.collect::<Vec<_>>());
    client.query("SELECT 'x'::int", json!([])).await;
    let (last, mut log) = audited.program.until("failed").await;
    log.push(last);
    let text = format!("{log:?} {:?}", lines_of(&audited.log));
    assert!(!text.contains(SECRET), "{text}");
    assert!(!text.contains("rmcp"), "{text}");
}

#[tokio::test]
async fn it_writes_a_line_for_what_is_asked_of_tasks_and_none_for_a_look_at_ones_own() {
    let settings = [
        ("MCP_TASK_AFTER_MS", "0"),
        ("MCP_PRINCIPAL_HEADER", "x-caller"),
    ];
    let audited = AuditedProgram::start(&settings).await;
    let of = |name| Follower::of(Client::modern(&audited.address), name);
    let (alice, mallory) = (of("alice"), of("mallory"));
    let task = alice.begin(ENDLESS).await;
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let params = json!({"taskId": task, "inputResponses": {}});
        let refused = mallory.request(method, params).await;
        assert_eq!(refused.error(), -32602, "{method}");
    }
    alice.wait_for(&task, "working").await;
    alice.cancel(&task).await.result();
    alice.wait_for(&task, "cancelled").await;
    let mut found = audited.outcomes();
    // The end of the work comes when it comes.
    found.retain(|[call, ..]| call != "execute_query");
    let unknown = |method: &str| [json!(method), json!("unknown"), json!("-32602")];
    let expected = [
        unknown("tasks/get"),
        unknown("tasks/update"),
        unknown("tasks/cancel"),
        [json!("tasks/cancel"), json!("ok"), Value::Null],
    ];
    assert_eq!(found, expected);
    let lines = lines_of(&audited.log);
    let of_stranger = lines.iter().filter(|line| line["who"] == "mallory");
    assert_eq!(of_stranger.count(), 3, "{lines:?}");
}

#[tokio::test]
async fn it_writes_a_line_for_each_subscription() {
    let audited = AuditedProgram::start(&[]).await;
    let client = Client::legacy(&audited.address, "2025-11-25").await;
    let stream = client.listen(&[]).await;
    for (method, uri) in [
        ("resources/subscribe", "pipelines://active"),
        ("resources/unsubscribe", "pipelines://active"),
        ("resources/subscribe", "metrics://system"),
        ("resources/unsubscribe", "x://y"),
    ] {
        client.request(method, json!({"uri": uri})).await;
    }
    drop(stream);
    let modern = Client::modern(&audited.address);
    let params = json!({"notifications": {"resourceSubscriptions": ["pipelines://active"]}});
    let mut listening = modern.send("subscriptions/listen", params, &[]).await;
    listening.chunk().await.expect("it begins");
    drop(listening);
    let (ok, none) = (json!("ok"), Value::Null);
    let unknown = |method: &str| [json!(method), json!("unknown"), json!("-32002")];
    let expected = [
        [json!("resources/subscribe"), ok.clone(), none.clone()],
        [json!("resources/unsubscribe"), ok.clone(), none.clone()],
        unknown("resources/subscribe"),
        unknown("resources/unsubscribe"),
        [json!("subscriptions/listen"), ok, none],
    ];
    audited.wait_for(&expected).await;
}

#[tokio::test]
async fn it_writes_one_line_for_each_request_whose_stream_ran_out_of_time() {
    let settings = [
        ("POSTGRES_WRITE_USER", "postgres"),
        ("POSTGRES_WRITE_PASSWORD", PASSWORD),
        ("MCP_TOOLS", "all"),
    ];
    let audited = AuditedProgram::start(&settings).await;
    let time = [("x-envoy-expected-rq-timeout-ms", "400")];
    let filter = json!({"resourceSubscriptions": ["pipelines://active"]});
    let modern = Client::modern(&audited.address);
    let listening = modern.send(
        "subscriptions/listen",
        json!({"notifications": filter}),
        &time,
    );
    assert_eq!(read(listening.await).await.error(), 50400);
    let mut expected = vec![["subscriptions/listen", "failed", "50400"].map(|word| json!(word))];
    audited.wait_for(&expected).await;

    // Its user is asked, and says nothing: the attempt before the question has its line.
    let able = json!({"elicitation": {}});
    let client = Client::able(&audited.address, "2025-11-25", able).await;
    let table = json!({"table": "things", "columns": [{"name": "a", "type": "integer"}]});
    client.call("create_table", table).await.structured();
    expected.push([json!("create_table"), json!("ok"), Value::Null]);
    let delete = json!({"name": "execute_dml", "arguments": {"sql": "DELETE FROM things"}});
    let asked = client.send("tools/call", delete, &time).await;
    assert_eq!(read(asked).await.error(), 50400);
    expected.push(["execute_dml", "failed", "not_confirmed"].map(|word| json!(word)));
    // What is asked afterwards comes behind whatever that call would still write.
    client.call("list_tables", json!({})).await.structured();
    expected.push([json!("list_tables"), json!("ok"), Value::Null]);
    audited.wait_for(&expected).await;
}

#[tokio::test]
async fn it_lets_nobody_read_the_audit_log_but_its_user_and_group() {
    let audited = AuditedProgram::start(&[]).await;
    let rights = std::fs::metadata(&audited.log).expect("it is made");
    let rights = rights.permissions().mode() & 0o777;
    assert_eq!(rights & !0o640, 0, "{rights:o}");
}
