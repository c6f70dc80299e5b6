//! `submit_spark_job`: starts a PySpark script on the cluster and answers at once.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Effect, Output, Tool, ToolFailure, job_view};
use crate::call::Call;
use crate::jobs::{Conf, NewJob, Script};
use crate::services::Services;

/// Characters of an idempotency key: a UUID, or a path with a date.
const MOST_KEY: usize = 200;
/// A year: longer than any job should wait to be noticed.
const MOST_SECONDS: u32 = 365 * 24 * 60 * 60;

/// The tool `submit_spark_job` of this server.
pub struct SubmitSparkJob;

/// The arguments of `submit_spark_job`, as a caller writes them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    #[serde(default)]
    script: Option<String>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    conf: BTreeMap<String, String>,
    #[serde(default)]
    idempotency_key: Option<String>,
    #[serde(default)]
    max_run_seconds: Option<u32>,
}

impl Tool for SubmitSparkJob {
    const NAME: &'static str = "submit_spark_job";
    const TITLE: &'static str = "Submit a Spark job";
    const DESCRIPTION: &'static str = "Start a PySpark script on the Spark cluster; it runs on by \
        itself, whatever it does, and this answers at once with its `job_id` for get_job_status. \
        Give `script`, a path, or `source`, the code. For a query alone, execute_spark_sql is \
        quicker.";
    const EFFECT: Effect = Effect::Destroys;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "script": {"type": "string", "minLength": 1, "description": "Absolute path of a \
                     .py file that Spark's workers can read"},
                "source": {"type": "string", "minLength": 1,
                    "description": "Python code, in place of `script`"},
                "args": {"type": "array", "items": {"type": "string"},
                    "description": "The script's arguments"},
                "conf": {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                    "description": "Spark settings, such as {\"spark.executor.memory\": \"2g\"}; \
                                    2 cores when nothing is said"
                },
                "idempotency_key": {"type": "string", "minLength": 1, "maxLength": MOST_KEY,
                    "description": "Repeated with the same key, a call gives the first one's job"},
                "max_run_seconds": {"type": "integer", "minimum": 1, "maximum": MOST_SECONDS,
                    "description": "The job is ended after so long; no limit when left out"}
            },
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        job_view::brief_schema()
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let new = NewJob {
            owner: call.principal.owner().map(ToOwned::to_owned),
            script: script(arguments.script, arguments.source)?,
            arguments: arguments.args,
            conf: Conf::new(arguments.conf)
                .map_err(|invalid| ToolFailure::invalid_arguments(invalid.to_string()))?,
            key: arguments.idempotency_key.map(key).transpose()?,
            max_run_seconds: arguments.max_run_seconds.map(seconds).transpose()?,
        };
        if new.arguments.iter().any(|argument| argument.contains('\0')) {
            return Err(ToolFailure::invalid_arguments(
                "an argument of the script holds a NUL character",
            ));
        }
        let job = call.unless_cancelled(services.jobs.submit(new)).await??;
        let text = format!("{}; get_job_status tells how it goes", job_view::line(&job));
        Ok(Output::new(&job_view::full(&job), text))
    }
}

fn key(key: String) -> Result<String, ToolFailure> {
    if !(1..=MOST_KEY).contains(&key.chars().count()) || key.contains('\0') {
        return Err(ToolFailure::invalid_arguments(format!(
            "`idempotency_key` has from 1 to {MOST_KEY} characters"
        )));
    }
    Ok(key)
}

fn seconds(most: u32) -> Result<u32, ToolFailure> {
    if !(1..=MOST_SECONDS).contains(&most) {
        return Err(ToolFailure::invalid_arguments(format!(
            "`max_run_seconds` is from 1 to {MOST_SECONDS}"
        )));
    }
    Ok(most)
}

fn script(path: Option<String>, source: Option<String>) -> Result<Script, ToolFailure> {
    match (path, source) {
        (Some(path), None) => {
            if !path.starts_with('/') || path.contains(char::is_control) {
                return Err(ToolFailure::invalid_arguments(format!(
                    "`{}` is no absolute path",
                    path.escape_default()
                )));
            }
            // `spark-submit` takes anything else for a JAR.
            if !path.ends_with(".py") {
                return Err(ToolFailure::invalid_arguments(format!(
                    "`{path}` is no Python script: its name must end in `.py`"
                )));
            }
            Ok(Script::Path(path))
        }
        (None, Some(source)) => Ok(Script::Source(source)),
        _ => Err(ToolFailure::invalid_arguments(
            "give either `script`, a path, or `source`, the code",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_a_path_or_a_source_but_not_both_or_none() {
        let some = |text: &str| Some(text.to_owned());
        assert!(matches!(script(some("/a.py"), None), Ok(Script::Path(_))));
        assert!(matches!(script(None, some("x")), Ok(Script::Source(_))));
        for (path, source) in [
            (None, None),
            (some("/a.py"), some("x")),
            (some("a.py"), None),
            (some("/a.jar"), None),
            (some("/a\n.py"), None),
        ] {
            let refused = script(path, source).expect_err("not a script");
            assert_eq!(refused.code, "invalid_arguments");
        }
    }
}
