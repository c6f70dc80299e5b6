//! `portcullis tools call`: one tool behind the gateway, called from a terminal.

use std::io::{IsTerminal as _, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use gateway_document::did_you_mean;
use serde_json::value::RawValue;
use url::Url;

use crate::mcp_client::{CallResult, Endpoint, INVALID_PARAMS, Refused};
use crate::output;
use crate::trust::Trust;

mod layout;

/// The call of one tool.
#[derive(Debug, Args)]
pub(crate) struct Call {
    /// Name of the tool
    tool: String,

    /// Its arguments, as a JSON object
    #[arg(default_value = "{}")]
    arguments: String,

    /// The MCP endpoint of the gateway
    #[arg(
        long,
        env = "PORTCULLIS_URL",
        default_value = "http://127.0.0.1:10000/mcp"
    )]
    url: String,

    #[command(flatten)]
    trust: Trust,

    /// How long the call may take, in seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 300,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    timeout: u64,
}

/// Calls the tool; the exit status tells whether it succeeded.
pub(super) async fn run(call: Call) -> anyhow::Result<ExitCode> {
    let Call {
        tool,
        arguments,
        url,
        trust,
        timeout,
    } = call;
    let arguments: Box<RawValue> = serde_json::from_str(&arguments)
        .with_context(|| format!("the arguments `{arguments}` are no JSON"))?;
    check_url(&url)?;
    let endpoint = Endpoint::at(&url, &trust, Duration::from_secs(timeout))?;
    let result = match endpoint.call(&tool, &arguments).await {
        Ok(result) => result,
        Err(error) => return Err(meant(&url, &trust, &tool, error).await),
    };
    let read: CallResult = serde_json::from_str(result.get())
        .with_context(|| format!("the answer is no result of a tool: `{result}`"))?;
    let to_people = stdout().is_terminal();
    output::data(shown(&read, &result, to_people))?;
    Ok(if read.is_error {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// How long the names of the tools are waited for once a call is refused.
const NAMES_WITHIN: Duration = Duration::from_secs(5);

/// The refusal with the names of tools that the author may have meant, where the endpoint lists
/// none of that name.
async fn meant(url: &str, trust: &Trust, tool: &str, error: anyhow::Error) -> anyhow::Error {
    let refused = error.downcast_ref::<Refused>();
    if refused.and_then(|refused| refused.code) != Some(INVALID_PARAMS) {
        return error;
    }
    let names = async { Endpoint::at(url, trust, NAMES_WITHIN)?.tool_names().await };
    let Ok(names) = names.await else {
        return error;
    };
    match did_you_mean(tool, names.iter().map(String::as_str)) {
        Some(meant) if names.iter().all(|name| name != tool) => anyhow!("{error:#}; {meant}"),
        _ => error,
    }
}

/// Refuses an URL at which no gateway can be, by what is wrong with it: the connection's own words
/// would say less.
fn check_url(url: &str) -> anyhow::Result<()> {
    let parsed = Url::parse(url).with_context(|| {
        format!("`{url}` is no URL; write it like `http://127.0.0.1:10000/mcp`")
    })?;
    match parsed.scheme() {
        "http" | "https" => {}
        other => {
            bail!("`{url}`: the gateway does not speak `{other}`; write `http://…` or `https://…`")
        }
    }
    if !parsed.path().ends_with("/mcp") {
        bail!(
            "`{url}` is no MCP endpoint: its path is `{}`; write `/mcp`, or `/servers/<name>/mcp` \
             for one server alone",
            parsed.path()
        );
    }
    Ok(())
}

/// The structured content where there is one, else the texts, else the whole. To people on a
/// terminal it shows nothing that a terminal would obey; a program gets a text as it is.
fn shown(read: &CallResult, whole: &RawValue, to_people: bool) -> String {
    let json = match (&read.structured_content, read.text()) {
        (Some(structured), _) => structured,
        (None, Some(text)) if to_people => return shown_text::in_lines(&text),
        (None, Some(text)) => return text,
        (None, None) => whole,
    };
    shown_text::escape_json(&layout::in_lines(json)).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn it_lets_no_terminal_obey_a_tools_result_and_gives_a_program_its_text() {
        let shown = |result: Value, to_people: bool| {
            let read: CallResult = serde_json::from_value(result.clone()).unwrap();
            let whole = RawValue::from_string(result.to_string()).unwrap();
            shown(&read, &whole, to_people)
        };
        let text = "a\u{1b}]0;b\u{7}\n\u{202e}c\u{9b}d";
        let result = json!({"content": [{"type": "text", "text": text}]});
        assert_eq!(shown(result.clone(), true), "a ]0;b \n c d");
        assert_eq!(shown(result, false), text);
        for to_people in [true, false] {
            let result = json!({"structuredContent": "a\u{9b}b", "content": []});
            assert_eq!(shown(result, to_people), r#""a\u009bb""#);
            let neither = shown(json!({"content": [], "x": "\u{202e}"}), to_people);
            assert!(neither.contains(r#""\u202e""#), "{neither}");
        }
    }
}
