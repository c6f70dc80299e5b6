//! Requests until they are answered: one whose answer was lost on the way is asked for again where
//! that is safe, and otherwise its author is told that nobody knows how it ended.

use std::time::Duration;

use anyhow::anyhow;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{Effect, faults_of};
use crate::exit::{NobodyAnswers, UnknownOutcome};
use crate::in_commands::in_commands;
use crate::output;
use crate::unanswered::Unanswered;

/// How long the answer to a change is asked for again once it was lost: another control plane has
/// taken over by then, or this one was started again.
const ASKED_AGAIN_FOR: Duration = Duration::from_secs(15);

/// The time between two such questions.
const PAUSE: Duration = Duration::from_millis(500);

/// The management API's name for a request that is sent again while it runs.
const RUNNING: &str = "urn:portcullis:running";

/// Its name for a request that a control plane was doing when it ended.
const UNKNOWN_OUTCOME: &str = "urn:portcullis:unknown-outcome";

/// Why there is no answer that says it is done.
enum NoAnswer {
    /// Nothing took the request at this URL.
    Nobody(anyhow::Error, String),
    /// The request was sent; the answer did not come, or broke off.
    Lost(anyhow::Error),
    /// An earlier sending of it is not answered yet.
    Running(anyhow::Error),
    /// The control plane that did it has ended, and the next one cannot know.
    Unknown(anyhow::Error),
    /// The control plane refuses, or something else answers.
    Refused(anyhow::Error),
}

/// Sends a request until it is answered. What the control plane refuses becomes an error in its own
/// words, each fault of what was sent on a line of its own.
pub(super) async fn answer_to(
    client: &Client,
    request: reqwest::Request,
    effect: Effect,
) -> anyhow::Result<Value> {
    let url = request.url().to_string();
    let advice = place_to_look(request.url().path());
    let mut next = Some(request);
    let mut lost: Option<Instant> = None;
    loop {
        let Some(request) = next.take() else {
            return Err(anyhow!("the request cannot be sent again"));
        };
        if is_answered_once(&request) {
            next = request.try_clone();
        }
        let (cause, is_running) = match ask(client, request, effect).await {
            Ok(answer) => return Ok(answer),
            Err(NoAnswer::Refused(error)) => return Err(error),
            Err(NoAnswer::Unknown(cause)) => return Err(cause.context(UnknownOutcome { advice })),
            Err(NoAnswer::Nobody(cause, url)) if lost.is_none() => {
                return Err(cause.context(NobodyAnswers { url }));
            }
            Err(NoAnswer::Lost(cause)) if effect == Effect::Nothing => {
                return Err(cause.context(NobodyAnswers { url }));
            }
            Err(NoAnswer::Running(cause)) => (cause, true),
            Err(NoAnswer::Nobody(cause, _) | NoAnswer::Lost(cause)) => (cause, false),
        };
        let since = *lost.get_or_insert_with(|| {
            if next.is_some() {
                output::tell("the answer was lost on the way; it is asked for again");
            }
            Instant::now()
        });
        let patience = match is_running {
            true => super::JUDGED_WITHIN,
            false => ASKED_AGAIN_FOR,
        };
        if next.is_none() || since.elapsed() >= patience {
            return Err(cause.context(UnknownOutcome { advice }));
        }
        sleep(PAUSE).await;
    }
}

/// Whether the control plane does the request once, however often it is sent.
fn is_answered_once(request: &reqwest::Request) -> bool {
    request.headers().contains_key(super::IDEMPOTENCY_KEY)
}

async fn ask(
    client: &Client,
    request: reqwest::Request,
    effect: Effect,
) -> Result<Value, NoAnswer> {
    let url = request.url().to_string();
    let answer = client.execute(request).await.map_err(|error| {
        let why = Unanswered::of(&error);
        // One that stands by may have sent us on.
        let at = error.url().map_or_else(|| url.clone(), ToString::to_string);
        let error = anyhow!(error.without_url());
        match why {
            Unanswered::NobodyIsThere => NoAnswer::Nobody(error, at),
            Unanswered::Lost => NoAnswer::Lost(error),
            Unanswered::NoHttp => NoAnswer::Refused(
                error.context(format!("no control plane is at {url}: it speaks no HTTP")),
            ),
        }
    })?;
    let status = answer.status();
    let kind = answer.headers().get(CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
        // It would be waited for in vain.
        return Err(NoAnswer::Refused(anyhow!(
            "{url} is a stream without an end"
        )));
    }
    let body = answer.bytes().await;
    let body = body.map_err(|error| NoAnswer::Lost(anyhow!(error.without_url())))?;
    if status == StatusCode::NO_CONTENT {
        return Ok(Value::Null);
    }
    let said: Option<Value> = serde_json::from_slice(&body).ok();
    let foreign = || anyhow!("{url} answers {status}: no control plane is at this address");
    match said {
        Some(said) if status.is_success() => Ok(said),
        Some(said) => Err(refusal(&said).unwrap_or_else(|| NoAnswer::Refused(foreign()))),
        // Something between us and it has waited for its answer in vain.
        None if effect == Effect::Change
            && [StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT].contains(&status) =>
        {
            Err(NoAnswer::Lost(anyhow!("{url} answers {status}")))
        }
        None => Err(NoAnswer::Refused(foreign())),
    }
}

/// The refusal that a problem document is; none where it is something else.
fn refusal(problem: &Value) -> Option<NoAnswer> {
    let detail = in_commands(problem["detail"].as_str()?);
    let error = anyhow!("{detail}{}", faults_of(problem));
    Some(match problem["type"].as_str() {
        Some(RUNNING) => NoAnswer::Running(error),
        Some(UNKNOWN_OUTCOME) => NoAnswer::Unknown(error),
        _ => NoAnswer::Refused(error),
    })
}

/// The command that shows whether a change of this resource was made, in a sentence.
fn place_to_look(path: &str) -> String {
    let resource = path.strip_prefix("/api/v1/").unwrap_or_default();
    let command = match resource.split('/').next().unwrap_or_default() {
        "modules" => "modules list",
        "rollouts" => "rollout show",
        _ => "history",
    };
    format!("`portcullis {command}` shows what is there now")
}
