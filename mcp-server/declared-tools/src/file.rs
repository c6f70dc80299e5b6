//! The file in which an operator declares tools, and what can be said of it without a database.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::parameter::ParameterEntry;
use crate::{Annotations, Declaration, DeclaredLimits, Engine, Parameter};

/// Clients know names of up to 64 letters, digits, `_` and `-`.
const LONGEST_NAME: usize = 64;

/// Every byte of it is sent with each list.
const LONGEST_DESCRIPTION: usize = 1000;

/// More than a model can fill in, and less than PostgreSQL's 65535.
const MOST_PARAMETERS: usize = 64;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolsFile {
    tools: Vec<ToolEntry>,
}

/// A tool as its author writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolEntry {
    name: String,
    title: String,
    description: String,
    #[serde(default)]
    engine: EngineName,
    database: Option<String>,
    #[serde(default)]
    writes: bool,
    sql: String,
    #[serde(default)]
    parameters: Vec<ParameterEntry>,
    #[serde(default)]
    limits: DeclaredLimits,
    #[serde(default)]
    annotations: Annotations,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum EngineName {
    #[default]
    Postgres,
    Spark,
}

/// The tools of a file, in its order. `is_taken` knows the names of the tools that the server has
/// already.
///
/// # Errors
/// Everything that is wrong with the file, one line for each fault.
pub fn read(path: &Path, is_taken: &dyn Fn(&str) -> bool) -> anyhow::Result<Vec<Declaration>> {
    let file = format!("MCP_TOOLS_FILE `{}`", path.display());
    let text = std::fs::read_to_string(path).with_context(|| format!("{file}: cannot be read"))?;
    let entries: ToolsFile = yaml_serde::from_str(&text).with_context(|| file.clone())?;
    let (mut tools, mut faults) = (Vec::<Declaration>::new(), Vec::new());
    for (at, entry) in entries.tools.into_iter().enumerate() {
        let place = format!("{file}, tool {} (`{}`)", at + 1, entry.name);
        let mut found = faults_of(&entry, is_taken);
        if tools.iter().any(|tool| tool.name == entry.name) {
            found.push("its name is that of a tool above it: take another one".to_owned());
        }
        let engine = match entry.engine {
            EngineName::Spark => Engine::Spark,
            EngineName::Postgres => Engine::Postgres {
                database: entry.database.clone(),
                writes: entry.writes,
            },
        };
        let mut parameters = Vec::<Parameter>::new();
        for declared in &entry.parameters {
            let of = format!("parameter `{}`", declared.name);
            if parameters.iter().any(|one| one.name == declared.name) {
                found.push(format!("{of}: is declared twice"));
            }
            match Parameter::new(declared, engine == Engine::Spark) {
                Ok(parameter) => parameters.push(parameter),
                Err(problems) => {
                    found.extend(
                        problems
                            .into_iter()
                            .map(|problem| format!("{of}: {problem}")),
                    );
                }
            }
        }
        faults.extend(found.into_iter().map(|fault| format!("{place}: {fault}")));
        tools.push(Declaration {
            name: entry.name,
            title: entry.title,
            description: entry.description,
            sql: entry.sql,
            engine,
            parameters,
            limits: entry.limits,
            annotations: entry.annotations,
            place,
        });
    }
    match faults.is_empty() {
        true => Ok(tools),
        false => bail!(faults.join("\n")),
    }
}

/// Names the faults of a tool besides those of its parameters.
fn faults_of(tool: &ToolEntry, is_taken: &dyn Fn(&str) -> bool) -> Vec<String> {
    let is_spark = tool.engine == EngineName::Spark;
    let (limits, annotations) = (&tool.limits, &tool.annotations);
    let bounds = [
        limits.max_rows == Some(0),
        limits.max_bytes == Some(0),
        limits.statement_timeout_ms == Some(0),
    ];
    let rules = [
        (
            !is_tool_name(&tool.name),
            "its name is no tool's: up to 64 letters, digits, `_` and `-`, a letter first",
        ),
        (
            is_taken(&tool.name),
            "its name is that of a tool of this server: take another one",
        ),
        (tool.title.trim().is_empty(), "its `title` is empty"),
        (
            tool.description.trim().is_empty(),
            "its `description` is empty: an agent chooses by it",
        ),
        (
            tool.description.len() > LONGEST_DESCRIPTION,
            "its `description` has more than 1000 bytes, which go out with every list",
        ),
        (tool.sql.trim().is_empty(), "its `sql` is empty"),
        (
            tool.parameters.len() > MOST_PARAMETERS,
            "it has more than 64 parameters",
        ),
        (
            is_spark && tool.database.is_some(),
            "`database` is PostgreSQL's: leave it out with `engine: spark`",
        ),
        (
            is_spark && tool.writes,
            "`writes` is PostgreSQL's: a declared tool only reads in Spark",
        ),
        (
            !tool.writes && limits.max_affected_rows.is_some(),
            "`max_affected_rows` is for a tool with `writes: true`",
        ),
        (
            !tool.writes && annotations.destructive.is_some(),
            "`destructive` is for a tool with `writes: true`",
        ),
        (
            bounds.contains(&true),
            "a limit of 0 lets nothing through: leave it out, or write 1 or more",
        ),
    ];
    let broken = rules.into_iter().filter(|(is_broken, _)| *is_broken);
    broken.map(|(_, fault)| fault.to_owned()).collect()
}

fn is_tool_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: &str = "name: sales, title: Sales, description: All sales, sql: SELECT 1";

    fn read_text(text: &str) -> Result<Vec<Declaration>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tools.yaml");
        std::fs::write(&path, text).expect("written");
        let read = read(&path, &|name| name == "list_tables");
        read.map_err(|error| format!("{error:#}").replace(&path.display().to_string(), "FILE"))
    }

    #[test]
    fn it_reads_tools_with_their_parameters_in_the_order_of_the_file() {
        let read = read_text(&format!(
            "tools:\n- {{{ROUND}, parameters: [{{name: since, type: string}}, \
             {{name: most, type: integer, default: 5, minimum: 1}}]}}\n\
             - {{name: b, title: B, description: b, sql: SELECT 1, engine: spark}}"
        ));
        let tools = read.expect("a good file");
        let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names, ["sales", "b"]);
        let parameters: Vec<(&str, bool)> = tools[0]
            .parameters
            .iter()
            .map(|one| (one.name.as_str(), one.is_required))
            .collect();
        assert_eq!(parameters, [("since", true), ("most", false)]);
        assert_eq!(tools[1].engine, Engine::Spark);
    }

    #[test]
    fn it_names_file_tool_and_parameter_of_each_fault_in_a_line_of_its_own() {
        let read = read_text(&format!(
            "tools:\n- {{{ROUND}, limits: {{max_rows: 0}}, \
             parameters: [{{name: 1x, type: string}}]}}\n\
             - {{name: list_tables, title: '', description: d, sql: SELECT 1}}\n- {{{ROUND}}}"
        ));
        let refused = read.expect_err("four faults");
        let lines: Vec<&str> = refused.lines().collect();
        assert_eq!(lines.len(), 5, "{refused}");
        for (line, place, fault) in [
            (0, "MCP_TOOLS_FILE `FILE`, tool 1 (`sales`)", "limit of 0"),
            (1, "tool 1 (`sales`): parameter `1x`", "name"),
            (2, "tool 2 (`list_tables`)", "a tool of this server"),
            (3, "tool 2 (`list_tables`)", "`title` is empty"),
            (4, "tool 3 (`sales`)", "above"),
        ] {
            assert!(lines[line].contains(place), "{refused}");
            assert!(lines[line].contains(fault), "{refused}");
        }
    }

    #[test]
    fn it_refuses_what_a_tool_cannot_have() {
        for (entry, fault) in [
            (
                format!("{ROUND}, engine: spark, writes: true"),
                "only reads in Spark",
            ),
            (
                format!("{ROUND}, engine: spark, database: x"),
                "`database` is PostgreSQL's",
            ),
            (format!("{ROUND}, engine: oracle"), "oracle"),
            (format!("{ROUND}, query: x"), "unknown field `query`"),
            (
                format!("{ROUND}, limits: {{rows: 3}}"),
                "unknown field `rows`",
            ),
            (
                format!("{ROUND}, limits: {{max_affected_rows: 3}}"),
                "writes: true",
            ),
            (
                format!("{ROUND}, annotations: {{destructive: true}}"),
                "writes: true",
            ),
            (ROUND.replace("name: sales", "name: sales/all"), "no tool's"),
            (ROUND.replace("All sales", "' '"), "an agent chooses by it"),
            (ROUND.replace(", sql: SELECT 1", ""), "missing field `sql`"),
        ] {
            let refused = read_text(&format!("tools:\n- {{{entry}}}")).expect_err(&entry);
            assert!(refused.contains(fault), "{entry}: {refused}");
            assert!(refused.starts_with("MCP_TOOLS_FILE `FILE`"), "{refused}");
            assert_eq!(refused.lines().count(), 1, "{refused}");
        }
    }
}
