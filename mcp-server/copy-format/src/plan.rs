//! How each column of a result goes into a column of a table, or why it cannot.

use arrow_schema::{DataType, Field, IntervalUnit, Schema, TimeUnit};
use postgres::TargetColumn;

use super::Encoding;
use super::spark_type::spark_type;

/// Lengths of `varchar(n)` are kept in the catalogue with this added, like PostgreSQL's headers.
const HEADER: i32 = 4;

/// The way of each column of a result into a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadPlan {
    pub(super) columns: Vec<PlannedColumn>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlannedColumn {
    pub(super) name: String,
    pub(super) type_name: String,
    pub(super) encoding: Encoding,
}

/// Why a result does not fit a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The result has no columns.
    #[error("the result has no columns")]
    Empty,
    /// Two columns of the result have one name.
    #[error("the result has two columns `{0}`: give them names of their own")]
    Repeated(String),
    /// The table has no such column.
    #[error("the table has no column `{0}`")]
    Unknown(String),
    /// PostgreSQL computes the column.
    #[error("the column `{0}` is generated, and takes no values")]
    Generated(String),
    /// The table needs a value that the result does not have.
    #[error("the result has no column `{0}`, which the table needs")]
    Missing(String),
    /// The values cannot become values of the column without loss.
    #[error(
        "the column `{column}` is {spark} in Spark, which does not fit {postgres} without loss"
    )]
    Type {
        /// The name of the column.
        column: String,
        /// Its type as Spark's SQL writes it.
        spark: String,
        /// Its type in PostgreSQL.
        postgres: String,
    },
}

impl LoadPlan {
    /// The way of a result with this schema into a table with these columns.
    ///
    /// # Errors
    /// [`Misfit`] for the first thing that does not fit.
    pub fn new(schema: &Schema, targets: &[TargetColumn]) -> Result<Self, Misfit> {
        if schema.fields().is_empty() {
            return Err(Misfit::Empty);
        }
        let mut columns: Vec<PlannedColumn> = Vec::new();
        for field in schema.fields() {
            let name = field.name();
            if columns.iter().any(|column| column.name == *name) {
                return Err(Misfit::Repeated(name.clone()));
            }
            let target = targets.iter().find(|target| target.name == *name);
            let target = target.ok_or_else(|| Misfit::Unknown(name.clone()))?;
            if target.is_generated {
                return Err(Misfit::Generated(name.clone()));
            }
            let encoding = encoding(field.data_type(), target).ok_or_else(|| Misfit::Type {
                column: name.clone(),
                spark: spark_type(field.data_type()),
                postgres: target.type_name.clone(),
            })?;
            columns.push(PlannedColumn {
                name: name.clone(),
                type_name: target.type_name.clone(),
                encoding,
            });
        }
        let missing = targets.iter().find(|target| {
            target.is_required
                && !target.is_filled
                && !target.is_generated
                && !columns.iter().any(|column| column.name == target.name)
        });
        match missing {
            Some(target) => Err(Misfit::Missing(target.name.clone())),
            None => Ok(Self { columns }),
        }
    }

    /// The names of the columns, in the order of the rows.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }
}

/// The columns of a table that is made for a result: each name with its type in PostgreSQL.
///
/// # Errors
/// [`Misfit`] for the first column that no type of PostgreSQL holds.
pub fn created_columns(schema: &Schema) -> Result<Vec<(String, String)>, Misfit> {
    let column = |field: &Field| {
        let made = created_type(field.data_type()).ok_or_else(|| Misfit::Type {
            column: field.name().clone(),
            spark: spark_type(field.data_type()),
            postgres: "any type of PostgreSQL".to_owned(),
        })?;
        Ok((field.name().clone(), made))
    };
    schema.fields().iter().map(|field| column(field)).collect()
}

fn created_type(source: &DataType) -> Option<String> {
    Some(match source {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 | DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double precision".to_owned(),
        DataType::Decimal128(precision, scale) => format!("numeric({precision},{scale})"),
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 => "text".to_owned(),
        DataType::Binary | DataType::LargeBinary => "bytea".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamptz".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => "timestamp".to_owned(),
        DataType::Time64(TimeUnit::Nanosecond) => "time".to_owned(),
        DataType::Duration(TimeUnit::Microsecond)
        | DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::MonthDayNano) => {
            "interval".to_owned()
        }
        DataType::List(element) => match element.data_type() {
            nested if is_nested(nested) => "jsonb".to_owned(),
            plain => format!("{}[]", created_type(plain)?),
        },
        nested if is_nested(nested) => "jsonb".to_owned(),
        _ => return None,
    })
}

/// Whether values have parts with names or of several sizes, which JSON holds.
fn is_nested(source: &DataType) -> bool {
    matches!(
        source,
        DataType::List(_) | DataType::LargeList(_) | DataType::Struct(_) | DataType::Map(..)
    )
}

fn encoding(source: &DataType, target: &TargetColumn) -> Option<Encoding> {
    if let (DataType::List(field), Some((element_type, kind))) = (source, &target.element) {
        let of_elements = TargetColumn {
            kind: kind.clone(),
            modifier: target.modifier,
            ..TargetColumn::default()
        };
        return Some(Encoding::Array {
            element: Box::new(encoding(field.data_type(), &of_elements)?),
            element_type: *element_type,
        });
    }
    let kind = target.kind.as_deref()?;
    Some(match (source, kind) {
        // Only NULL comes.
        (DataType::Null, _) => Encoding::Text,
        (DataType::Boolean, "bool") => Encoding::Boolean,
        (DataType::Int8 | DataType::Int16, "int2") => Encoding::Int2,
        (DataType::Int8 | DataType::Int16 | DataType::Int32, "int4") => Encoding::Int4,
        (DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64, "int8") => {
            Encoding::Int8
        }
        (DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64, "numeric") => {
            Encoding::Numeric(0)
        }
        (DataType::Float32, "float4") => Encoding::Float4,
        (DataType::Float32 | DataType::Float64, "float8") => Encoding::Float8,
        (DataType::Decimal128(_, scale), "numeric") => {
            let scale = u32::try_from(*scale).ok()?;
            (scale <= digits_after_the_point(target.modifier))
                .then_some(Encoding::Numeric(scale))?
        }
        (DataType::Utf8 | DataType::LargeUtf8, "text" | "varchar" | "bpchar" | "enum") => {
            Encoding::Text
        }
        (DataType::Utf8 | DataType::LargeUtf8, "uuid") => Encoding::Uuid,
        (DataType::Utf8 | DataType::LargeUtf8, "json") => Encoding::Json,
        (DataType::Utf8 | DataType::LargeUtf8, "jsonb") => Encoding::Jsonb,
        (DataType::Binary | DataType::LargeBinary, "bytea") => Encoding::Bytes,
        (DataType::Date32, "date") => Encoding::Date,
        (DataType::Timestamp(TimeUnit::Microsecond, Some(_)), "timestamptz")
        | (DataType::Timestamp(TimeUnit::Microsecond, None), "timestamp")
            if target.modifier < 0 || target.modifier == 6 =>
        {
            Encoding::Timestamp
        }
        (DataType::Time64(TimeUnit::Nanosecond), "time")
            if target.modifier < 0 || target.modifier == 6 =>
        {
            Encoding::Time
        }
        (
            DataType::Duration(TimeUnit::Microsecond)
            | DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::MonthDayNano),
            "interval",
        ) if target.modifier < 0 => Encoding::Interval,
        (nested, "json") if is_nested(nested) => Encoding::Json,
        (nested, "jsonb") if is_nested(nested) => Encoding::Jsonb,
        _ => return None,
    })
}

/// The digits that a `numeric` keeps after the point; more would be rounded away.
fn digits_after_the_point(modifier: i32) -> u32 {
    match modifier - HEADER {
        // Without a precision it keeps all.
        ..0 => u32::MAX,
        // From 15 on the scale has eleven bits, of which the highest is its sign.
        kept if kept & 0x400 != 0 => 0,
        kept => u32::try_from(kept & 0x3ff).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str, kind: &str, modifier: i32) -> TargetColumn {
        TargetColumn {
            name: name.to_owned(),
            type_name: kind.to_owned(),
            kind: Some(kind.to_owned()),
            modifier,
            ..TargetColumn::default()
        }
    }

    fn check(source: &DataType, kind: &str, modifier: i32, fits: bool) {
        let schema = Schema::new(vec![Field::new("a", source.clone(), true)]);
        let plan = LoadPlan::new(&schema, &[target("a", kind, modifier)]);
        assert_eq!(plan.is_ok(), fits, "{source} {kind} {modifier}: {plan:?}");
    }

    #[test]
    fn it_lets_nothing_into_a_column_that_would_lose_something_there() {
        let numeric = |precision: i32, scale: i32| ((precision << 16) | scale) + HEADER;
        check(&DataType::Int64, "int8", -1, true);
        check(&DataType::Int64, "int4", -1, false);
        check(&DataType::Int32, "int8", -1, true);
        check(&DataType::Int64, "float8", -1, false);
        check(&DataType::Float64, "float4", -1, false);
        check(&DataType::Decimal128(10, 2), "numeric", -1, true);
        check(
            &DataType::Decimal128(10, 2),
            "numeric",
            numeric(12, 2),
            true,
        );
        check(
            &DataType::Decimal128(10, 3),
            "numeric",
            numeric(12, 2),
            false,
        );
        check(&DataType::Utf8, "varchar", 14, true);
        check(&DataType::Utf8, "inet", -1, false);
        let at =
            |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        check(&at(Some("UTC")), "timestamptz", -1, true);
        check(&at(None), "timestamptz", -1, false);
        check(&at(None), "timestamp", 3, false);
        let list = DataType::new_list(DataType::Int32, true);
        check(&list, "jsonb", -1, true);
        check(&list, "text", -1, false);
    }

    #[test]
    fn it_wants_each_column_once_and_all_that_the_table_needs() {
        let field = |name: &str| Field::new(name, DataType::Utf8, true);
        let plan = |names: &[&str], targets: &[TargetColumn]| {
            let fields: Vec<Field> = names.iter().map(|name| field(name)).collect();
            LoadPlan::new(&Schema::new(fields), targets).map(|_| ())
        };
        let (a, mut b) = (target("a", "text", -1), target("b", "text", -1));
        assert_eq!(plan(&[], std::slice::from_ref(&a)), Err(Misfit::Empty));
        assert_eq!(
            plan(&["a", "a"], std::slice::from_ref(&a)),
            Err(Misfit::Repeated("a".to_owned()))
        );
        assert_eq!(
            plan(&["A"], std::slice::from_ref(&a)),
            Err(Misfit::Unknown("A".to_owned()))
        );
        assert_eq!(plan(&["a"], &[a.clone(), b.clone()]), Ok(()));
        b.is_required = true;
        assert_eq!(
            plan(&["a"], &[a.clone(), b.clone()]),
            Err(Misfit::Missing("b".to_owned()))
        );
        b.is_filled = true;
        assert_eq!(plan(&["a"], &[a.clone(), b.clone()]), Ok(()));
        b.is_generated = true;
        assert_eq!(
            plan(&["a", "b"], &[a, b]),
            Err(Misfit::Generated("b".to_owned()))
        );
    }

    #[test]
    fn it_makes_a_type_for_every_type_of_spark() {
        let fields = vec![
            Field::new("n", DataType::Decimal128(38, 18), true),
            Field::new("l", DataType::new_list(DataType::Date32, true), true),
            Field::new(
                "ll",
                DataType::new_list(DataType::new_list(DataType::Int32, true), true),
                true,
            ),
        ];
        let made = created_columns(&Schema::new(fields)).expect("they fit");
        let made: Vec<&str> = made.iter().map(|(_, made)| made.as_str()).collect();
        assert_eq!(made, ["numeric(38,18)", "date[]", "jsonb"]);
        let view = Schema::new(vec![Field::new("v", DataType::Utf8View, true)]);
        assert!(matches!(created_columns(&view), Err(Misfit::Type { .. })));
    }
}
