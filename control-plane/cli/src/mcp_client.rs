//! As much of an MCP client as a terminal needs: one tool call of the stateless protocol, revision
//! 2026-07-28.

use std::fmt::{Display, Formatter};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::RequestBuilder;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::exit::NobodyAnswers;

const PROTOCOL: &str = "2026-07-28";

/// The result of a call, of which every value stands as the server wrote it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallResult {
    /// Whether the tool says that it failed.
    #[serde(default)]
    pub(crate) is_error: bool,
    pub(crate) structured_content: Option<Box<RawValue>>,
    #[serde(default)]
    content: Vec<Part>,
}

/// A part of a result's content.
#[derive(Debug, Deserialize)]
struct Part {
    text: Option<String>,
}

impl CallResult {
    /// The texts of its content, in a line each; none where there is no text.
    pub(crate) fn text(&self) -> Option<String> {
        let parts = self.content.iter();
        let texts: Vec<&str> = parts.filter_map(|part| part.text.as_deref()).collect();
        (!texts.is_empty()).then(|| texts.join("\n"))
    }
}

/// The arguments of a tool that is called without any.
pub(crate) fn no_arguments() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).unwrap_or_default()
}

/// The body of a call: what a client would send, so that the same text can be shown to the user.
/// The arguments, which are JSON, stand in it as they are: parsed into numbers and maps they would
/// lose digits of long numbers, and all but one of a key's values.
pub(crate) fn call_body(tool: &str, arguments: &RawValue) -> String {
    let tool = Value::from(tool);
    let meta = meta();
    format!(
        concat!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":"#,
            r#"{{"name":{tool},"arguments":{arguments},"_meta":{meta}}}}}"#
        ),
        tool = tool,
        arguments = arguments,
        meta = meta
    )
}

fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": PROTOCOL,
        "io.modelcontextprotocol/clientInfo": {"name": "portcullis",
            "version": env!("CARGO_PKG_VERSION")},
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// The gateway or the server refuses a call, in these words.
#[derive(Debug)]
pub(crate) struct Refused {
    sentence: String,
    /// The code of the JSON-RPC error.
    pub(crate) code: Option<i64>,
}

impl Display for Refused {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "refused: {}", self.sentence)
    }
}

impl std::error::Error for Refused {}

/// The code of JSON-RPC by which an unknown tool is refused.
pub(crate) const INVALID_PARAMS: i64 = -32602;

/// Calls `tool` at the MCP endpoint `url` and returns the result of the call, as it was written.
///
/// # Errors
/// When nothing answers, the answer is no MCP, or it is a refusal: then [`Refused`].
pub(crate) async fn call(
    url: &str,
    tool: &str,
    arguments: &RawValue,
    patience: Duration,
) -> anyhow::Result<Box<RawValue>> {
    let request = reqwest::Client::new()
        .post(url)
        .header("Mcp-Method", "tools/call")
        .header("Mcp-Name", header_value(tool))
        .body(call_body(tool, arguments));
    send(request, url, patience).await
}

/// The names of the tools that the endpoint lists, on the first page of its list.
///
/// # Errors
/// As [`call`].
pub(crate) async fn tool_names(url: &str, patience: Duration) -> anyhow::Result<Vec<String>> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list",
        "params": {"_meta": meta()}});
    let request = reqwest::Client::new()
        .post(url)
        .header("Mcp-Method", "tools/list")
        .body(body.to_string());
    let result = send(request, url, patience).await?;
    let result: Value = serde_json::from_str(result.get())?;
    let tools = result["tools"].as_array().into_iter().flatten();
    let names = tools.filter_map(|tool| tool["name"].as_str().map(str::to_owned));
    Ok(names.collect())
}

async fn send(
    request: RequestBuilder,
    url: &str,
    patience: Duration,
) -> anyhow::Result<Box<RawValue>> {
    let answer = request
        .timeout(patience)
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json, text/event-stream")
        .header("MCP-Protocol-Version", PROTOCOL)
        .send()
        .await
        .map_err(|error| {
            if error.is_connect() && !error.is_timeout() {
                let url = url.to_owned();
                return anyhow!(error.without_url()).context(NobodyAnswers { url });
            }
            explain(error, "no MCP endpoint answers", url, patience)
        })?;
    let status = answer.status();
    let text = answer
        .text()
        .await
        .map_err(|error| explain(error, "the answer broke off", url, patience))?;
    let Some(message) = message_of(&text) else {
        bail!(
            "{url} answered {status} and no MCP message: `{}`",
            text.chars().take(300).collect::<String>()
        );
    };
    if let Some(error) = message.error {
        let sentence = error["message"].as_str().unwrap_or("no reason given");
        bail!(Refused {
            sentence: sentence.to_owned(),
            code: error["code"].as_i64(),
        });
    }
    message
        .result
        .with_context(|| format!("the answer has neither result nor error: `{text}`"))
}

/// Calls `tool` for its effect, or as a proof that it works.
///
/// # Errors
/// As [`call`], and when the tool says that it failed: then with its reason.
pub(crate) async fn call_well(
    url: &str,
    tool: &str,
    arguments: &RawValue,
    patience: Duration,
) -> anyhow::Result<()> {
    let result = call(url, tool, arguments, patience).await?;
    let result: CallResult = serde_json::from_str(result.get())?;
    if result.is_error {
        let reason = result.text();
        let reason = reason.as_deref().unwrap_or("no reason given");
        bail!("`{tool}` fails: {reason}");
    }
    Ok(())
}

/// A JSON-RPC response, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Response {
    result: Option<Box<RawValue>>,
    error: Option<Value>,
}

/// A name as a header can carry it: in Base64 where its bytes are none of a header, or where it
/// would be read as Base64 or without the white space around it.
fn header_value(name: &str) -> String {
    let is_plain = name.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && name.trim() == name
        && !name.starts_with("=?base64?");
    if is_plain {
        name.to_owned()
    } else {
        format!("=?base64?{}?=", BASE64_STANDARD.encode(name))
    }
}

/// A failure in the user's terms: the time that they gave is theirs to change.
fn explain(error: reqwest::Error, otherwise: &str, url: &str, patience: Duration) -> anyhow::Error {
    if error.is_timeout() {
        let seconds = patience.as_secs_f64();
        return anyhow!(
            "{url} has not answered within {seconds} s; give the call more time with `--timeout`, \
             or ask for less"
        );
    }
    anyhow!(error.without_url()).context(format!("{otherwise} at {url}"))
}

/// The response of the call: the body itself, or the one response among the events of a stream.
fn message_of(text: &str) -> Option<Response> {
    if let Ok(message) = serde_json::from_str(text) {
        return Some(message);
    }
    text.lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .filter_map(|data| serde_json::from_str::<Response>(data.trim()).ok())
        .find(|message| message.result.is_some() || message.error.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sends_every_name_in_a_form_that_a_header_can_carry() {
        for (name, value) in [
            ("list_tables", "list_tables"),
            ("two words", "two words"),
            ("größe", "=?base64?Z3LDtsOfZQ==?="),
            ("a\nb", "=?base64?YQpi?="),
            (" a", "=?base64?IGE=?="),
            ("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="),
        ] {
            assert_eq!(header_value(name), value);
        }
    }

    #[test]
    fn it_finds_the_response_in_json_and_in_a_stream() {
        let result_of = |text: &str| Some(message_of(text)?.result?.get().to_owned());
        let response = r#"{"jsonrpc":"2.0","id":1,"result":{"a":1.0}}"#;
        assert_eq!(result_of(response).as_deref(), Some(r#"{"a":1.0}"#));
        let stream = format!(
            "event: message\ndata: \
             {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}}\n\ndata: {response}\n\n"
        );
        assert_eq!(result_of(&stream).as_deref(), Some(r#"{"a":1.0}"#));
        assert_eq!(result_of("upstream connect error"), None);
    }
}
