//! HTTP: MCP under `/mcp` in both protocol eras, the event streams of older clients beside it, and
//! `/health`.

mod account;
mod allowed_names;
mod answers;
mod bodies;
mod change_streams;
mod connections;
mod deadline;
mod door;
mod event_streams;
mod health;
mod incoming;
#[cfg(test)]
mod kept_bodies;
mod metrics_door;
mod open_files;
mod plain_calls;
mod principals;
mod repairs;
#[cfg(test)]
mod served;
mod session_requests;
mod sessions;
#[cfg(test)]
mod small_tools;
mod stream_places;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::handler::HandlerWithoutStateExt as _;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::response::sse::Event;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use http::header::ACCEPT;
use http::{HeaderMap, Method};
use http_front::{AnswerBudget, BodyReader};
use request_envelope::SessionId;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::background::BackgroundWork;
use crate::call::Claimant;
use crate::config::Config;
use crate::mcp::{Catalogue, Incoming, McpServer, RunningCalls};
use crate::services::Services;
use allowed_names::AllowedNames;
use change_streams::ChangeStreams;
use door::Door;
use event_streams::Streams;
use plain_calls::ShortWay;
use principals::PrincipalHeader;
use session_requests::{OpenQuestions, SessionRequests};
use sessions::{EndedSessions, Sessions};
use stream_places::StreamPlaces;

/// Bytes that one request may have; more is answered 413.
const MAX_REQUEST_BYTES: usize = 4 << 20;

/// Event streams that clients keep open at once. Each keeps one of the server's connections, so
/// they are few beside those.
const MOST_STREAMS: usize = 128;

/// Calls that run when the server is told to stop have this long to end; then they are cancelled.
const GRACE: Duration = Duration::from_secs(5);

/// Listens where the configuration says, and serves until `shutdown` fires; calls that run then may
/// end within a few seconds.
///
/// Boxed, as all ways into the server are: whoever polls a future by its type compiles everything
/// in it once more.
///
/// # Errors
/// When a setting cannot be understood or the address cannot be bound; never because a service
/// behind the tools is down.
pub fn serve(
    config: Config,
    shutdown: CancellationToken,
) -> BoxFuture<'static, anyhow::Result<()>> {
    Box::pin(async move {
        open_files::allow_many();
        let address = config.listen_address();
        let listener = http_front::listen(address).with_context(|| {
            format!("cannot listen on `{address}`; set MCP_SERVER_ADDRESS to a free address")
        })?;
        serve_on(listener, &config, shutdown).await
    })
}

/// Serves on a listener that the caller has bound already.
///
/// # Errors
/// When a setting cannot be understood, or the listener has no address.
pub fn serve_on(
    listener: TcpListener,
    config: &Config,
    shutdown: CancellationToken,
) -> BoxFuture<'_, anyhow::Result<()>> {
    Box::pin(async move {
        serve_catalogue(listener, config, Catalogue::offered(config)?, shutdown).await
    })
}

/// The same with other things on offer than this server's own.
///
/// # Errors
/// When a setting cannot be understood, a declared tool cannot run, or the listener has no address.
pub fn serve_catalogue(
    listener: TcpListener,
    config: &Config,
    catalogue: Catalogue,
    shutdown: CancellationToken,
) -> BoxFuture<'_, anyhow::Result<()>> {
    Box::pin(serve_until_stopped(listener, config, catalogue, shutdown))
}

async fn serve_until_stopped(
    listener: TcpListener,
    config: &Config,
    catalogue: Catalogue,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let services = Arc::new(Services::new(config)?);
    catalogue.tools.check_declared(&services).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    metrics_door::open(config, Arc::clone(&services), shutdown.clone()).await?;
    let stop_calls = CancellationToken::new();
    let background = BackgroundWork::begin(&services, &catalogue.tools, &shutdown);
    let stopping = Stopping {
        begun: shutdown.clone(),
        calls: stop_calls.clone(),
    };
    let open = services.metrics.connections.clone();
    let router = router(config, catalogue, services, Budgets::default(), stopping);
    let stopping = shutdown.clone();
    let at_once = config
        .max_connections
        .unwrap_or_else(open_files::connections);
    let serving = connections::serve(listener, router, at_once, open, stopping);
    let too_long = async {
        shutdown.cancelled().await;
        tokio::time::sleep(GRACE).await;
        stop_calls.cancel();
        // For their last answers.
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    tokio::select! {
        () = serving => {}
        () = too_long => {}
    }
    // Tasks run on without a connection.
    stop_calls.cancel();
    background.end().await;
    Ok(())
}

/// The two moments at the end of the server.
#[derive(Debug, Clone, Default)]
struct Stopping {
    /// It was told to stop: nothing new begins.
    begun: CancellationToken,
    /// The calls that still run are cancelled.
    calls: CancellationToken,
}

/// The memory that all requests take together, and all answers.
#[derive(Debug, Clone)]
struct Budgets {
    bodies: BodyReader,
    answers: AnswerBudget,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            bodies: BodyReader::new(bodies::LIMITS),
            answers: AnswerBudget::new(answers::LIMITS),
        }
    }
}

fn router(
    config: &Config,
    catalogue: Catalogue,
    services: Arc<Services>,
    budgets: Budgets,
    stopping: Stopping,
) -> Router {
    let running = Arc::<RunningCalls>::default();
    let server = McpServer::new(
        Arc::new(catalogue),
        Arc::clone(&services),
        Arc::clone(&running),
        stopping.calls,
        incoming::find,
    );
    let principals = PrincipalHeader::of(config);
    let places = StreamPlaces::new(MOST_STREAMS, services.metrics.streams.clone());
    let counts = services.metrics.sessions.clone();
    let changes = Arc::new(ChangeStreams::new(
        places.clone(),
        counts.clone(),
        stopping.begun.clone(),
    ));
    let streams = Arc::new(Streams::new(
        server.clone(),
        counts.clone(),
        places,
        stopping.begun,
    ));
    let questions = Arc::<OpenQuestions>::default();
    let sessions = Arc::new(Sessions {
        server: server.clone(),
        running,
        questions: Arc::clone(&questions),
        changes: Arc::clone(&changes),
        counts,
        ended: EndedSessions::default(),
    });
    let served = server.clone();
    let in_sessions = SessionRequests::new(server.clone(), questions, Arc::clone(&changes));
    let transport = transport(config);
    let serve = move |sessions: bool| -> Mcp {
        let served = served.clone();
        StreamableHttpService::new(
            move || Ok(served.clone()),
            Arc::new(in_sessions.clone()),
            transport.clone().with_legacy_session_mode(sessions),
        )
    };
    let alone = serve(false);
    let names = AllowedNames::new(alone.clone());
    let endpoint = Arc::new(Endpoint {
        alone,
        in_sessions: serve(true),
        names: names.clone(),
        changes,
    });
    let Budgets { bodies, answers } = budgets;
    let old_pair = event_streams::routes(
        streams,
        principals.clone(),
        names.clone(),
        bodies.clone(),
        answers.clone(),
    );
    let answer = move |request: Request| Arc::clone(&endpoint).answer(request);
    let door = Door {
        reader: bodies,
        sessions,
        principals,
        answers,
        short_way: ShortWay::new(server, names.clone()),
    };
    Router::new()
        .nest_service("/mcp", answer.into_service())
        .layer(from_fn_with_state(Arc::new(door), door::pass))
        .route("/health", axum::routing::get(health::answer))
        .with_state((Arc::new(health::HealthDoor::new(services)), names))
        .merge(old_pair)
}

/// The transport of rmcp.
type Mcp = StreamableHttpService<McpServer, SessionRequests>;

/// The endpoint of streamable HTTP. rmcp's transport is there twice: for requests that stand alone,
/// and for those of sessions.
struct Endpoint {
    alone: Mcp,
    in_sessions: Mcp,
    names: AllowedNames,
    changes: Arc<ChangeStreams>,
}

impl Endpoint {
    async fn answer(self: Arc<Self>, request: Request) -> Response {
        let session = request.extensions().get::<SessionId>();
        match (request.method().clone(), session.map(ToString::to_string)) {
            (Method::POST, Some(_)) => session_requests::answer(&self.in_sessions, request).await,
            (Method::GET, Some(session)) if takes_events(request.headers()) => {
                let incoming = request.extensions().get::<Incoming>();
                let caller = incoming.map(|incoming| incoming.claimant.clone());
                let caller = caller.unwrap_or_default();
                self.tell_changes(session, caller, request).await
            }
            _ => self.alone.handle(request).await.map(Body::new),
        }
    }

    /// Opens the stream on which a session hears of changes. Where there is no place for one more,
    /// there is none for this session, and its client goes on without.
    async fn tell_changes(&self, session: String, caller: Claimant, get: Request) -> Response {
        if let Err(refusal) = self.names.check(get.uri(), get.headers()).await {
            return *refusal;
        }
        match self.changes.open(session, caller) {
            Some(changed) => event_streams::respond(changed.map(|uri| told(&uri))),
            None => self.alone.handle(get).await.map(Body::new),
        }
    }
}

fn takes_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter();
    let mut accepted = accepted.filter_map(|value| value.to_str().ok());
    accepted.any(|value| value.contains("text/event-stream") || value.contains("*/*"))
}

/// The event that tells of a change.
fn told(uri: &str) -> Event {
    let method = "notifications/resources/updated";
    let told = json!({"jsonrpc": "2.0", "method": method, "params": {"uri": uri}});
    Event::default().data(told.to_string())
}

fn transport(config: &Config) -> StreamableHttpServerConfig {
    let any = |list: &[String]| list.iter().any(|entry| entry == "*");
    // An answer is one JSON object, sent when it is whole, unless something is said before it. No
    // event has an id to come back for, so no stream begins with one.
    let mut transport = StreamableHttpServerConfig::default()
        .with_json_response(true)
        .with_sse_retry(None)
        .with_max_request_body_bytes(MAX_REQUEST_BYTES);
    transport = if any(&config.allowed_hosts) {
        transport.disable_allowed_hosts()
    } else {
        transport.with_allowed_hosts(&config.allowed_hosts)
    };
    if any(&config.allowed_origins) {
        transport.disable_allowed_origins()
    } else {
        transport
            .with_allowed_origins(&config.allowed_origins)
            .enforce_origin_validation()
    }
}
