//! The types of a result in the words of Spark's SQL.

use arrow_schema::{DataType, Field, IntervalUnit};

/// The type as Spark's SQL writes it; in Arrow's words where Spark has none.
pub(super) fn spark_type(source: &DataType) -> String {
    let of_field = |field: &Field| spark_type(field.data_type());
    match source {
        DataType::Null => "void".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 => "tinyint".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "int".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "float".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Utf8 | DataType::LargeUtf8 => "string".to_owned(),
        DataType::Binary | DataType::LargeBinary => "binary".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamp".to_owned(),
        DataType::Timestamp(_, None) => "timestamp_ntz".to_owned(),
        DataType::Time64(_) => "time".to_owned(),
        DataType::Duration(_) => "interval day to second".to_owned(),
        DataType::Interval(IntervalUnit::YearMonth) => "interval year to month".to_owned(),
        DataType::Interval(_) => "interval".to_owned(),
        DataType::List(element) | DataType::LargeList(element) => {
            format!("array<{}>", of_field(element))
        }
        DataType::Struct(fields) => {
            let fields = fields.iter();
            let fields: Vec<String> = fields
                .map(|field| format!("{}:{}", field.name(), of_field(field)))
                .collect();
            format!("struct<{}>", fields.join(","))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) => {
                let pair: Vec<String> = pair.iter().map(|field| of_field(field)).collect();
                format!("map<{}>", pair.join(","))
            }
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_writes_types_as_sparks_sql_does() {
        let field = |name: &str, data_type| Field::new(name, data_type, true);
        let nested = DataType::Struct(
            vec![
                field("a", DataType::Int64),
                field("b", DataType::new_list(DataType::Utf8, true)),
            ]
            .into(),
        );
        assert_eq!(spark_type(&nested), "struct<a:bigint,b:array<string>>");
        let decimal = DataType::Decimal128(12, 2);
        assert_eq!(spark_type(&decimal), "decimal(12,2)");
        let pair = DataType::Struct(
            vec![
                field("key", DataType::Utf8),
                field("value", DataType::Int32),
            ]
            .into(),
        );
        let map = DataType::Map(field("entries", pair).into(), false);
        assert_eq!(spark_type(&map), "map<string,int>");
    }
}
