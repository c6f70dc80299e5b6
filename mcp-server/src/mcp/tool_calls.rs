//! Calls of tools, from the request to its answer: a result, a question to the client, or a task
//! that outlives the request.
//!
//! A client that can follow tasks (2026-07-28, the extension for tasks) waits a little for each of
//! its calls. What is over by then is answered as for every other client; what is not becomes a
//! task, if the store has a place. A question is put into the answer before that, and into the task
//! after it.

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ClientCapabilities, CreateTaskResult, ErrorData,
};
use rmcp::service::{Peer, RoleServer};
use serde_json::{Value, json};
use tokio::task::JoinError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::asking::ask_client;
use super::audit::NoResult;
use super::calls::out_of_time;
use super::inputs::answerable;
use super::server::McpServer;
use super::task_reports::TaskReports;
use super::{RawResult, answer, confirmation, memory, tasks};
use crate::call::{Answers, Call, Cancelled, Deadline};
use crate::kept_tasks::{Beginning, NotAnswered, TaskOutcome, TaskPlace};
use crate::quotes::shorten_name;
use crate::tools::{Ask, Effect, Inputs, Output, ToolFailure};

/// Rounds of questions in one call of a session; no tool asks oftener than in a few.
const MOST_ROUNDS: usize = 8;

/// How one attempt at a call ended.
enum Attempt {
    /// It is over, well or not.
    Over(Result<Output, ToolFailure>),
    /// The client has to answer something first.
    Question(Inputs),
}

/// The method of every call here, under which the audit log has those that name no tool.
const METHOD: &str = "tools/call";

/// An attempt that runs by itself.
type Attempting = AbortOnDropHandle<Result<Attempt, NoResult>>;

/// The news that a client which can follow tasks has of its call.
enum Followed {
    /// It was over soon.
    Soon(Attempt),
    /// It became a task.
    Task(CreateTaskResult),
}

impl McpServer {
    /// The answer to a call of a client who is asked nothing but in the answer. Dropping the future
    /// cancels the call, unless it has become a task.
    pub(super) async fn answer_call(
        &self,
        request: CallToolRequestParams,
        mut call: Call,
        raw_result: Option<&RawResult>,
    ) -> Result<CallToolResponse, ErrorData> {
        let answered = self.answer_or_ask(request, &mut call, raw_result).await;
        answered.map_err(|error| error.logged(&call, METHOD))
    }

    async fn answer_or_ask(
        &self,
        mut request: CallToolRequestParams,
        call: &mut Call,
        raw_result: Option<&RawResult>,
    ) -> Result<CallToolResponse, NoResult> {
        memory::check_answers(request.input_responses.iter().flatten())?;
        let responses = request.input_responses.clone();
        let state = &request.request_state;
        let bound_to = || identity(&request, call);
        call.answers = self
            .seal
            .open(responses.as_ref(), state.as_deref(), bound_to)?;
        // A yes goes into the arguments, and is no part of what a state is given for.
        let answered = responses.is_some().then(|| identity(&request, call));
        if let Some(answers) = &responses {
            confirmation::take_answer(&mut request, answers);
        }
        let attempt = if call.client.tasks {
            match self.follow(&request, call).await? {
                Followed::Soon(attempt) => attempt,
                Followed::Task(task) => return Ok(task.into()),
            }
        } else {
            self.attempt(&request, call).await?
        };
        match attempt {
            Attempt::Over(result) => Ok(finished(result, call, raw_result)),
            Attempt::Question(inputs) => {
                let asked_by = answered.unwrap_or_else(|| identity(&request, call));
                let question = self.seal.ask(inputs, &asked_by);
                let mut question = question.map_err(NoResult::Logged)?;
                question.meta = Some(answer::stamp(Some(&call.request_id)));
                Ok(question.into())
            }
        }
    }

    /// The answer to a call of a client in a session, who can be asked meanwhile.
    pub(super) async fn answer_call_in_session(
        &self,
        request: CallToolRequestParams,
        mut call: Call,
        peer: &Peer<RoleServer>,
        raw_result: Option<&RawResult>,
    ) -> Result<CallToolResponse, ErrorData> {
        let answered = self
            .answer_and_ask(request, &mut call, peer, raw_result)
            .await;
        answered.map_err(|error| error.logged(&call, METHOD))
    }

    async fn answer_and_ask(
        &self,
        mut request: CallToolRequestParams,
        call: &mut Call,
        peer: &Peer<RoleServer>,
        raw_result: Option<&RawResult>,
    ) -> Result<CallToolResponse, NoResult> {
        let mut rounds = 0..MOST_ROUNDS;
        loop {
            let failure = match self.run_tool(&request, call).await? {
                Err(failure) if rounds.next().is_some() => failure,
                result => return Ok(finished(result, call, raw_result)),
            };
            let Some(_counted) = self.waiting_requests.count(&call.claimant, &request) else {
                return Ok(finished(Err(failure), call, raw_result));
            };
            if let Err(failure) = ask_client(failure, &mut request, call, peer).await {
                return Ok(finished(Err(failure), call, raw_result));
            }
        }
    }

    /// Runs the tool that a request names.
    ///
    /// # Errors
    /// There is no such tool.
    pub(super) async fn run_tool(
        &self,
        request: &CallToolRequestParams,
        call: &Call,
    ) -> Result<Result<Output, ToolFailure>, NoResult> {
        let arguments = request.arguments.clone().unwrap_or_default();
        let services = Arc::clone(&self.services);
        let tools = &self.catalogue.tools;
        let work = tools.run(&request.name, services, call.clone(), arguments);
        let (effect, work) = work.ok_or_else(|| {
            let message = format!(
                "there is no tool `{}`; tools/list names those there are",
                shorten_name(&request.name)
            );
            NoResult::Unknown(ErrorData::invalid_params(message, None))
        })?;
        let size = |output: &Output| output.structured.bytes().len();
        let span =
            tracing::info_span!("tool", request_id = call.request_id.0, tool = %request.name);
        let running = self.run(request.name.clone(), effect, call, size, work);
        Ok(running.instrument(span).await)
    }

    /// Makes a call, as far as it comes before its client has to answer something.
    async fn attempt(
        &self,
        request: &CallToolRequestParams,
        call: &Call,
    ) -> Result<Attempt, NoResult> {
        let failure = match self.run_tool(request, call).await? {
            Ok(output) => return Ok(Attempt::Over(Ok(output))),
            Err(failure) => failure,
        };
        let inputs = match failure.ask.as_deref() {
            None => None,
            Some(_) if !call.revision.is_stateless() => None,
            Some(Ask::Inputs(inputs)) => {
                answerable(inputs.clone(), call.client).map_err(NoResult::Logged)?
            }
            // A user who was asked has said no.
            Some(Ask::Confirmation(_)) if request.input_responses.is_some() => {
                return Ok(Attempt::Over(Err(confirmation::declined(&failure))));
            }
            Some(Ask::Confirmation(question)) => {
                let inputs = confirmation::inputs(question.clone());
                answerable(inputs, call.client).map_err(NoResult::Logged)?
            }
            Some(Ask::Task) => {
                let needed = ClientCapabilities::builder().enable_tasks().build();
                let error = ErrorData::missing_required_client_capability(needed);
                return Err(NoResult::Logged(error));
            }
        };
        Ok(match inputs {
            Some(inputs) => Attempt::Question(inputs),
            None => Attempt::Over(Err(failure)),
        })
    }

    fn begin_attempt(&self, request: &CallToolRequestParams, call: &Call) -> Attempting {
        let (server, request, call) = (self.clone(), request.clone(), call.clone());
        AbortOnDropHandle::new(tokio::spawn(async move {
            Box::pin(server.attempt(&request, &call)).await
        }))
    }

    /// Makes a call that becomes a task if it is not over soon. The time that the gateway gives the
    /// request is its client's to wait, not the work's.
    async fn follow(
        &self,
        request: &CallToolRequestParams,
        call: &mut Call,
    ) -> Result<Followed, NoResult> {
        let given_up = std::mem::replace(&mut call.cancelled, self.stopping.child_token());
        let gone = call.cancelled.clone().drop_guard();
        let deadline = call.deadline.take();
        let reports = TaskReports::instead_of(&mut call.progress);
        let soon = Instant::now() + self.services.task_config.after();
        let soon = deadline.map_or(soon, |deadline| soon.min(deadline.at));
        let mut attempting = self.begin_attempt(request, call);
        tokio::select! {
            biased;
            attempt = &mut attempting => return Ok(Followed::Soon(joined(attempt)?)),
            () = tokio::time::sleep_until(soon) => {}
            () = given_up.cancelled() => {
                call.cancelled.cancel();
                return Ok(Followed::Soon(joined(attempting.await)?));
            }
        }
        let effect = self.catalogue.tools.effect(&request.name);
        let effect = effect.unwrap_or(Effect::Reads);
        let beginning = Beginning {
            owner: call.principal.owner().map(ToOwned::to_owned),
            claimant: call.claimant.clone(),
            tool: request.name.to_string(),
            changes: effect != Effect::Reads,
            request_bytes: memory::memory_of(request.arguments.iter().flatten()),
            cancel: call.cancelled.clone(),
        };
        match tasks::begin(&self.services.tasks, beginning).await {
            Ok(place) => {
                gone.disarm();
                reports.go_to(place.reports());
                let seed = tasks::to_wire(place.id(), place.view(), None).task;
                let mut task = CreateTaskResult::new(seed);
                task.meta = Some(answer::stamp(Some(&call.request_id)));
                let server = self.clone();
                let work = server.see_through(place, attempting, request.clone(), call.clone());
                self.services.tasks.spawn(Box::pin(work));
                Ok(Followed::Task(task))
            }
            Err(error) => {
                tracing::warn!(%error, "a call is answered when it is over");
                let attempt = wait(attempting, call, &given_up, deadline, effect).await;
                Ok(Followed::Soon(attempt?))
            }
        }
    }

    /// Does the work of a task to its end, and writes down how it ended.
    async fn see_through(
        self,
        place: TaskPlace,
        attempting: Attempting,
        request: CallToolRequestParams,
        call: Call,
    ) {
        let (time, given) = (place.time_left(), self.services.task_config.ttl());
        let work = self.finish(&place, attempting, request, &call);
        let ended = tokio::time::timeout(time, work).await;
        call.cancelled.cancel();
        let outcome = match ended {
            Ok(Some(outcome)) => outcome,
            // Whoever asks after the restart hears that it was lost.
            _ if self.stopping.is_cancelled() => return,
            Ok(None) => tasks::cancelled(place.may_have_changed()),
            Err(_) => tasks::out_of_time(given, place.may_have_changed()),
        };
        tasks::write_end(place, outcome, call).await;
    }

    /// The end of the work of a task; nothing where it was stopped before.
    async fn finish(
        &self,
        place: &TaskPlace,
        mut attempting: Attempting,
        mut request: CallToolRequestParams,
        call: &Call,
    ) -> Option<TaskOutcome> {
        let mut call = call.clone();
        for round in 1_u64.. {
            let inputs = match joined(attempting.await) {
                Ok(Attempt::Question(inputs)) => inputs,
                Ok(Attempt::Over(Err(_))) if call.cancelled.is_cancelled() => break,
                Ok(Attempt::Over(result)) => return Some(tasks::completed(result, &call)),
                Err(error) => return Some(tasks::failed(&error.logged(&call, METHOD))),
            };
            let answers = match tasks::ask(place, inputs.requests, round).await {
                Ok(answers) => answers,
                Err(NotAnswered::Stopped) => break,
                Err(NotAnswered::Late) => {
                    return Some(tasks::completed(Err(tasks::not_answered()), &call));
                }
            };
            confirmation::take_answer(&mut request, &answers);
            request.input_responses = Some(answers.clone());
            call.answers = Answers::new(Some(answers), inputs.state);
            attempting = self.begin_attempt(&request, &call);
        }
        None
    }
}

/// Waits for a call that could not become a task, for as long as its request has.
async fn wait(
    attempting: Attempting,
    call: &Call,
    given_up: &CancellationToken,
    deadline: Option<Deadline>,
    effect: Effect,
) -> Result<Attempt, NoResult> {
    let late = async {
        match deadline {
            Some(deadline) => {
                deadline.over().await;
                out_of_time(deadline.given, effect)
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        attempt = attempting => joined(attempt),
        late = late => {
            call.cancelled.cancel();
            Ok(Attempt::Over(Err(late)))
        }
        () = given_up.cancelled() => {
            call.cancelled.cancel();
            Ok(Attempt::Over(Err(Cancelled.into())))
        }
    }
}

/// The end of an attempt, which is stopped from outside only together with whoever waits for it.
fn joined(ended: Result<Result<Attempt, NoResult>, JoinError>) -> Result<Attempt, NoResult> {
    ended.unwrap_or_else(|error| {
        let message = format!("the call ended in a way that it should not: {error}");
        // Whoever dropped it has had the line written that it was given up.
        Err(NoResult::Logged(ErrorData::internal_error(message, None)))
    })
}

/// All that a state which travels to a client and back is given for.
fn identity(request: &CallToolRequestParams, call: &Call) -> Value {
    json!([call.principal.owner(), &request.name, &request.arguments])
}

fn finished(
    result: Result<Output, ToolFailure>,
    call: &Call,
    raw_result: Option<&RawResult>,
) -> CallToolResponse {
    let mut answer = answer::to_call(result, &call.revision, raw_result);
    answer.meta = Some(answer::stamp(Some(&call.request_id)));
    answer.into()
}
