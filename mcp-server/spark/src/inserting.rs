//! Statements that put rows into a table, which is there already.
//!
//! What Spark itself computes, it moves itself. Rows from elsewhere travel with the statement, each
//! as one JSON object of texts, of which Spark makes values of its own types.

use arrow_schema::ArrowError;
use results::Column;

use super::catalogue::{quoted_name, quoted_path};
use super::connect::Statement;

/// The name of the table in which rows travel.
const TEXTS: &str = "portcullis_rows";

/// The characters of a value that a failure quotes.
const QUOTED: usize = 100;

/// The beginning of a statement that puts rows into one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInsert(String);

/// Why rows cannot be put into a table.
#[derive(Debug, thiserror::Error)]
pub enum InsertError {
    /// The rows have a column that the table lacks.
    #[error("the table has no column `{0}`")]
    NoColumn(String),
    /// No text is a value of the column.
    #[error("column `{0}` is binary, for which rows have no form here")]
    Binary(String),
    /// The rows cannot travel.
    #[error("the rows cannot be sent to Spark: {0}")]
    Rows(#[from] ArrowError),
}

impl TableInsert {
    /// Rows come to those that the table has.
    pub fn append(table: &str) -> Self {
        Self(format!("INSERT INTO {}", quoted_path(table)))
    }

    /// Rows come in the place of those that the table has.
    pub fn overwrite(table: &str) -> Self {
        Self(format!("INSERT OVERWRITE TABLE {}", quoted_path(table)))
    }

    /// The statement that puts the rows of a query of Spark SQL there.
    pub fn of_query(&self, sql: &str) -> Statement {
        Statement::new(format!("{}\n{sql}", self.0))
    }

    /// The statement that puts these rows there: JSON objects whose keys are `columns`, and whose
    /// values are texts or null. `known` are the columns of the table.
    ///
    /// # Errors
    /// [`InsertError`]: they do not fit the table, or are 2 GiB or more.
    pub fn of_rows(
        &self,
        columns: &[String],
        known: &[Column],
        rows: &[String],
    ) -> Result<Statement, InsertError> {
        let sql = self.sql_of_rows(columns, known)?;
        Ok(Statement::new(sql).with_texts(TEXTS, rows)?)
    }

    /// The statement that makes values of texts, each of its column's type.
    fn sql_of_rows(&self, columns: &[String], known: &[Column]) -> Result<String, InsertError> {
        let mut values = Vec::new();
        for name in columns {
            let column = known
                .iter()
                .find(|known| known.name.eq_ignore_ascii_case(name));
            let column = column.ok_or_else(|| InsertError::NoColumn(name.clone()))?;
            values.push(value(&format!("fields.{}", quoted_name(name)), column)?);
        }
        let names: Vec<String> = columns.iter().map(|name| quoted_name(name)).collect();
        let fields: Vec<String> = names.iter().map(|name| format!("{name} STRING")).collect();
        Ok(format!(
            "{} ({}) SELECT {} FROM (SELECT from_json(text, {}, map('mode', 'FAILFAST')) AS \
             fields FROM {TEXTS})",
            self.0,
            names.join(", "),
            values.join(", "),
            literal(&fields.join(", "))
        ))
    }
}

/// The expression that reads a text as a value of a column. One that is none fails the statement,
/// also where Spark's CAST would make NULL or another value of it (`spark.sql.ansi.enabled=false`):
/// `try_cast` takes what CAST takes under ANSI, and nothing else.
fn value(text: &str, column: &Column) -> Result<String, InsertError> {
    let type_name = &column.type_name;
    let is_nested = ["array<", "map<", "struct<"]
        .iter()
        .any(|begin| type_name.starts_with(begin));
    match type_name.as_str() {
        "string" => Ok(text.to_owned()),
        "binary" => Err(InsertError::Binary(column.name.clone())),
        _ if is_nested => Ok(format!(
            "from_json({text}, {}, map('mode', 'FAILFAST'))",
            literal(type_name)
        )),
        _ => {
            let is_none = format!("` is no {type_name} for column `{}`", column.name);
            Ok(format!(
                "coalesce(try_cast({text} AS {type_name}), if({text} IS NULL, NULL, \
                 raise_error(concat('`', left({text}, {QUOTED}), {}))))",
                literal(&is_none)
            ))
        }
    }
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_puts_what_spark_computes_behind_the_name_of_the_table() {
        for (insert, expected) in [
            (TableInsert::append("a.b"), "INSERT INTO `a`.`b`\nSELECT 1"),
            (
                TableInsert::overwrite("x`; DROP"),
                "INSERT OVERWRITE TABLE `x``; DROP`\nSELECT 1",
            ),
        ] {
            assert_eq!(insert.of_query("SELECT 1").sql(), expected);
        }
    }

    #[test]
    fn it_reads_each_text_as_the_type_of_its_column_and_takes_no_name_for_sql() {
        let column = |name: &str, type_name: &str| Column {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
        };
        let known = [
            column("a", "decimal(12,2)"),
            column("it's `b`", "string"),
            column("c", "array<string>"),
            column("d", "binary"),
        ];
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let columns = names(&["a", "it's `b`", "c"]);
        let insert = TableInsert::append("t");
        let statement = insert.of_rows(&columns, &known, &[]).expect("a statement");
        assert_eq!(
            statement.sql(),
            "INSERT INTO `t` (`a`, `it's ``b```, `c`) SELECT coalesce(try_cast(fields.`a` AS \
             decimal(12,2)), if(fields.`a` IS NULL, NULL, raise_error(concat('`', \
             left(fields.`a`, 100), '` is no decimal(12,2) for column `a`')))), \
             fields.`it's ``b```, from_json(fields.`c`, 'array<string>', map('mode', \
             'FAILFAST')) FROM (SELECT from_json(text, '`a` STRING, `it\\'s ``b``` STRING, `c` \
             STRING', map('mode', 'FAILFAST')) AS fields FROM portcullis_rows)"
        );
        let refused = |name| {
            insert
                .of_rows(&names(&[name]), &known, &[])
                .expect_err(name)
        };
        assert!(matches!(refused("d"), InsertError::Binary(name) if name == "d"));
        assert!(matches!(refused("e"), InsertError::NoColumn(name) if name == "e"));
    }
}
