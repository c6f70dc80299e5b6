//! Spark jobs as the job tools show them, and their failures.

use serde::Deserialize;
use serde_json::{Value, json};

use super::ToolFailure;
use crate::jobs::{ExecutorMetrics, Job, JobId, JobState};

/// The arguments of a tool that needs nothing but a job.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneJob {
    pub(super) job_id: String,
}

impl OneJob {
    /// The id that the caller wrote; nothing else than an id names a job.
    pub(super) fn id(&self) -> Result<JobId, ToolFailure> {
        self.job_id.parse().map(JobId).map_err(|_| self.unknown())
    }

    /// There is no such job, or it is not the caller's.
    pub(super) fn unknown(&self) -> ToolFailure {
        ToolFailure::not_found(format!("there is no job `{}`", self.job_id))
            .with_hint("list_spark_jobs lists them")
    }
}

/// The schema of [`OneJob`].
pub(super) fn one_job_schema() -> Value {
    json!({
        "type": "object",
        "properties": {"job_id": {"type": "string", "minLength": 1}},
        "required": ["job_id"],
        "additionalProperties": false
    })
}

/// The states, for schemas.
pub(super) fn states() -> Vec<&'static str> {
    JobState::ALL.map(JobState::as_str).to_vec()
}

/// A job in a list.
pub(super) fn brief(job: &Job) -> Value {
    json!({
        "job_id": job.id.to_string(),
        "status": job.state.as_str(),
        "progress": job.progress.percent(job.state),
        "script": job.script,
        "submitted_at": job.times.created,
        "finished_at": job.times.finished,
    })
}

/// The schema of [`brief`].
pub(super) fn brief_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "job_id": {"type": "string"},
            "status": {"enum": states()},
            "progress": {"type": ["integer", "null"]},
            "script": {"type": "string"},
            "submitted_at": {"type": "string"},
            "finished_at": {"type": ["string", "null"]}
        }
    })
}

/// Everything about a job.
pub fn full(job: &Job) -> Value {
    let mut view = brief(job);
    view["args"] = json!(job.arguments);
    view["conf"] = json!(job.conf);
    view["started_at"] = json!(job.times.started);
    view["updated_at"] = json!(job.times.updated);
    view["submission_id"] = json!(job.submission_id);
    view["application_id"] = json!(job.application_id);
    view["tasks"] = json!({
        "total": job.progress.tasks,
        "done": job.progress.tasks_done,
        "running": job.progress.tasks_running,
        "failed": job.progress.tasks_failed,
    });
    view["stages"] = json!({"total": job.progress.stages, "done": job.progress.stages_done});
    view["executors"] = json!(job.executors);
    view["max_run_seconds"] = json!(job.max_run_seconds);
    view["idempotency_key"] = json!(job.idempotency.as_ref().map(|given| &given.key));
    view["message"] = json!(job.message);
    view["error"] = json!(job.error_tail);
    view
}

/// The schema of [`full`].
pub(super) fn full_schema() -> Value {
    let mut schema = brief_schema();
    let count = json!({"type": "integer"});
    let text = json!({"type": ["string", "null"]});
    let more = [
        (
            "progress",
            json!({"type": ["integer", "null"],
                "description": "Percent; below 100 until it finished"}),
        ),
        (
            "args",
            json!({"type": "array", "items": {"type": "string"}}),
        ),
        ("conf", json!({"type": "object"})),
        ("started_at", text.clone()),
        ("updated_at", json!({"type": "string"})),
        ("submission_id", text.clone()),
        ("application_id", text.clone()),
        (
            "tasks",
            json!({
                "type": "object",
                "properties": {"total": count, "done": count, "running": count, "failed": count}
            }),
        ),
        (
            "stages",
            json!({
                "type": "object",
                "properties": {"total": count, "done": count}
            }),
        ),
        (
            "executors",
            json!({"type": "array", "items": {"type": "object"},
                "description": "As last seen: tasks, ms, bytes"}),
        ),
        ("max_run_seconds", json!({"type": ["integer", "null"]})),
        ("idempotency_key", text.clone()),
        ("message", text),
        // The failure of a call has an object here.
        ("error", json!({"type": ["string", "null", "object"]})),
    ];
    for (name, property) in more {
        schema["properties"][name] = property;
    }
    schema
}

/// A job in a line for a model.
pub fn line(job: &Job) -> String {
    let mut line = format!("{} {}", job.id, job.state.as_str());
    if let Some(percent) = job.progress.percent(job.state)
        && !job.state.is_final()
    {
        let progress = &job.progress;
        line += &format!(
            " {percent} % ({} of {} tasks)",
            progress.tasks_done, progress.tasks
        );
    }
    line
}

/// A job in a list, in a line for a model.
pub(super) fn line_of_list(job: &Job) -> String {
    format!("{}: {}, {}", line(job), job.script, spell_times(job))
}

/// All that is known of a job, line by line: what asks for something comes first.
pub(super) fn lines(job: &Job) -> Vec<String> {
    let progress = &job.progress;
    let mut lines = vec![line(job)];
    lines.extend(job.message.clone());
    let error = job.error_tail.iter().flat_map(|output| output.lines());
    lines.extend(error.map(ToOwned::to_owned));
    lines.push(format!("{}, {}", job.script, spell_times(job)));
    lines.push(format!(
        "tasks: {} of {} done, {} running, {} failed; stages: {} of {} done",
        progress.tasks_done,
        progress.tasks,
        progress.tasks_running,
        progress.tasks_failed,
        progress.stages_done,
        progress.stages,
    ));
    let most = job.max_run_seconds;
    lines.extend(most.map(|seconds| format!("it may run for {seconds} s")));
    if !job.arguments.is_empty() {
        lines.push(format!("arguments: {}", json!(job.arguments)));
    }
    if !job.conf.is_empty() {
        lines.push(format!("conf: {}", json!(job.conf)));
    }
    for (name, id) in [
        ("submission", &job.submission_id),
        ("application", &job.application_id),
    ] {
        lines.extend(id.iter().map(|id| format!("{name} {id}")));
    }
    lines.extend(job.executors.iter().map(describe_executor));
    lines
}

/// When a job was submitted, began and ended.
fn spell_times(job: &Job) -> String {
    let mut text = format!("submitted {}", job.times.created);
    for (word, time) in [("began", &job.times.started), ("over", &job.times.finished)] {
        if let Some(time) = time {
            text += &format!(", {word} {time}");
        }
    }
    text
}

/// One executor, as last seen.
fn describe_executor(executor: &ExecutorMetrics) -> String {
    let ExecutorMetrics {
        id,
        active,
        cores,
        tasks_running,
        tasks_done,
        tasks_failed,
        run_ms,
        gc_ms,
        memory_used,
        memory,
        input,
        shuffle_read,
        shuffle_write,
    } = executor;
    let gone = if *active { "" } else { ", gone" };
    format!(
        "executor {id}{gone}: {cores} cores; tasks: {tasks_done} done, {tasks_running} running, \
         {tasks_failed} failed; {run_ms} ms, {gc_ms} ms of them collecting garbage; storage \
         memory: {memory_used} of {memory} bytes; read {input} bytes, of shuffles \
         {shuffle_read}, wrote {shuffle_write} for shuffles"
    )
}
