//! `portcullis modules`: the filter modules that documents can name.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::answer::{items, text, to_the_second};
use crate::beginnings::{is_beginning, the_one};
use crate::changes::make;
use crate::control_plane::{Asked, Body, ChangeArguments, ControlPlane, DocumentChange, segment};
use crate::output;
use crate::table::{Cell, Table};

/// The things that can be done with modules.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Keep a module, which nothing runs until a document names it
    Upload(Upload),
    /// List the modules, and where the document names them
    List(List),
    /// Have Envoys run a build of the gateway's filter, in the document's waves
    Use(Use),
    /// Take back a module that no Envoy runs, or is to run
    Remove(Remove),
}

/// The module to keep.
#[derive(Debug, Args)]
pub(crate) struct Upload {
    /// The `.wasm` file to upload
    file: PathBuf,
    #[command(flatten)]
    change: ChangeArguments,
}

/// The list of all modules.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    asked: Asked,
}

/// The build of the gateway's filter that Envoys are to run.
#[derive(Debug, Args)]
pub(crate) struct Use {
    /// The SHA-256 of its bytes, or its beginning, or its name and version as `name@version`
    /// [default: the one that the control plane was started with]
    module: Option<String>,
    #[command(flatten)]
    change: DocumentChange,
}

/// The module to take back.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The SHA-256 of its bytes, or its beginning
    sha256: String,
    #[command(flatten)]
    change: ChangeArguments,
}

/// Runs the subcommand; the exit status tells whether it succeeded.
pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Upload(Upload { file, change }) => {
            let bytes = std::fs::read(&file);
            let bytes = bytes.with_context(|| format!("cannot read `{}`", file.display()))?;
            let request = change.request(Method::POST, "modules");
            let request = request.with(Body::Module(bytes));
            let control_plane = change.asked.control_plane()?;
            let module = control_plane.send(request).await;
            let is_new = match &module {
                Ok(module) => !is_run(&control_plane, module).await,
                Err(_) => false,
            };
            let code = change
                .asked
                .show_answer(module, |module| modules(&json!({"modules": [module]})))?;
            if is_new {
                output::tell(
                    "no Envoy runs it yet: `portcullis modules use <SHA-256>`, or name it in \
                     `filters`",
                );
            }
            Ok(code)
        }
        Command::List(List { asked }) => {
            let answer = async { asked.control_plane()?.get_all("modules").await };
            asked.show_answer(answer.await, modules)
        }
        Command::Use(using) => {
            let module = match &using.module {
                Some(version) if version.contains('@') => json!({"name": version}),
                Some(sha256) => json!({"sha256": whole(using.change.asked(), sha256).await?}),
                None => json!({}),
            };
            let request = using.change.request(Method::PUT, "module");
            make(using.change.asked(), request.with(Body::Json(module))).await
        }
        Command::Remove(Remove { sha256, change }) => {
            let sha256 = whole(&change.asked, &sha256).await?;
            let resource = format!("modules/{}", segment(&sha256));
            let request = change.request(Method::DELETE, resource);
            let answer = async { change.asked.control_plane()?.send(request).await };
            let code = change
                .asked
                .show_answer(answer.await, |_| Table::default())?;
            output::tell(format_args!("the module `{sha256}` is gone"));
            Ok(code)
        }
    }
}

/// Whether the document names the module, or Envoys run it as the one of the start.
async fn is_run(control_plane: &ControlPlane, module: &Value) -> bool {
    let version = control_plane.get("version").await;
    let runs = version.is_ok_and(|version| version["module"] == module["sha256"]);
    runs || items(&module["named_at"]).next().is_some()
}

/// The hash of the module that is named by its beginning; anything else as it is.
async fn whole(asked: &Asked, sha256: &str) -> anyhow::Result<String> {
    if !is_beginning(sha256) {
        return Ok(sha256.to_owned());
    }
    let answer = asked.control_plane()?.get_all("modules").await?;
    let modules = items(&answer["modules"]).chain(answer.get("started_with"));
    let hashes = modules.map(|module| text(&module["sha256"]));
    the_one(sha256, hashes, "module", "portcullis modules list")
}

fn modules(answer: &Value) -> Table {
    let headings = [
        "SHA-256",
        "NAME",
        "VERSION",
        "BYTES",
        "UPLOADED AT",
        "NAMED AT",
    ];
    let mut table = Table::under(&headings);
    let start = &answer["started_with"];
    let is_start = |module: &&Value| !start.is_null() && module["sha256"] == start["sha256"];
    let uploaded = || items(&answer["modules"]);
    let only_start = answer
        .get("started_with")
        .filter(|_| !uploaded().any(|one| is_start(&one)));
    for module in only_start.into_iter().chain(uploaded()) {
        let mut places: Vec<String> = items(&module["named_at"]).map(text).collect();
        if is_start(&module) && start["in_use"] == true {
            places.push("by default".to_owned());
        }
        let uploaded_at = match module["uploaded_at"].as_str() {
            Some(time) => to_the_second(time),
            None => "by the start".to_owned(),
        };
        let bytes = module["bytes"].as_u64().map(|bytes| bytes.to_string());
        let cells: [Cell; 6] = [
            text(&module["sha256"]).into(),
            text(&module["name"]).into(),
            text(&module["version"]).into(),
            bytes.unwrap_or_default().into(),
            uploaded_at.into(),
            places.join(" ").into(),
        ];
        table.push(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_each_module_a_line_with_where_it_is_named() {
        let answer = json!({"modules": [{"sha256": "6d1e", "name": "mcp-filter", "version": "0.1.0",
            "bytes": 900_000, "uploaded_at": "2026-11-22T10:00:00.5Z",
            "named_at": ["/module/sha256", "/filters/0/module"]}]});
        let expected = [
            "SHA-256  NAME        VERSION  BYTES   UPLOADED AT           NAMED AT",
            "6d1e     mcp-filter  0.1.0    900000  2026-11-22T10:00:00Z  /module/sha256 \
             /filters/0/module",
        ];
        assert_eq!(modules(&answer).text(false), expected.join("\n"));
    }

    #[test]
    fn it_lists_the_module_of_the_start_once() {
        let uploaded = json!({"sha256": "6d1e", "bytes": 9, "uploaded_at": "T1", "named_at": []});
        let mut answer = json!({"modules": [uploaded],
            "started_with": {"sha256": "aa00", "bytes": 8, "name": "mcp-filter",
                "version": "0.1.0", "in_use": true}});
        let text = |answer: &Value| {
            let text = modules(answer).text(false);
            let lines = text.lines().skip(1);
            let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
            words.collect::<Vec<_>>()
        };
        let start = "aa00 mcp-filter 0.1.0 8 by the start by default";
        assert_eq!(text(&answer), [start, "6d1e 9 T1"]);
        answer["started_with"]["sha256"] = json!("6d1e");
        assert_eq!(text(&answer), ["6d1e 9 T1 by default"]);
        answer["started_with"]["in_use"] = json!(false);
        assert_eq!(text(&answer), ["6d1e 9 T1"]);
    }
}
