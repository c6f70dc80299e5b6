//! A SQL statement with its parameters, as the plan that Spark Connect executes.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::progress::StatementProgress;
use crate::protocol as pb;
use pb::catalog::CatType;
use pb::expression::literal::LiteralType;
use pb::expression::{ExprType, Literal, UnresolvedFunction};
use pb::relation::RelType;

/// One SQL statement with its parameters, or one question to Spark's catalogue.
#[derive(Debug, Clone)]
pub struct Statement {
    sql: String,
    /// The question that is asked in the place of the text.
    question: Option<Box<CatType>>,
    parameters: Parameters,
    most_rows: Option<i32>,
    texts: Option<Texts>,
    listener: Option<watch::Sender<StatementProgress>>,
}

/// Texts that a statement brings along as a table of its own.
#[derive(Debug, Clone)]
struct Texts {
    table: &'static str,
    stream: Vec<u8>,
}

/// The values of `?` or `:name` in a statement. They are bound, never spliced into the text.
#[derive(Debug, Clone, Default)]
pub enum Parameters {
    /// The statement has none.
    #[default]
    None,
    /// One per `?`, in order.
    Positional(Vec<Parameter>),
    /// One value per `:name`.
    Named(HashMap<String, Parameter>),
}

/// A value that Spark binds.
#[derive(Debug, Clone)]
pub struct Parameter(pb::Expression);

/// Parameters that cannot be bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidParameters {
    /// A JSON object, for which Spark SQL has no literal.
    #[error(
        "parameter `{0}` is an object: give numbers, strings, booleans, null, or arrays of them"
    )]
    Object(String),
}

impl Statement {
    /// The statement `sql`, without parameters and without a limit.
    pub fn new(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            question: None,
            parameters: Parameters::None,
            most_rows: None,
            texts: None,
            listener: None,
        }
    }

    /// The statement with a table that it alone can name, whose one column `text` has these texts.
    /// They travel in the message of the statement, which Spark takes up to 128 MiB of.
    ///
    /// # Errors
    /// The texts have 2 GiB or more.
    pub fn with_texts(mut self, table: &'static str, texts: &[String]) -> Result<Self, ArrowError> {
        let fields = vec![Field::new("text", DataType::Utf8, true)];
        let schema = Arc::new(Schema::new(fields));
        let column = Arc::new(StringArray::from_iter_values(texts));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column])?;
        let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
        writer.write(&batch)?;
        let stream = writer.into_inner()?;
        self.texts = Some(Texts { table, stream });
        Ok(self)
    }

    /// A question to the catalogue, in a form of its own: no name in it is read as SQL. It takes
    /// its turn in the queue as `SHOW` does.
    pub(crate) fn asking(question: CatType) -> Self {
        Self {
            question: Some(Box::new(question)),
            ..Self::new("SHOW")
        }
    }

    /// The statement with these parameters.
    #[must_use]
    pub fn parameters(mut self, parameters: Parameters) -> Self {
        self.parameters = parameters;
        self
    }

    /// Lets Spark stop after `rows` rows. A statement that is no query runs as it would without.
    #[must_use]
    pub fn at_most(mut self, rows: u32) -> Self {
        self.most_rows = Some(i32::try_from(rows).unwrap_or(i32::MAX));
        self
    }

    /// Tells `listener` how far the statement is.
    #[must_use]
    pub fn telling(mut self, listener: watch::Sender<StatementProgress>) -> Self {
        self.listener = Some(listener);
        self
    }

    pub(super) fn take_listener(&mut self) -> Option<watch::Sender<StatementProgress>> {
        self.listener.take()
    }

    /// The text of the statement.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    pub(super) fn into_plan(self) -> pb::Plan {
        let mut sql = pb::Sql {
            query: self.sql,
            ..Default::default()
        };
        match self.parameters {
            Parameters::None => {}
            Parameters::Positional(values) => {
                sql.pos_arguments = values.into_iter().map(|value| value.0).collect();
            }
            Parameters::Named(values) => {
                sql.named_arguments = values.into_iter().map(|(k, v)| (k, v.0)).collect();
            }
        }
        let statement = relation(match self.question {
            None => RelType::Sql(sql),
            Some(question) => RelType::Catalog(pb::Catalog {
                cat_type: Some(*question),
            }),
        });
        let root = match self.most_rows {
            None => statement,
            Some(limit) => relation(RelType::Limit(Box::new(pb::Limit {
                input: Some(Box::new(statement)),
                limit,
            }))),
        };
        let root = match self.texts {
            None => root,
            Some(texts) => relation(RelType::WithRelations(Box::new(pb::WithRelations {
                root: Some(Box::new(root)),
                references: vec![texts.into_relation()],
            }))),
        };
        pb::Plan {
            op_type: Some(pb::plan::OpType::Root(root)),
        }
    }
}

impl Texts {
    fn into_relation(self) -> pb::Relation {
        let texts = relation(RelType::LocalRelation(pb::LocalRelation {
            data: Some(self.stream),
            schema: None,
        }));
        relation(RelType::SubqueryAlias(Box::new(pb::SubqueryAlias {
            input: Some(Box::new(texts)),
            alias: self.table.to_owned(),
            qualifier: Vec::new(),
        })))
    }
}

pub(super) fn relation(kind: RelType) -> pb::Relation {
    pb::Relation {
        common: None,
        rel_type: Some(kind),
    }
}

impl Parameters {
    /// Positional parameters from JSON values.
    ///
    /// # Errors
    /// [`InvalidParameters`] naming the first value that cannot be bound, counted from 1.
    pub fn positional(values: &[Value]) -> Result<Self, InvalidParameters> {
        let bound = values
            .iter()
            .enumerate()
            .map(|(at, value)| bind(value, &(at + 1).to_string()).map(Parameter));
        bound.collect::<Result<_, _>>().map(Self::Positional)
    }

    /// Named parameters from a JSON object.
    ///
    /// # Errors
    /// [`InvalidParameters`] naming the first value that cannot be bound.
    pub fn named(values: &Map<String, Value>) -> Result<Self, InvalidParameters> {
        let bound = values
            .iter()
            .map(|(name, value)| Ok((name.clone(), Parameter(bind(value, name)?))));
        bound.collect::<Result<_, _>>().map(Self::Named)
    }
}

/// A JSON value as the narrowest literal that holds it exactly: an integer is INT, BIGINT or
/// DECIMAL(20,0), another number is DOUBLE.
fn bind(value: &Value, name: &str) -> Result<pb::Expression, InvalidParameters> {
    let literal = match value {
        Value::Null => LiteralType::Null(pb::DataType {
            kind: Some(pb::data_type::Kind::Null(pb::data_type::Null::default())),
        }),
        Value::Bool(value) => LiteralType::Boolean(*value),
        Value::String(value) => LiteralType::String(value.clone()),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(value), _, _) => {
                i32::try_from(value).map_or(LiteralType::Long(value), LiteralType::Integer)
            }
            (None, Some(value), _) => LiteralType::Decimal(pb::expression::literal::Decimal {
                value: value.to_string(),
                precision: Some(20),
                scale: Some(0),
            }),
            (None, None, value) => LiteralType::Double(value.unwrap_or(f64::NAN)),
        },
        // A literal array would have to name its element type; the function finds it.
        Value::Array(values) => {
            let elements = values.iter().map(|value| bind(value, name));
            return Ok(expression(ExprType::UnresolvedFunction(
                UnresolvedFunction {
                    function_name: "array".to_owned(),
                    arguments: elements.collect::<Result<_, _>>()?,
                    ..Default::default()
                },
            )));
        }
        Value::Object(_) => return Err(InvalidParameters::Object(name.to_owned())),
    };
    Ok(expression(ExprType::Literal(Literal {
        data_type: None,
        literal_type: Some(literal),
    })))
}

fn expression(kind: ExprType) -> pb::Expression {
    pb::Expression {
        common: None,
        expr_type: Some(kind),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The plan of a statement, as text.
    fn plan(statement: Statement) -> String {
        format!("{:?}", statement.into_plan())
    }

    fn literal(value: &Value) -> LiteralType {
        let bound = bind(value, "1").expect("it can be bound").expr_type;
        let Some(ExprType::Literal(literal)) = bound else {
            panic!("{value} is {bound:?}");
        };
        literal.literal_type.expect("a literal has a value")
    }

    #[test]
    fn it_binds_each_value_as_the_narrowest_literal_that_holds_it() {
        let decimal = pb::expression::literal::Decimal {
            value: u64::MAX.to_string(),
            precision: Some(20),
            scale: Some(0),
        };
        for (value, expected) in [
            (json!(true), LiteralType::Boolean(true)),
            (json!("a"), LiteralType::String("a".to_owned())),
            (json!(-1), LiteralType::Integer(-1)),
            (json!(i32::MAX), LiteralType::Integer(i32::MAX)),
            (json!(1_i64 << 31), LiteralType::Long(1 << 31)),
            (json!(i64::MIN), LiteralType::Long(i64::MIN)),
            (json!(u64::MAX), LiteralType::Decimal(decimal)),
            (json!(0.5), LiteralType::Double(0.5)),
        ] {
            assert_eq!(literal(&value), expected, "{value}");
        }
        assert!(matches!(literal(&Value::Null), LiteralType::Null(_)));
    }

    #[test]
    fn it_binds_an_array_by_the_function_that_finds_its_type() {
        let bound = bind(&json!([1, [2]]), "1").expect("an array").expr_type;
        let Some(ExprType::UnresolvedFunction(outer)) = bound else {
            panic!("{bound:?}");
        };
        assert_eq!((&*outer.function_name, outer.arguments.len()), ("array", 2));
    }

    #[test]
    fn it_names_the_parameter_that_cannot_be_bound() {
        let by_place = Parameters::positional(&[json!(1), json!([{"a": 1}])]);
        let by_place = by_place.expect_err("an object");
        assert_eq!(by_place, InvalidParameters::Object("2".to_owned()));
        let values = json!({"since": {"day": 1}});
        let by_name = Parameters::named(values.as_object().expect("an object"));
        let by_name = by_name.expect_err("an object").to_string();
        assert!(by_name.starts_with("parameter `since` is an object"));
    }

    #[test]
    fn it_keeps_values_out_of_the_text() {
        let hostile = "x'; DROP TABLE t; --";
        let values = json!({"a": hostile});
        let named = Parameters::named(values.as_object().expect("an object"));
        let positional = Parameters::positional(&[json!(hostile)]);
        for (sql, parameters) in [("SELECT :a", named), ("SELECT ?", positional)] {
            let parameters = parameters.expect("a string can be bound");
            let statement = Statement::new(sql).parameters(parameters);
            assert_eq!(statement.sql(), sql);
            let plan = plan(statement);
            assert!(plan.contains(&format!("query: {sql:?}")), "{plan}");
            assert!(plan.contains(&format!("String({hostile:?})")), "{plan}");
        }
    }

    #[test]
    fn it_puts_a_limit_and_a_table_of_texts_around_a_statement() {
        let texts = ["a".to_owned(), "b".to_owned()];
        let statement = Statement::new("SELECT text FROM given").at_most(7);
        let statement = statement.with_texts("given", &texts).expect("they fit");
        let Some(pb::plan::OpType::Root(root)) = statement.into_plan().op_type else {
            panic!("a query");
        };
        let Some(RelType::WithRelations(with)) = root.rel_type else {
            panic!("a table beside it");
        };
        let limited = with.root.and_then(|root| root.rel_type);
        assert!(
            matches!(&limited, Some(RelType::Limit(limit)) if limit.limit == 7),
            "{limited:?}"
        );
        let named = format!("{:?}", with.references);
        assert!(named.contains("alias: \"given\""), "{named}");
        let all = plan(Statement::new("SELECT 1").at_most(u32::MAX));
        assert!(all.contains(&format!("limit: {}", i32::MAX)), "{all}");
    }

    #[test]
    fn it_asks_the_catalogue_in_a_form_without_sql() {
        let question = CatType::ListTables(pb::ListTables {
            db_name: Some("`a; DROP`".to_owned()),
            pattern: None,
        });
        let plan = plan(Statement::asking(question));
        assert!(
            plan.contains("Catalog(") && !plan.contains("Sql("),
            "{plan}"
        );
    }
}
