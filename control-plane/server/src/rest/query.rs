//! The parameters of requests, and the condition of those that change something: only what the
//! description of the API lists, each parameter once. What was ignored would be believed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::form_urlencoded;

use super::problem::Problem;

/// As much of a parameter's name as an answer repeats: enough to recognise it.
const MOST_CHARACTERS: usize = 100;

/// The parameters that each method of each path takes, by the description of the API.
#[derive(Debug, Default)]
pub(super) struct KnownParameters(BTreeMap<String, OperationParameters>);

/// The parameters that one operation takes.
#[derive(Debug, Default)]
struct OperationParameters {
    /// Those of the query.
    query: BTreeSet<String>,
    /// Whether `If-Match` is compared with something.
    if_match: bool,
}

impl KnownParameters {
    /// The parameters that this description lists.
    pub(super) fn of(description: &Value) -> Self {
        let mut known = BTreeMap::new();
        let paths = description["paths"].as_object().into_iter().flatten();
        for (path, item) in paths {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let names = |place: &'static str| {
                    let parameters = operation["parameters"].as_array().into_iter().flatten();
                    parameters
                        .filter(move |parameter| parameter["in"] == place)
                        .filter_map(|parameter| parameter["name"].as_str())
                };
                let parameters = OperationParameters {
                    query: names("query").map(ToOwned::to_owned).collect(),
                    if_match: names("header").any(|name| name.eq_ignore_ascii_case("if-match")),
                };
                known.insert(key(method, path), parameters);
            }
        }
        Self(known)
    }

    fn of_request(&self, request: &Request) -> Option<&OperationParameters> {
        let path = request.extensions().get::<MatchedPath>()?;
        let method = match request.method().as_str() {
            "HEAD" => "GET",
            method => method,
        };
        self.0.get(&key(method, path.as_str()))
    }
}

fn key(method: &str, path: &str) -> String {
    format!("{} {path}", method.to_ascii_lowercase())
}

pub(super) async fn check(
    State(known): State<Arc<KnownParameters>>,
    request: Request,
    next: Next,
) -> Response {
    match refusal(&known, &request) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    }
}

fn refusal(known: &KnownParameters, request: &Request) -> Option<Problem> {
    let query = request.uri().query().unwrap_or_default();
    let none = OperationParameters::default();
    let OperationParameters {
        query: known,
        if_match,
    } = known.of_request(request).unwrap_or(&none);
    let what = format!("`{} {}`", request.method(), request.uri().path());
    if request.headers().contains_key(IF_MATCH) && !request.method().is_safe() && !if_match {
        return Some(Problem::bad_request(format!(
            "{what} is compared with nothing; nothing was done: leave `If-Match` out"
        )));
    }
    let mut seen = BTreeSet::new();
    for (name, _) in form_urlencoded::parse(query.as_bytes()) {
        let short: String = name.chars().take(MOST_CHARACTERS).collect();
        if !known.contains(&*name) {
            let takes = if known.is_empty() {
                "takes no parameter, so not".to_owned()
            } else {
                let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                format!("takes {}, and not", names.join(", "))
            };
            return Some(Problem::new(
                StatusCode::BAD_REQUEST,
                "urn:portcullis:unknown-parameter",
                "the request has a parameter that is not known",
                format!("{what} {takes} `{short}`; nothing was done: leave it out"),
            ));
        }
        if !seen.insert(name) {
            return Some(Problem::bad_request(format!(
                "{what} has `{short}` twice; nothing was done: say it once"
            )));
        }
    }
    None
}

/// The parameters of a request, read.
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let read = Query::<T>::try_from_uri(&parts.uri);
        read.map(|Query(read)| Self(read)).map_err(|rejection| {
            let text = rejection.body_text();
            let text = text.trim_start_matches("Failed to deserialize query string: ");
            Problem::bad_request(format!(
                "a parameter cannot be read; nothing was done: {text}"
            ))
        })
    }
}
