//! The place of a body is kept for as long as the call that came in it, on whatever way.

use std::time::Duration;

use http_front::{AnswerBudget, BodyLimits, BodyReader};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::served::Served;
use super::small_tools::{Small, SmallTool};
use super::{Budgets, answers, bodies};
use crate::call::Call;
use crate::tools::{Output, Registry, ToolFailure};

/// The calls that may end.
static MAY_END: Semaphore = Semaphore::const_new(0);

/// A tool that tells of its beginning, and ends when it may.
struct Waiting;

impl SmallTool for Waiting {
    const NAME: &'static str = "wait";

    async fn run(call: &Call) -> Result<Output, ToolFailure> {
        call.progress.report(1.0, None, None).await;
        MAY_END.acquire().await.expect("it is open").forget();
        Ok(Output::new(&json!({"has": "waited"}), "waited"))
    }
}

/// Room for one large body.
fn small_budgets() -> Budgets {
    Budgets {
        bodies: BodyReader::new(BodyLimits {
            uncounted: 1 << 10,
            budget: 100 << 10,
            ..bodies::LIMITS
        }),
        answers: AnswerBudget::new(answers::LIMITS),
    }
}

fn large_call(meta: &Value) -> Value {
    json!({"name": "wait", "arguments": {"text": "x".repeat(60 << 10)}, "_meta": meta})
}

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads events until one has this word in it.
async fn read_until(response: &mut reqwest::Response, word: &str) -> String {
    let mut read = String::new();
    while !(read.contains(word) && read.ends_with("\n\n")) {
        let more = tokio::time::timeout(PATIENCE, response.chunk()).await;
        let more = more.unwrap_or_else(|_| panic!("no `{word}` in {read}"));
        let more = more.expect("the stream goes on");
        let more = more.unwrap_or_else(|| panic!("it has ended: {read}"));
        read += std::str::from_utf8(&more).expect("UTF-8");
    }
    read
}

/// The response to a large call once there is a place for it. It is not JSON: it is "accepted",
/// or the events of a call that has begun.
async fn call_once_taken(server: &Served, path: &str, meta: &Value) -> reqwest::Response {
    let taken = async {
        loop {
            let response = server.call(path, &large_call(meta)).await;
            let is_answer = response.headers()["content-type"] == "application/json";
            if !is_answer {
                return response;
            }
            check_refused(response).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, taken).await;
    waited.expect("the place is given back")
}

async fn check_refused(response: reqwest::Response) {
    let text = response.text().await.expect("a body");
    assert!(text.contains("too many large requests"), "{text}");
}

#[tokio::test]
async fn it_keeps_the_place_of_a_body_until_the_call_that_came_in_it_has_ended() {
    let server = Served::with(
        Registry::default().with::<Small<Waiting>>(),
        small_budgets(),
    )
    .await;
    let mut stream = server.get("/sse").await;
    let endpoint = read_until(&mut stream, "sessionId").await;
    let messages = endpoint
        .lines()
        .find_map(|line| line.strip_prefix("data: "));
    let messages = messages.expect("the path for messages");
    for _ in 0..2 {
        let accepted = call_once_taken(&server, messages, &json!({})).await;
        assert_eq!(accepted.status(), 202);
        check_refused(server.call(messages, &large_call(&json!({}))).await).await;
        MAY_END.add_permits(1);
        read_until(&mut stream, "waited").await;
    }
    for _ in 0..2 {
        let token = json!({"progressToken": 1});
        let mut answer = call_once_taken(&server, "/mcp", &token).await;
        check_refused(server.call("/mcp", &large_call(&json!({}))).await).await;
        MAY_END.add_permits(1);
        read_until(&mut answer, "waited").await;
    }
}
