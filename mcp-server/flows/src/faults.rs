//! The faults of a flow that are plain without looking at any service.

use std::path::{Component, Path};

use super::{ChangeStatement, Destination, Flow, IntoPostgres, LoadMode, Source, Transformation};

const NO_TABLE: &str = "its destination names no table";

impl Flow {
    /// The first plain fault of a flow, in a sentence.
    pub(super) fn problem(&self) -> Option<String> {
        let Some(source) = &self.source else {
            return self.problem_without_rows();
        };
        let engine = source.engine();
        for transformation in &self.transformations {
            let Transformation { name, sql, .. } = transformation;
            if !is_plain_name(name) || name == "source" {
                return Some(format!(
                    "`{}` is no name of a transformation: take lower-case letters, digits and `_`, \
                     and not `source`",
                    name.escape_debug()
                ));
            }
            if engine == "file" {
                return Some(
                    "rows of a file go to their destination as they are; load them into a table, \
                     and transform them from there in a stage after this one"
                        .to_owned(),
                );
            }
            if transformation.engine.as_deref().unwrap_or(engine) != engine {
                return Some(format!(
                    "transformation `{name}` is not in the SQL of its source, `{engine}`; rows \
                     change the engine only at a destination, so make it a stage of its own"
                ));
            }
            if sql.trim().is_empty() {
                return Some(format!("transformation `{name}` has no SQL"));
            }
        }
        let source_file = match source {
            Source::File(file) => Some(file),
            Source::Postgres { sql, .. } | Source::SparkSql { sql, .. }
                if sql.trim().is_empty() =>
            {
                return Some("its source has no SQL".to_owned());
            }
            _ => None,
        };
        let file = match &self.destination {
            Destination::Postgres(into) => match into.problem_with_rows() {
                None => None,
                problem => return problem,
            },
            Destination::SparkSql { mode, .. } if *mode == LoadMode::Upsert => {
                return Some("rows go into a table of Spark by `append` or `overwrite`".to_owned());
            }
            Destination::SparkSql { table, .. } if table.trim().is_empty() => {
                return Some(NO_TABLE.to_owned());
            }
            Destination::SparkSql { .. } => None,
            Destination::File(_) if engine == "file" => {
                return Some(
                    "a file goes into no other file here: load it into a table, and write that \
                     into the other file in a stage after this one"
                        .to_owned(),
                );
            }
            Destination::File(file) => Some(file),
        };
        let mut files = file.into_iter().chain(source_file);
        let outside = files.find(|file| !is_below(&file.path))?;
        Some(format!(
            "`{}` is no path below the folder of pipelines: write it without `/` in front and \
             without `..`",
            outside.path.escape_debug()
        ))
    }

    /// The first plain fault of a flow that has no source.
    fn problem_without_rows(&self) -> Option<String> {
        let problem = match &self.destination {
            Destination::Postgres(into) if into.table.is_none() && !into.statements.is_empty() => {
                match self.transformations.is_empty() && self.bind.is_empty() {
                    true => return into.problem(),
                    false => "`transformations` and `bind` belong to a source",
                }
            }
            _ => {
                "without a `source` it can only run the `statements` of a destination in \
                 `postgres` that names no table"
            }
        };
        Some(problem.to_owned())
    }
}

impl IntoPostgres {
    /// The first plain fault of a destination that rows come to.
    fn problem_with_rows(&self) -> Option<String> {
        let named = self.table.as_deref().unwrap_or_default();
        let problem = match (self.mode, self.keys.is_empty()) {
            _ if named.trim().is_empty() => NO_TABLE,
            (LoadMode::Upsert, true) => "an upsert needs `keys`, the columns of a unique index",
            (LoadMode::Append | LoadMode::Overwrite, false) => "`keys` goes with the mode upsert",
            _ => return self.problem(),
        };
        Some(problem.to_owned())
    }

    fn problem(&self) -> Option<String> {
        let is_empty = |statement: &ChangeStatement| statement.sql.trim().is_empty();
        let mut statements = self.statements.iter();
        statements
            .any(is_empty)
            .then(|| "one of its `statements` has no SQL".to_owned())
    }
}

fn is_plain_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let bytes = name.as_bytes();
    bytes.first().copied().is_some_and(letter)
        && bytes.len() < 64
        && bytes
            .iter()
            .all(|&byte| letter(byte) || byte.is_ascii_digit())
}

fn is_below(path: &str) -> bool {
    let mut components = Path::new(path).components();
    !path.is_empty()
        && !path.contains(char::is_control)
        && components.all(|component| matches!(component, Component::Normal(_)))
}
