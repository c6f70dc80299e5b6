//! Spark's types by the names that Spark SQL gives them.

use results::Column;

use crate::protocol as pb;
use pb::data_type::Kind;

/// The columns of a result's schema; none if it is no struct.
pub(super) fn columns(schema: &pb::DataType) -> Vec<Column> {
    let Some(Kind::Struct(fields)) = &schema.kind else {
        return Vec::new();
    };
    let column = |field: &pb::data_type::StructField| Column {
        name: field.name.clone(),
        type_name: field.data_type.as_ref().map(name).unwrap_or_default(),
    };
    fields.fields.iter().map(column).collect()
}

/// The name of a type as `DESCRIBE` shows it.
fn name(data_type: &pb::DataType) -> String {
    let of = |inner: &Option<Box<pb::DataType>>| inner.as_deref().map(name).unwrap_or_default();
    let Some(kind) = &data_type.kind else {
        return String::new();
    };
    match kind {
        Kind::Null(_) => "void".to_owned(),
        Kind::Binary(_) => "binary".to_owned(),
        Kind::Boolean(_) => "boolean".to_owned(),
        Kind::Byte(_) => "tinyint".to_owned(),
        Kind::Short(_) => "smallint".to_owned(),
        Kind::Integer(_) => "int".to_owned(),
        Kind::Long(_) => "bigint".to_owned(),
        Kind::Float(_) => "float".to_owned(),
        Kind::Double(_) => "double".to_owned(),
        Kind::Decimal(decimal) => format!(
            "decimal({},{})",
            decimal.precision.unwrap_or(10),
            decimal.scale.unwrap_or(0)
        ),
        Kind::String(_) => "string".to_owned(),
        Kind::Char(char) => format!("char({})", char.length),
        Kind::VarChar(char) => format!("varchar({})", char.length),
        Kind::Date(_) => "date".to_owned(),
        Kind::Timestamp(_) => "timestamp".to_owned(),
        Kind::TimestampNtz(_) => "timestamp_ntz".to_owned(),
        Kind::TimestampNtzNanos(t) => format!("timestamp_ntz({})", t.precision.unwrap_or(9)),
        Kind::TimestampLtzNanos(t) => format!("timestamp({})", t.precision.unwrap_or(9)),
        Kind::Time(time) => format!("time({})", time.precision.unwrap_or(6)),
        Kind::CalendarInterval(_) => "interval".to_owned(),
        Kind::YearMonthInterval(interval) => {
            span(&["year", "month"], interval.start_field, interval.end_field)
        }
        Kind::DayTimeInterval(interval) => span(
            &["day", "hour", "minute", "second"],
            interval.start_field,
            interval.end_field,
        ),
        Kind::Array(array) => format!("array<{}>", of(&array.element_type)),
        Kind::Map(map) => format!("map<{},{}>", of(&map.key_type), of(&map.value_type)),
        Kind::Struct(fields) => {
            let field = |field: &pb::data_type::StructField| {
                let of = field.data_type.as_ref().map(name).unwrap_or_default();
                format!("{}:{of}", field.name)
            };
            let fields: Vec<String> = fields.fields.iter().map(field).collect();
            format!("struct<{}>", fields.join(","))
        }
        Kind::Variant(_) => "variant".to_owned(),
        Kind::Geometry(g) => format!("geometry({})", g.srid),
        Kind::Geography(g) => format!("geography({})", g.srid),
        Kind::Udt(udt) => of(&udt.sql_type),
        Kind::Unparsed(unparsed) => unparsed.data_type_string.clone(),
    }
}

/// An interval type from its first to its last field, both given by number.
fn span(fields: &[&str], first: Option<i32>, last: Option<i32>) -> String {
    let at = |number: Option<i32>, or: usize| {
        let index = number.and_then(|n| usize::try_from(n).ok()).unwrap_or(or);
        fields.get(index).copied().unwrap_or(fields[or])
    };
    let (first, last) = (at(first, 0), at(last, fields.len() - 1));
    if first == last {
        format!("interval {first}")
    } else {
        format!("interval {first} to {last}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pb::data_type as dt;

    fn check(kind: Kind, expected: &str) {
        assert_eq!(name(&of(kind)), expected);
    }

    fn of(kind: Kind) -> pb::DataType {
        pb::DataType { kind: Some(kind) }
    }

    #[test]
    fn it_names_types_as_spark_sql_does() {
        for (kind, expected) in [
            (Kind::Null(dt::Null::default()), "void"),
            (Kind::Binary(dt::Binary::default()), "binary"),
            (Kind::Boolean(dt::Boolean::default()), "boolean"),
            (Kind::Byte(dt::Byte::default()), "tinyint"),
            (Kind::Short(dt::Short::default()), "smallint"),
            (Kind::Integer(dt::Integer::default()), "int"),
            (Kind::Long(dt::Long::default()), "bigint"),
            (Kind::Float(dt::Float::default()), "float"),
            (Kind::Double(dt::Double::default()), "double"),
            (Kind::Decimal(dt::Decimal::default()), "decimal(10,0)"),
            (Kind::String(dt::String::default()), "string"),
            (Kind::Char(dt::Char::default()), "char(0)"),
            (Kind::VarChar(dt::VarChar::default()), "varchar(0)"),
            (Kind::Date(dt::Date::default()), "date"),
            (Kind::Timestamp(dt::Timestamp::default()), "timestamp"),
            (
                Kind::TimestampNtz(dt::TimestampNtz::default()),
                "timestamp_ntz",
            ),
            (
                Kind::TimestampNtzNanos(dt::TimestampNtzNanos::default()),
                "timestamp_ntz(9)",
            ),
            (
                Kind::TimestampLtzNanos(dt::TimestampLtzNanos::default()),
                "timestamp(9)",
            ),
            (Kind::Time(dt::Time::default()), "time(6)"),
            (
                Kind::CalendarInterval(dt::CalendarInterval::default()),
                "interval",
            ),
            (
                Kind::YearMonthInterval(dt::YearMonthInterval::default()),
                "interval year to month",
            ),
            (
                Kind::DayTimeInterval(dt::DayTimeInterval::default()),
                "interval day to second",
            ),
            (Kind::Variant(dt::Variant::default()), "variant"),
            (Kind::Geometry(dt::Geometry::default()), "geometry(0)"),
            (Kind::Geography(dt::Geography::default()), "geography(0)"),
            (
                Kind::Unparsed(dt::Unparsed {
                    data_type_string: "money".to_owned(),
                }),
                "money",
            ),
        ] {
            check(kind, expected);
        }
    }

    #[test]
    fn it_names_types_with_parts_and_bounds() {
        let long = || of(Kind::Long(dt::Long::default()));
        let field = |name: &str| dt::StructField {
            name: name.to_owned(),
            data_type: Some(long()),
            ..Default::default()
        };
        let fields = dt::Struct {
            fields: vec![field("a"), field("b")],
            ..Default::default()
        };
        check(Kind::Struct(fields.clone()), "struct<a:bigint,b:bigint>");
        check(
            Kind::Udt(Box::new(dt::Udt {
                sql_type: Some(Box::new(long())),
                ..Default::default()
            })),
            "bigint",
        );
        let told = columns(&of(Kind::Struct(fields)));
        let told: Vec<_> = told.iter().map(|c| (&*c.name, &*c.type_name)).collect();
        assert_eq!(told, [("a", "bigint"), ("b", "bigint")]);
        // The schema of a result is a struct; what is none has no columns.
        assert_eq!(columns(&long()), []);
        assert_eq!(name(&pb::DataType { kind: None }), "");
        check(
            Kind::Decimal(dt::Decimal {
                scale: Some(2),
                precision: Some(10),
                ..Default::default()
            }),
            "decimal(10,2)",
        );
        check(
            Kind::Map(Box::new(dt::Map {
                key_type: Some(Box::new(of(Kind::String(dt::String::default())))),
                value_type: Some(Box::new(of(Kind::Array(Box::new(dt::Array {
                    element_type: Some(Box::new(of(Kind::Date(dt::Date::default())))),
                    ..Default::default()
                }))))),
                ..Default::default()
            })),
            "map<string,array<date>>",
        );
        check(
            Kind::DayTimeInterval(dt::DayTimeInterval {
                start_field: Some(1),
                end_field: Some(3),
                ..Default::default()
            }),
            "interval hour to second",
        );
        check(
            Kind::YearMonthInterval(dt::YearMonthInterval {
                start_field: Some(1),
                end_field: Some(1),
                ..Default::default()
            }),
            "interval month",
        );
    }
}
