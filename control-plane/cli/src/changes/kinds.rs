//! The kinds of resources that the gateway document is made of, as the control plane names them.

use gateway_document::did_you_mean;
use serde_json::Value;

use crate::answer::{items, text};
use crate::control_plane::{ControlPlane, segment};
use crate::exit::{NobodyAnswers, UnknownOutcome};

/// The path of a kind, or of one resource of it.
pub(super) fn resource_of(kind: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{}/{}", segment(kind), segment(name)),
        None => segment(kind),
    }
}

/// The answer; where there is none because there is no such kind, an error with the kinds that the
/// author may have meant.
pub(super) async fn with_meant_kind(
    control_plane: &ControlPlane,
    kind: &str,
    answer: anyhow::Result<Value>,
) -> anyhow::Result<Value> {
    let has_no_answer =
        |error: &anyhow::Error| error.is::<NobodyAnswers>() || error.is::<UnknownOutcome>();
    if answer.as_ref().err().is_none_or(has_no_answer) {
        return answer;
    }
    let Ok(index) = control_plane.get("").await else {
        return answer;
    };
    let kinds = kinds_of(&index);
    if kinds.iter().any(|known| known == kind) {
        return answer;
    }
    let meant = did_you_mean(kind, kinds.iter().map(String::as_str));
    let advice = meant.unwrap_or_else(|| format!("there are `{}`", kinds.join("`, `")));
    Err(anyhow::anyhow!("there is no kind `{kind}`; {advice}"))
}

/// The kinds of resources that the API can be asked for.
fn kinds_of(index: &Value) -> Vec<String> {
    let gets = items(&index["resources"])
        .filter(|resource| items(&resource["methods"]).any(|method| method == "GET"));
    let kinds = gets.filter_map(|resource| {
        let path = text(&resource["path"]);
        let kind = path.strip_prefix("/api/v1/")?;
        (!kind.contains(['/', '.']) && kind != "events").then(|| kind.to_owned())
    });
    kinds.collect()
}
