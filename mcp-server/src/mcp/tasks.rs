//! The methods of the extension for tasks (MCP 2026-07-28, SEP-2663), and tasks as they have them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    DetailedTask, ErrorData, GetTaskResult, InputRequests, InputResponses, JsonObject, Task,
    TaskPayload,
};
use rmcp::service::{RequestContext, RoleServer};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::audit::{Line, NoResult};
use super::calls::MAY_HAVE_CHANGED;
use super::inputs::ANSWERED_WITHIN;
use super::server::McpServer;
use super::{RawResult, answer, memory};
use crate::call::{Call, Principal, spell_time};
use crate::kept_tasks::{
    Beginning, NotAnswered, NotBegun, TaskOutcome, TaskPlace, TaskState, TaskStore, TaskView,
    UnknownTask,
};
use crate::tools::{Output, ToolFailure};

/// Milliseconds between two looks of a client: nobody who has waited for seconds notices one more,
/// and a look costs little.
const POLL_INTERVAL_MS: u64 = 1000;

impl McpServer {
    /// How far a task of the caller is, with its answer where it has one.
    pub(super) async fn look_at_task(
        &self,
        id: String,
        context: &RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let incoming = self.incoming(context);
        let task = id.clone();
        let look = move |store: &TaskStore, owner: Option<&str>| store.look(&task, owner);
        let view = self.in_task_store(incoming.principal.clone(), look).await;
        // Its client looks every second: the line of the call tells of it, and none of a look.
        let view = view.map_err(|error| error.logged(&incoming, "tasks/get"))?;
        let mut result = GetTaskResult::new(to_wire(id, view, incoming.raw_result.as_deref()));
        result.meta = Some(answer::stamp(Some(&incoming.id)));
        Ok(result)
    }

    /// Gives a task of the caller the answers to what it asks.
    pub(super) async fn answer_task(
        &self,
        id: String,
        answers: InputResponses,
        context: &RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let incoming = self.incoming(context);
        let line = Line::begin(&incoming, "tasks/update");
        let principal = incoming.principal.clone();
        let answered = async {
            memory::check_answers(&answers)?;
            let answer =
                move |store: &TaskStore, owner: Option<&str>| store.answer(&id, owner, answers);
            self.in_task_store(principal, answer).await
        };
        line.end_request(answered.await)
    }

    /// Stops the work of a task of the caller. What has ended stays as it ended.
    pub(super) async fn stop_task(
        &self,
        id: String,
        context: &RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let incoming = self.incoming(context);
        let line = Line::begin(&incoming, "tasks/cancel");
        let stop = move |store: &TaskStore, owner: Option<&str>| store.cancel(&id, owner);
        line.end_request(self.in_task_store(incoming.principal.clone(), stop).await)
    }

    async fn in_task_store<T: Send + 'static>(
        &self,
        principal: Principal,
        work: impl FnOnce(&TaskStore, Option<&str>) -> Result<T, UnknownTask> + Send + 'static,
    ) -> Result<T, NoResult> {
        let store = Arc::clone(&self.services.tasks);
        let done = tokio::task::spawn_blocking(move || work(&store, principal.owner())).await;
        match done {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(unknown)) => {
                let error = ErrorData::invalid_params(unknown.to_string(), None);
                Err(NoResult::Unknown(error))
            }
            Err(error) => {
                let error = ErrorData::internal_error(error.to_string(), None);
                Err(NoResult::Failed(error))
            }
        }
    }
}

/// A task as its client reads it. A structured answer goes into `raw_result` where there is one.
pub(super) fn to_wire(id: String, view: TaskView, raw_result: Option<&RawResult>) -> DetailedTask {
    let (message, payload) = match view.state {
        TaskState::Working(report) => (report, TaskPayload::Working),
        TaskState::Asking(input_requests) => (None, TaskPayload::InputRequired { input_requests }),
        TaskState::Over(TaskOutcome::Cancelled(message)) => (message, TaskPayload::Cancelled),
        TaskState::Over(TaskOutcome::Failed(error)) => failure(error),
        TaskState::Lost { tool, changes } => failure(object(&lost(&tool, changes))),
        TaskState::Over(TaskOutcome::Completed {
            mut result,
            structured,
        }) => {
            if let Some(bytes) = structured {
                let value = match raw_result {
                    Some(raw_result) => raw_result.keep(bytes),
                    None => serde_json::from_slice(&bytes).unwrap_or_default(),
                };
                result.insert("structuredContent".to_owned(), value);
            }
            (None, TaskPayload::Completed { result })
        }
    };
    let (created, updated) = (view.times.created_ms, view.times.updated_ms);
    let mut task = Task::new(
        id,
        payload.status(),
        spell_date(created),
        spell_date(updated),
    )
    .with_ttl_ms(view.times.ttl_ms)
    .with_poll_interval_ms(POLL_INTERVAL_MS);
    task.status_message = message;
    DetailedTask::new(task, payload)
}

fn failure(error: JsonObject) -> (Option<String>, TaskPayload) {
    let message = error.get("message").and_then(Value::as_str);
    (
        message.map(ToOwned::to_owned),
        TaskPayload::Failed { error },
    )
}

fn spell_date(milliseconds: i64) -> String {
    let date = OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000);
    let date = date.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    date.format(&Rfc3339).unwrap_or_default()
}

fn lost(tool: &str, changes: bool) -> ErrorData {
    let remedy = match changes {
        true => MAY_HAVE_CHANGED,
        false => "call it again",
    };
    let message = format!(
        "the server was restarted while it worked on this call of `{tool}`, or could not write \
         down how it ended: the call is lost; {remedy}"
    );
    ErrorData::internal_error(message, None)
}

/// The end of a task whose work outlasted it.
pub(super) fn out_of_time(given: Duration, may_have_changed: bool) -> TaskOutcome {
    let given = spell_time(given);
    let remedy = match may_have_changed {
        true => format!("; {MAY_HAVE_CHANGED}"),
        false => String::new(),
    };
    let message = format!(
        "the work was not over within the {given} for which this server keeps a task, and was \
         stopped{remedy}"
    );
    failed(&ErrorData::internal_error(message, None))
}

/// The end of a task that its caller stopped.
pub(super) fn cancelled(may_have_changed: bool) -> TaskOutcome {
    TaskOutcome::Cancelled(
        may_have_changed.then(|| format!("it was cancelled; {MAY_HAVE_CHANGED}")),
    )
}

/// The failure of a call whose task has asked something that nobody answered.
pub(super) fn not_answered() -> ToolFailure {
    let waited = spell_time(ANSWERED_WITHIN);
    let message =
        format!("nobody answered within {waited} what the task asked, and nothing was done");
    ToolFailure::new("not_answered", message)
        .with_hint("call again, and answer its questions by tasks/update")
}

/// The end of a task whose call has an answer.
pub(super) fn completed(result: Result<Output, ToolFailure>, call: &Call) -> TaskOutcome {
    let structured = RawResult::default();
    let mut answer = answer::to_call(result, &call.revision, Some(&structured));
    answer.meta = Some(answer::stamp(Some(&call.request_id)));
    answer.structured_content = None;
    TaskOutcome::Completed {
        result: object(&answer),
        structured: structured.take(),
    }
}

/// The end of a task whose call has an error of JSON-RPC in the place of an answer.
pub(super) fn failed(error: &ErrorData) -> TaskOutcome {
    TaskOutcome::Failed(object(error))
}

fn object(value: &impl Serialize) -> JsonObject {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        _ => JsonObject::new(),
    }
}

/// Puts questions to the client of a task. A name is used once in the life of a task, so those of
/// later rounds carry the number of the round.
pub(super) async fn ask(
    place: &TaskPlace,
    questions: InputRequests,
    round: u64,
) -> Result<BTreeMap<String, Value>, NotAnswered> {
    let prefix = match round {
        1 => String::new(),
        round => format!("{round}-"),
    };
    let questions = questions.into_iter();
    let questions = questions.map(|(name, question)| (format!("{prefix}{name}"), question));
    let answers = place.ask(questions.collect(), ANSWERED_WITHIN).await?;
    let answers = answers.into_iter().map(|(name, answer)| {
        let own = name.strip_prefix(&prefix).unwrap_or(&name);
        (own.to_owned(), answer)
    });
    Ok(answers.collect())
}

/// Begins a task, where the disk keeps nobody else waiting.
pub(super) async fn begin(
    store: &Arc<TaskStore>,
    beginning: Beginning,
) -> Result<TaskPlace, NotBegun> {
    let store = Arc::clone(store);
    let begun = tokio::task::spawn_blocking(move || store.begin(beginning)).await;
    begun.unwrap_or_else(|error| Err(NotBegun::Disk(error.into())))
}

/// Writes down how a task ended, or that its answer could not be kept.
pub(super) async fn write_end(place: TaskPlace, outcome: TaskOutcome, call: Call) {
    let written = tokio::task::spawn_blocking(move || {
        let Err(error) = place.end(outcome) else {
            return Ok(());
        };
        tracing::warn!(%error, "the answer of a task is not kept");
        let message = format!("the work is done, but its answer is not kept: {error}");
        let failure = ToolFailure::new("not_kept", message).with_hint("ask for less at once");
        place.end(completed(Err(failure), &call))
    });
    if let Ok(Err(error)) = written.await {
        tracing::error!(%error, "the end of a task is not written down");
    }
}
