//! The calls that requests make: begun with what the transport knows, ended in time, counted and
//! logged.

use std::borrow::Cow;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use rmcp::model::ClientCapabilities;
use rmcp::service::{RequestContext, RoleServer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::server::McpServer;
use super::{CallGuard, Incoming, audit, client_logs, progress};
use crate::call::{Answers, Call, ClientAbilities, ClientLog, Progress, Revision, spell_time};
use crate::tools::{Effect, ToolFailure};

/// The things that must live as long as a call runs.
type CallGuards = (AbortOnDropHandle<()>, Option<CallGuard>);

impl McpServer {
    /// The facts that the transport told of a request.
    pub(super) fn incoming(&self, context: &RequestContext<RoleServer>) -> Incoming {
        (self.find_incoming)(&context.extensions).unwrap_or_default()
    }

    /// The call that a request makes, and what must live as long as it runs.
    pub(super) fn receive(
        &self,
        incoming: Incoming,
        context: &RequestContext<RoleServer>,
    ) -> (Call, CallGuards) {
        let (cancelled, watch) = either(&context.ct, &self.stopping);
        let guard = incoming.session.clone().map(|session| {
            self.running
                .enter(session, context.id.clone(), cancelled.clone())
        });
        let revision = Revision::named(context.protocol_version());
        let capabilities = context.client_capabilities().unwrap_or_default();
        let mut call = self.quiet_call(incoming, revision, &capabilities, cancelled);
        call.progress = progress::of_request(context);
        let session = call.session.as_deref();
        call.log = client_logs::of_request(&self.log_levels, session, context);
        // What is said before an answer is said in the same stream.
        call.takes_short_answers |= call.progress.is_heard() || call.log.is_heard();
        (call, (watch, guard))
    }

    /// A call of which nothing is said before its answer.
    pub(super) fn quiet_call(
        &self,
        incoming: Incoming,
        revision: Revision,
        capabilities: &ClientCapabilities,
        cancelled: CancellationToken,
    ) -> Call {
        Call {
            claimant: incoming.claimant.clone(),
            request_id: incoming.id,
            principal: incoming.principal,
            audit: incoming.audit,
            client: self.usable_abilities(capabilities, &revision),
            revision,
            session: incoming.session,
            cancelled,
            deadline: incoming.deadline,
            answers: Answers::default(),
            progress: Progress::default(),
            log: ClientLog::default(),
            takes_short_answers: incoming.takes_short_answers,
        }
    }

    /// The abilities of a client of this revision that this server makes use of.
    fn usable_abilities(
        &self,
        capabilities: &ClientCapabilities,
        revision: &Revision,
    ) -> ClientAbilities {
        let abilities = ClientAbilities::from(capabilities);
        let can_have_tasks = revision.is_stateless() && self.services.task_config.enabled;
        ClientAbilities {
            tasks: abilities.tasks && can_have_tasks,
            ..abilities
        }
    }

    /// Runs one call of what is named within its time, counts and logs it. `size` tells the bytes
    /// of a result.
    /// A call that is stopped may have had its effect, if it has one.
    pub(super) async fn run<T>(
        &self,
        name: impl Into<Cow<'static, str>>,
        effect: Effect,
        call: &Call,
        size: impl FnOnce(&T) -> usize,
        work: impl Future<Output = Result<T, ToolFailure>>,
    ) -> Result<T, ToolFailure> {
        // Boxed, since the stack of a thread has no room for what some prompts read.
        let work = AssertUnwindSafe(Box::pin(work))
            .catch_unwind()
            .map(|ended| {
                ended.unwrap_or_else(|_| Err(ToolFailure::new(
                "internal",
                "the call failed in a way that it should not; the server's log has it under this \
                 call's id",
            )))
            });
        let name = name.into();
        let running = self.services.calls.begin(name.clone());
        let line = audit::Line::begin(call, &name);
        let result = match call.deadline {
            None => work.await,
            Some(deadline) => tokio::select! {
                result = work => result,
                () = deadline.over() => {
                    call.cancelled.cancel();
                    Err(out_of_time(deadline.given, effect))
                }
            },
        };
        let result = result.map_err(ToolFailure::shortened);
        let took = running.end(result.is_ok());
        let code = result.as_ref().err().map(|failure| failure.code.as_str());
        self.services.metrics.note_call(&name, took, code);
        line.end(
            took,
            code.map_or_else(|| Ok(result.as_ref().map_or(0, size)), Err),
        );
        log(result.as_ref().err(), took);
        result.map_err(|failure| self.catalogue.tools.without_absent_tools(failure))
    }
}

/// A line for each call that failed. What only its caller did wrong is no warning.
fn log(failure: Option<&ToolFailure>, took: Duration) {
    let Some(failure) = failure else { return };
    let (ms, code, error) = (took.as_secs_f64() * 1e3, &failure.code, &failure.message);
    match &failure.log {
        None => tracing::info!(ms, code, error, "failed"),
        Some(log) => tracing::warn!(ms, code, error, log, "failed"),
    }
}

/// The advice for a call with an effect of whose end nobody knows.
pub(super) const MAY_HAVE_CHANGED: &str =
    "it may have had its effect: see whether it has before you call it again";

/// The failure of a call that was stopped because its time was over.
pub(super) fn out_of_time(given: Duration, effect: Effect) -> ToolFailure {
    let given = spell_time(given);
    let message = format!(
        "the call was not over within the {given} that the gateway gives it, and was stopped"
    );
    let hint = match effect {
        Effect::Reads => "ask for less at once; submit_spark_job runs long work",
        Effect::Adds | Effect::Destroys => MAY_HAVE_CHANGED,
    };
    ToolFailure::new("timeout", message).with_hint(hint)
}

/// A token that fires when the call is cancelled or the server stops, and the watch that makes it
/// so.
/// rmcp cancels a call when its client goes away.
fn either(
    cancelled: &CancellationToken,
    stopping: &CancellationToken,
) -> (CancellationToken, AbortOnDropHandle<()>) {
    let either = cancelled.child_token();
    let (fire, stopping) = (either.clone(), stopping.clone());
    let watch = AbortOnDropHandle::new(tokio::spawn(async move {
        stopping.cancelled().await;
        fire.cancel();
    }));
    (either, watch)
}
