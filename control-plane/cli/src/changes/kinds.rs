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

/// The answer; where there is none because there is no such kind, or because what was typed names
/// no resource of it, an error that says what to type.
pub(super) async fn with_meant_kind(
    control_plane: &ControlPlane,
    verb: Verb,
    kind: &str,
    name: Option<&str>,
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
        return match misnamed(&index, verb, kind, name) {
            Some(words) => Err(anyhow::anyhow!("{words}")),
            None => answer,
        };
    }
    let meant = did_you_mean(kind, kinds.iter().map(String::as_str));
    let advice = meant.unwrap_or_else(|| format!("there are `{}`", kinds.join("`, `")));
    Err(anyhow::anyhow!("there is no kind `{kind}`; {advice}"))
}

/// The commands that take a kind and a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Put,
    Delete,
}

impl Verb {
    /// The word that is typed, and the method of the request.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Get => ("get", "GET"),
            Self::Put => ("put", "PUT"),
            Self::Delete => ("delete", "DELETE"),
        }
    }
}

/// The reason why there is nothing of this kind that has, or has not, a name; none where there is.
fn misnamed(index: &Value, verb: Verb, kind: &str, name: Option<&str>) -> Option<String> {
    let (word, method) = verb.words();
    let of_all = format!("/api/v1/{kind}");
    let of_one = format!("{of_all}/{{");
    let takes = |is_it: &dyn Fn(&str) -> bool, method: &str| {
        items(&index["resources"])
            .filter(|resource| is_it(resource["path"].as_str().unwrap_or_default()))
            .any(|resource| items(&resource["methods"]).any(|taken| taken == method))
    };
    let is_all = |path: &str| path == of_all;
    let is_one = |path: &str| path.starts_with(&of_one) && path.ends_with('}');
    let (all, one) = (takes(&is_all, method), takes(&is_one, method));
    match name {
        Some(_) if one => None,
        None if all => None,
        None if one => Some(format!(
            "`{kind}` have names: write `portcullis {word} {kind} <NAME>`"
        )),
        Some(name) if all => Some(format!(
            "`{kind}` is one, without names: leave `{name}` out"
        )),
        Some(_) if verb == Verb::Delete && takes(&is_all, "PUT") => Some(format!(
            "`{kind}` is never missing: `portcullis put {kind} --set '{{}}'` puts what holds by \
             default in its place"
        )),
        _ => Some(format!("`{kind}` cannot be changed by `portcullis {word}`")),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_says_whether_what_was_typed_has_a_name_too_few_or_too_many() {
        let index = json!({"resources": [
            {"path": "/api/v1/servers", "methods": ["GET", "POST"]},
            {"path": "/api/v1/servers/{name}", "methods": ["GET", "PUT", "DELETE"]},
            {"path": "/api/v1/servers/{name}/tools/{tool}", "methods": ["GET"]},
            {"path": "/api/v1/defaults", "methods": ["GET", "PUT"]},
            {"path": "/api/v1/nodes", "methods": ["GET"]},
            {"path": "/api/v1/nodes/{id}", "methods": ["GET"]}]});
        let check = |verb, kind, name, expected: Option<&str>| {
            let words = misnamed(&index, verb, kind, name);
            match expected {
                None => assert_eq!(words, None),
                Some(part) => assert!(
                    words.as_ref().is_some_and(|words| words.contains(part)),
                    "{words:?}"
                ),
            }
        };
        check(Verb::Get, "servers", None, None);
        check(Verb::Put, "servers", Some("a"), None);
        check(Verb::Put, "defaults", None, None);
        check(
            Verb::Put,
            "servers",
            None,
            Some("write `portcullis put servers <NAME>`"),
        );
        check(Verb::Put, "defaults", Some("a"), Some("leave `a` out"));
        check(Verb::Get, "defaults", Some("a"), Some("leave `a` out"));
        check(
            Verb::Delete,
            "defaults",
            Some("a"),
            Some("`portcullis put defaults --set '{}'`"),
        );
        check(
            Verb::Put,
            "nodes",
            Some("a"),
            Some("cannot be changed by `portcullis put`"),
        );
        check(
            Verb::Delete,
            "nodes",
            Some("a"),
            Some("cannot be changed by `portcullis delete`"),
        );
    }
}
