//! As much of an MCP client as a terminal needs: one tool call of the stateless protocol, revision
//! 2026-07-28.

use std::fmt::{Display, Formatter};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Method, Request};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::exit::{NobodyAnswers, UnknownOutcome};
use crate::trust::{self, Trust};
use crate::unanswered::Unanswered;

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

/// An MCP endpoint, over HTTP or over TLS.
pub(crate) struct Endpoint {
    url: String,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// How long an answer is waited for.
    patience: Duration,
}

impl Endpoint {
    /// The endpoint at `url`, which shows a certificate of an authority in `trust` where it is one
    /// over TLS.
    ///
    /// # Errors
    /// When the authorities cannot be read.
    pub(crate) fn at(url: &str, trust: &Trust, patience: Duration) -> anyhow::Result<Self> {
        // The authorities of the machine are read where they are needed alone.
        let config = match url.starts_with("https:") {
            true => trust.tls()?,
            false => trust::nobody()?,
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            url: url.to_owned(),
            client: Client::builder(TokioExecutor::new()).build(connector),
            patience,
        })
    }

    /// Calls `tool` and returns the result of the call, as it was written.
    ///
    /// # Errors
    /// When nothing answers, the answer is no MCP, or it is a refusal: then [`Refused`].
    pub(crate) async fn call(
        &self,
        tool: &str,
        arguments: &RawValue,
    ) -> anyhow::Result<Box<RawValue>> {
        let name = header_value(tool);
        let headers = [("Mcp-Method", "tools/call"), ("Mcp-Name", &name)];
        self.send(&headers, call_body(tool, arguments)).await
    }

    /// Calls `tool` for its effect, or as a proof that it works.
    ///
    /// # Errors
    /// As [`Self::call`], and when the tool says that it failed: then with its reason.
    pub(crate) async fn call_well(&self, tool: &str, arguments: &RawValue) -> anyhow::Result<()> {
        let result = self.call(tool, arguments).await?;
        let result: CallResult = serde_json::from_str(result.get())?;
        if result.is_error {
            let reason = result.text();
            let reason = reason.as_deref().unwrap_or("no reason given");
            bail!("`{tool}` fails: {reason}");
        }
        Ok(())
    }

    /// The names of the tools that the endpoint lists, on the first page of its list.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub(crate) async fn tool_names(&self) -> anyhow::Result<Vec<String>> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list",
            "params": {"_meta": meta()}});
        let headers = [("Mcp-Method", "tools/list")];
        let result = self.send(&headers, body.to_string()).await?;
        let result: Value = serde_json::from_str(result.get())?;
        let tools = result["tools"].as_array().into_iter().flatten();
        let names = tools.filter_map(|tool| tool["name"].as_str().map(str::to_owned));
        Ok(names.collect())
    }

    async fn send(&self, headers: &[(&str, &str)], body: String) -> anyhow::Result<Box<RawValue>> {
        let url = &self.url;
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .header("MCP-Protocol-Version", PROTOCOL);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body))?;
        let answer = async {
            let answer = self.client.request(request).await;
            let answer = answer.map_err(|error| self.unanswered(error))?;
            let status = answer.status();
            let body = answer.into_body().collect().await;
            let body = body.map_err(|error| self.lost(anyhow!(error)))?;
            anyhow::Ok((status, body.to_bytes()))
        };
        let answer = tokio::time::timeout(self.patience, answer).await;
        let (status, body) = answer.map_err(|_| self.too_late())??;
        let text = String::from_utf8_lossy(&body);
        let Some(message) = message_of(&text) else {
            bail!(
                "{url} answered {status} and no MCP message: `{}`",
                text.chars().take(300).collect::<String>()
            );
        };
        if let Some(error) = message.error {
            let sentence = error["message"].as_str().unwrap_or("no reason given");
            bail!(Refused {
                sentence: shown_text::on_one_line(sentence),
                code: error["code"].as_i64(),
            });
        }
        message
            .result
            .with_context(|| format!("the answer has neither result nor error: `{text}`"))
    }

    fn unanswered(&self, error: hyper_util::client::legacy::Error) -> anyhow::Error {
        let url = self.url.clone();
        if let Some(distrust) = trust::distrust(&error) {
            return anyhow!(distrust).context(format!(
                "{url} shows no certificate that is believed; name the authority that signed it \
                 with `--ca-file`"
            ));
        }
        match Unanswered::of(&error) {
            Unanswered::NobodyIsThere => anyhow!(error).context(NobodyAnswers { url }),
            Unanswered::NoHttp => {
                let sentence = format!("no MCP endpoint answers at {url}: it speaks no HTTP");
                anyhow!(error).context(sentence)
            }
            Unanswered::Lost => self.lost(anyhow!(error)),
        }
    }

    fn lost(&self, cause: anyhow::Error) -> anyhow::Error {
        let advice = format!(
            "the tool may have run; the connection to {} broke",
            self.url
        );
        cause.context(UnknownOutcome { advice })
    }

    /// The time that the user gave is theirs to change.
    fn too_late(&self) -> anyhow::Error {
        let (url, seconds) = (&self.url, self.patience.as_secs_f64());
        anyhow!(UnknownOutcome {
            advice: format!(
                "{url} has not answered within {seconds} s; give the call more time with \
                 `--timeout`, or ask for less"
            )
        })
    }
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
