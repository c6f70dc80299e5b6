//! `portcullis rollout`: how changes reach Envoys wave by wave, and what an operator wants of it.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::answer::{items, text, to_the_second};
use crate::changes::rows::judged;
use crate::control_plane::{Asked, Body, ChangeArguments, ControlPlane, Request, segment};
use crate::exit::REFUSED;
use crate::table::Table;
use crate::watch::{LOOK_EVERY, Look, watch};

/// The things that can be done with rollouts.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the rollouts, the newest first
    List(List),
    /// Show a rollout: its waves, and where their Envoys stand
    Show(Show),
    /// Let no wave end by itself
    Pause(Steer),
    /// Let waves end by themselves again
    Resume(Steer),
    /// End the wave in hand as soon as its Envoys have acknowledged, or let it begin if it waits
    Promote(Steer),
    /// Take its Envoys back to the generation before it
    Abort(Abort),
}

/// The rollouts to list.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    asked: Asked,
}

/// The rollout to look at.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The name of the rollout, or the number of its revision [default: the newest]
    id: Option<String>,
    /// Show it again whenever it changes, until it is over
    #[arg(long, short)]
    watch: bool,
    #[command(flatten)]
    asked: Asked,
}

/// The rollout to steer, and who steers it.
#[derive(Debug, Args)]
pub(crate) struct Steer {
    /// The name of the rollout, or the number of its revision [default: the newest]
    id: Option<String>,
    #[command(flatten)]
    change: ChangeArguments,
}

/// The rollout to end.
#[derive(Debug, Args)]
pub(crate) struct Abort {
    /// Calls may pass afterwards that are refused now
    #[arg(long)]
    allow_loosening: bool,
    #[command(flatten)]
    steer: Steer,
}

/// Runs the subcommand; the exit status tells whether it succeeded.
pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(List { asked }) => {
            let answer = async { asked.control_plane()?.get_all("rollouts").await };
            asked.show_answer(answer.await, rollouts)
        }
        Command::Show(show) => look_at(show).await,
        Command::Pause(steering) => steer(steering, "pause", None).await,
        Command::Resume(steering) => steer(steering, "resume", None).await,
        Command::Promote(steering) => steer(steering, "promote", None).await,
        Command::Abort(abort) => {
            let body = Body::Json(json!({"allow_loosening": abort.allow_loosening}));
            steer(abort.steer, "abort", Some(body)).await
        }
    }
}

/// The state of a rollout that has reached every wave.
const ACCEPTED: &str = "accepted";
/// The states of one that has ended before.
const FAILED: [&str; 4] = ["taken_back", "aborted", "kept", "superseded"];

async fn look_at(show: Show) -> anyhow::Result<ExitCode> {
    let Show {
        id,
        watch: follows,
        asked,
    } = show;
    if !follows {
        let answer = async {
            let control_plane = asked.control_plane()?;
            let resource = resource_of(&control_plane, id.as_deref()).await?;
            control_plane.get(&resource).await
        };
        return asked.show_answer(answer.await, waves);
    }
    let control_plane = asked.control_plane()?;
    let resource = resource_of(&control_plane, id.as_deref()).await?;
    let format = asked.format();
    watch(&control_plane, format, LOOK_EVERY, async || {
        let rollout = control_plane.get(&resource).await?;
        let end = match text(&rollout["state"]).as_str() {
            ACCEPTED => Some(ExitCode::SUCCESS),
            state if FAILED.contains(&state) => Some(ExitCode::from(REFUSED)),
            _ => None,
        };
        let text = format.text(&rollout, waves)?;
        Ok(Look { text, end })
    })
    .await
}

async fn steer(steer: Steer, verb: &str, body: Option<Body>) -> anyhow::Result<ExitCode> {
    let answer = async {
        let control_plane = steer.change.asked.control_plane()?;
        let resource = resource_of(&control_plane, steer.id.as_deref()).await?;
        let resource = format!("{resource}/{verb}");
        let request = steer.change.request(Method::POST, resource);
        control_plane.send(Request { body, ..request }).await
    };
    steer.change.asked.show_answer(answer.await, waves)
}

/// The resource of a rollout: the newest where none is named, the newest of a revision where only
/// its number is.
async fn resource_of(control_plane: &ControlPlane, id: Option<&str>) -> anyhow::Result<String> {
    let revision = id.and_then(|id| id.parse::<u64>().ok());
    let id = match (id, revision) {
        (_, Some(revision)) => {
            let all = control_plane.get_all("rollouts").await?;
            let mut rollouts = items(&all["rollouts"]);
            let found = rollouts.find(|rollout| rollout["revision"] == revision);
            let found = found.and_then(|rollout| rollout["id"].as_str().map(str::to_owned));
            found.with_context(|| {
                format!(
                    "no rollout of revision {revision} is remembered; `portcullis rollout list` \
                     shows those that are"
                )
            })?
        }
        (Some(id), None) => id.to_owned(),
        (None, None) => {
            let newest = control_plane.get("rollouts?limit=1").await?;
            let id = newest["rollouts"][0]["id"].as_str().map(str::to_owned);
            id.context("there is no rollout yet: a change of what Envoys are given makes one")?
        }
    };
    Ok(format!("rollouts/{}", segment(&id)))
}

fn rollouts(answer: &Value) -> Table {
    let headings = ["ROLLOUT", "REVISION", "STATE", "WAVE", "BEGAN AT", "REASON"];
    let mut table = Table::under(&headings);
    for rollout in items(&answer["rollouts"]) {
        table.push([
            text(&rollout["id"]).into(),
            rollout["revision"].to_string().into(),
            judged(&standing(rollout)),
            format!("{} of {}", rollout["wave"], rollout["of"]).into(),
            to_the_second(&text(&rollout["began_at"])).into(),
            text(&rollout["reason"]).into(),
        ]);
    }
    table
}

/// The state of a rollout, and whether an operator has paused it.
fn standing(rollout: &Value) -> String {
    let state = text(&rollout["state"]);
    match rollout["paused"] == true {
        true => format!("{state}, paused"),
        false => state,
    }
}

/// The waves of a rollout, each with its Envoys.
fn waves(rollout: &Value) -> Table {
    let mut table = Table::default();
    let soak = rollout["soak_until"].as_str();
    let soak = soak.map(|until| format!("watched until {}", to_the_second(until)));
    let gate = rollout["gate"].as_str().filter(|gate| !gate.is_empty());
    table.push([
        "rollout".into(),
        text(&rollout["id"]).into(),
        judged(&standing(rollout)),
        gate.map(str::to_owned)
            .or(soak)
            .unwrap_or_else(|| text(&rollout["reason"]))
            .into(),
    ]);
    for (number, wave) in (1..).zip(items(&rollout["waves"])) {
        let ended = text(&rollout["state"]);
        let state = match rollout["wave"].as_u64() {
            _ if ended == ACCEPTED => "over",
            Some(at) if number < at => "over",
            Some(at) if number == at && FAILED.contains(&ended.as_str()) => "ended",
            Some(at) if number == at => "in hand",
            _ if FAILED.contains(&ended.as_str()) => "never begun",
            _ => "to come",
        };
        table.push([
            "wave".into(),
            number.to_string().into(),
            state.into(),
            format!("reaches {}", text(&wave["reach"])).into(),
        ]);
        for node in items(&wave["nodes"]) {
            let state = judged(&text(&node["state"]));
            table.push(["envoy".into(), text(&node["id"]).into(), state, "".into()]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_each_wave_and_each_of_its_envoys_a_line() {
        let rollout = json!({"id": "7-3fa8", "revision": 7, "state": "soaking", "paused": true,
            "wave": 2, "of": 3, "soak_until": "2026-11-22T14:10:00.5Z", "reason": "",
            "began_at": "2026-11-22T14:00:00Z", "waves": [
                {"reach": "canary", "nodes": [{"id": "one", "state": "acked"}]},
                {"reach": "25%", "nodes": [{"id": "two", "state": "moved_on"}]},
                {"reach": "100%", "nodes": []}]});
        let expected = [
            "rollout  7-3fa8  soaking, paused  watched until 2026-11-22T14:10:00Z",
            "wave     1       over             reaches canary",
            "envoy    one     acked",
            "wave     2       in hand          reaches 25%",
            "envoy    two     moved on",
            "wave     3       to come          reaches 100%",
        ];
        assert_eq!(waves(&rollout).text(false), expected.join("\n"));
        let states = |state: &str| {
            let mut rollout = rollout.clone();
            rollout["state"] = json!(state);
            let text = waves(&rollout).text(false);
            let lines = text.lines().filter(|line| line.starts_with("wave"));
            let words = lines.map(|line| line[17..].split("reaches").next().map(str::trim));
            words.flatten().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(states("accepted"), ["over", "over", "over"]);
        assert_eq!(states("kept"), ["over", "ended", "never begun"]);
        let expected = [
            "ROLLOUT  REVISION  STATE            WAVE    BEGAN AT              REASON",
            "7-3fa8   7         soaking, paused  2 of 3  2026-11-22T14:00:00Z",
        ];
        let list = rollouts(&json!({"rollouts": [rollout]}));
        assert_eq!(list.text(false), expected.join("\n"));
    }
}
