//! Requests of sessions whose calls have something to ask, or to say, before their answers.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use serde_json::json;

use super::*;
use crate::call::{Call, ClientAbilities, Principal, Severity};
use crate::mcp::Catalogue;
use crate::metrics::SessionCounts;
use crate::services::{Services, nowhere};
use crate::tools::{Effect, Output, Registry, ToolFailure};
use crate::transport::http::incoming;
use crate::transport::http::small_tools::{Small, SmallTool};
use crate::transport::http::stream_places::StreamPlaces;

/// A tool that has something to say to its client's log.
struct Logging;

impl SmallTool for Logging {
    const NAME: &'static str = "log";
    const LOGS: bool = true;

    async fn run(call: &Call) -> Result<Output, ToolFailure> {
        call.log.log(Severity::Debug, "debug").await;
        call.log.log(Severity::Info, "info").await;
        Ok(Output::new(&json!({}), "logged"))
    }
}

/// A tool that is not called before its user says yes.
struct Destroying;

impl SmallTool for Destroying {
    const NAME: &'static str = "destroy";
    const EFFECT: Effect = Effect::Destroys;

    async fn run(_: &Call) -> Result<Output, ToolFailure> {
        Err(ToolFailure::new("not_confirmed", "ask").with_question("Really?"))
    }
}

fn requests() -> SessionRequests {
    let services = Services::new(&nowhere()).expect("good settings");
    let catalogue = Catalogue {
        tools: Registry::default()
            .with::<Small<Destroying>>()
            .with::<Small<Logging>>(),
        ..Catalogue::default()
    };
    let server = McpServer::new(
        Arc::new(catalogue),
        Arc::new(services),
        Arc::default(),
        CancellationToken::new(),
        incoming::find,
    );
    let places = StreamPlaces::new(1, Gauge::default());
    let (counts, stopping) = (SessionCounts::default(), CancellationToken::new());
    let changes = ChangeStreams::new(places, counts, stopping);
    SessionRequests::new(server, Arc::default(), Arc::new(changes))
}

/// A request in the session, as rmcp's front hands it on, and the place for its whole answer.
fn request(session: &SessionId, method: &str, params: &Value) -> Asking {
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let mut message = serde_json::from_value(message).expect("a request");
    let whole = WholeAnswer::default();
    if let ClientJsonRpcMessage::Request(request) = &mut message {
        let mut head = http::Request::new(());
        head.extensions_mut().insert(session.clone());
        head.extensions_mut().insert(whole.clone());
        head.extensions_mut().insert(Incoming {
            session: Some(session.to_string()),
            ..Incoming::default()
        });
        let parts = head.into_parts().0;
        request.request.extensions_mut().insert(parts);
    }
    Asking { message, whole }
}

struct Asking {
    message: ClientJsonRpcMessage,
    whole: WholeAnswer,
}

/// A session whose client can ask its user.
fn session() -> SessionId {
    let abilities = ClientAbilities {
        elicitation: true,
        ..ClientAbilities::default()
    };
    SessionId::new(
        ProtocolVersion::V_2025_11_25,
        abilities,
        &Principal::Anonymous,
    )
}

/// The messages that come for a request, the whole answer among them.
async fn messages(
    requests: &SessionRequests,
    session: &SessionId,
    method: &str,
    params: Value,
) -> Vec<Value> {
    let id = SessionText::from(session.to_string());
    let Asking { message, whole } = request(session, method, &params);
    let events = requests.create_stream(&id, message).await;
    let events: Vec<_> = events.expect("a stream").collect().await;
    let told = events.into_iter().filter_map(|event| event.message);
    let told = told.map(|told| serde_json::to_value(&*told).expect("JSON"));
    let whole = whole.take();
    let whole = whole.map(|whole| serde_json::to_value(whole).expect("JSON"));
    told.chain(whole).collect()
}

#[tokio::test]
async fn it_tells_the_log_of_a_session_what_its_client_has_asked_for() {
    let (requests, session) = (requests(), session());
    let call = json!({"name": "log", "arguments": {}});
    let unasked = messages(&requests, &session, "tools/call", call.clone()).await;
    assert_eq!(unasked.len(), 1, "{unasked:?}");
    let level = json!({"level": "info"});
    let set = messages(&requests, &session, "logging/setLevel", level).await;
    assert_eq!(set[0]["result"], json!({}), "{set:?}");
    let told = messages(&requests, &session, "tools/call", call).await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0]["method"], json!("notifications/message"));
    let logged = json!({"level": "info", "logger": "portcullis", "data": "info"});
    assert_eq!(told[0]["params"], logged);
    assert_eq!(told[1]["id"], json!(1));
}

#[tokio::test]
async fn it_gives_up_the_question_of_a_client_that_goes_away() {
    let (requests, session) = (requests(), session());
    let id = SessionText::from(session.to_string());
    let call = json!({"name": "destroy", "arguments": {}});
    let asking = request(&session, "tools/call", &call);
    let stream = requests.create_stream(&id, asking.message).await;
    let mut stream = Box::pin(stream.expect("a stream"));
    let first = stream.next().await.expect("a question");
    let question = first.message.as_deref();
    assert!(matches!(question, Some(JsonRpcMessage::Request(_))));
    assert_eq!(requests.questions.count(), 1);
    drop(stream);
    let given_up = async {
        while requests.questions.count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), given_up).await;
    waited.expect("the question is given up");
}
