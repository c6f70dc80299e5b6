//! One table of Spark with its columns, read from what Spark tells of it.

use serde_json::Value;
use url::Url;

use super::{SparkTable, SparkTableKind, text};

/// A table or view with its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparkTableDescription {
    /// The facts that a list shows of it, too.
    pub table: SparkTable,
    /// Its columns, those that it is partitioned by among them.
    pub columns: Vec<SparkColumn>,
    /// The names of the columns that it is partitioned by, in their order.
    pub partition_columns: Vec<String>,
    /// The names of the columns whose hash chooses a file.
    pub bucket_columns: Vec<String>,
    /// The form of its rows: `parquet`, `csv`.
    pub provider: Option<String>,
    /// Where its rows are, without passwords and signatures.
    pub location: Option<String>,
    /// Its rows, as they were when it was last analysed.
    pub rows: Option<u64>,
    /// Its bytes, as Spark last counted them.
    pub bytes: Option<u64>,
    /// When it was made.
    pub created_at: Option<String>,
    /// The query of a view.
    pub definition: Option<String>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparkColumn {
    /// The name of the column.
    pub name: String,
    /// Its type, as Spark SQL writes it.
    pub type_name: String,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// The comment of its author.
    pub comment: Option<String>,
}

impl SparkTableDescription {
    /// Reads the answer of `DESCRIBE TABLE EXTENDED … AS JSON`; none where it is something else.
    pub(super) fn told(json: &Value) -> Option<Self> {
        let word = |key: &str| json[key].as_str().map(ToOwned::to_owned);
        let names = |key: &str| {
            let names = json[key].as_array().into_iter().flatten();
            names
                .filter_map(Value::as_str)
                .map(ToOwned::to_owned)
                .collect::<Vec<_>>()
        };
        let namespace = names("namespace");
        // Where Spark 4.3 keeps temporary views; before, they had no namespace.
        let is_temporary =
            namespace.is_empty() || (json["catalog_name"] == "system" && namespace == ["session"]);
        let columns = json["columns"]
            .as_array()?
            .iter()
            .map(|column| SparkColumn {
                name: column["name"].as_str().unwrap_or_default().to_owned(),
                type_name: type_name(&column["type"]),
                nullable: column["nullable"].as_bool().unwrap_or(true),
                comment: column["comment"].as_str().map(ToOwned::to_owned),
            });
        Some(Self {
            columns: columns.collect(),
            partition_columns: names("partition_columns"),
            bucket_columns: names("bucket_columns"),
            provider: word("provider"),
            location: word("location").map(|location| without_secrets(&location)),
            rows: json["statistics"]["num_rows"].as_u64(),
            bytes: json["statistics"]["size_in_bytes"].as_u64(),
            created_at: word("created_time"),
            definition: word("view_text"),
            table: SparkTable {
                catalog: word("catalog_name").filter(|_| !is_temporary),
                database: (!is_temporary).then(|| namespace.join(".")),
                name: word("table_name")?,
                kind: match is_temporary {
                    true => Some(SparkTableKind::Temporary),
                    false => word("type").and_then(|kind| SparkTableKind::told(&kind)),
                },
                comment: word("comment").filter(|comment| !comment.is_empty()),
            },
        })
    }

    /// The description of a table with the rows of `listColumns`: name, description, type,
    /// nullable, partition, bucket.
    pub(super) fn brief(table: SparkTable, columns: &[Value]) -> Self {
        let that_are = |at: usize| {
            let columns = columns.iter();
            let chosen = columns.filter(|column| column[at].as_bool() == Some(true));
            chosen.filter_map(|column| text(column, 0)).collect()
        };
        let columns_of = columns.iter().map(|column| SparkColumn {
            name: text(column, 0).unwrap_or_default(),
            type_name: text(column, 2).unwrap_or_default(),
            nullable: column[3].as_bool().unwrap_or(true),
            comment: text(column, 1).filter(|comment| !comment.is_empty()),
        });
        Self {
            table,
            columns: columns_of.collect(),
            partition_columns: that_are(4),
            bucket_columns: that_are(5),
            provider: None,
            location: None,
            rows: None,
            bytes: None,
            created_at: None,
            definition: None,
        }
    }
}

/// A type as Spark SQL writes it, from the form that `AS JSON` has.
fn type_name(json: &Value) -> String {
    let name = json["name"].as_str().unwrap_or_default();
    match name {
        "decimal" => format!("decimal({},{})", json["precision"], json["scale"]),
        "char" | "varchar" => format!("{name}({})", json["length"]),
        "array" => format!("array<{}>", type_name(&json["element_type"])),
        "map" => format!(
            "map<{},{}>",
            type_name(&json["key_type"]),
            type_name(&json["value_type"])
        ),
        "struct" => {
            let fields = json["fields"].as_array().into_iter().flatten();
            let fields: Vec<String> = fields
                .map(|field| {
                    let name = field["name"].as_str().unwrap_or_default();
                    format!("{name}:{}", type_name(&field["type"]))
                })
                .collect();
            format!("struct<{}>", fields.join(","))
        }
        "interval" => {
            let units = [&json["start_unit"], &json["end_unit"]];
            let mut units: Vec<&str> = units.iter().filter_map(|unit| unit.as_str()).collect();
            units.dedup();
            format!("interval {}", units.join(" to "))
                .trim_end()
                .to_owned()
        }
        "timestamp_ltz" => "timestamp".to_owned(),
        name => name.to_owned(),
    }
}

/// A location without what may be a secret in it: a password, and the query, where clouds put
/// signatures.
fn without_secrets(location: &str) -> String {
    let Ok(mut url) = Url::parse(location) else {
        return location.to_owned();
    };
    if url.password().is_none() && url.query().is_none() && url.fragment().is_none() {
        return location.to_owned();
    }
    let had_password = url.password().is_some();
    let stripped = url.set_password(None).and_then(|()| match had_password {
        true => url.set_username(""),
        false => Ok(()),
    });
    url.set_query(None);
    url.set_fragment(None);
    match stripped {
        Ok(()) => url.to_string(),
        Err(()) => format!("{}:…", url.scheme()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_reads_what_spark_tells_of_a_table() {
        let told = json!({"table_name": "orders", "catalog_name": "spark_catalog",
            "namespace": ["sales"], "columns": [
                {"name": "id", "type": {"name": "bigint"}, "nullable": false, "comment": "the id"},
                {"name": "day", "type": {"name": "date"}, "nullable": true}],
            "location": "s3a://key:secret@bucket/orders?sig=x", "type": "EXTERNAL",
            "provider": "parquet", "table_properties": {"password": "hidden"},
            "statistics": {"size_in_bytes": 1102, "num_rows": 1}, "partition_columns": ["day"]});
        let told = SparkTableDescription::told(&told).expect("a description");
        assert_eq!(told.table.kind, Some(SparkTableKind::External));
        assert_eq!(told.table.database.as_deref(), Some("sales"));
        assert_eq!((told.rows, told.bytes), (Some(1), Some(1102)));
        assert_eq!(told.partition_columns, ["day"]);
        assert_eq!(told.location.as_deref(), Some("s3a://bucket/orders"));
        assert!(!told.columns[0].nullable && told.columns[1].nullable);
        assert!(!format!("{told:?}").contains("hidden"));
        let view = json!({"table_name": "mine", "catalog_name": "system", "namespace": ["session"],
            "columns": [], "type": "VIEW", "view_text": "select 1"});
        let view = SparkTableDescription::told(&view).expect("a description");
        assert_eq!(view.table.kind, Some(SparkTableKind::Temporary));
        assert_eq!((view.table.catalog, view.table.database), (None, None));
        assert_eq!(SparkTableDescription::told(&json!({"x": 1})), None);
    }

    #[test]
    fn it_writes_types_as_spark_sql_does() {
        for (json, expected) in [
            (json!({"name": "bigint"}), "bigint"),
            (
                json!({"name": "decimal", "precision": 10, "scale": 2}),
                "decimal(10,2)",
            ),
            (json!({"name": "varchar", "length": 5}), "varchar(5)"),
            (
                json!({"name": "string", "collation": "UTF8_BINARY"}),
                "string",
            ),
            (
                json!({"name": "map", "key_type": {"name": "string"}, "value_type":
                    {"name": "array", "element_type": {"name": "int"}}}),
                "map<string,array<int>>",
            ),
            (
                json!({"name": "struct", "fields": [{"name": "a", "type": {"name": "date"}}]}),
                "struct<a:date>",
            ),
            (
                json!({"name": "interval", "start_unit": "day", "end_unit": "second"}),
                "interval day to second",
            ),
        ] {
            assert_eq!(type_name(&json), expected);
        }
    }

    #[test]
    fn it_shows_a_location_without_its_secrets() {
        for (location, shown) in [
            ("file:/tmp/a", "file:/tmp/a"),
            (
                "abfss://box@account.dfs.core.windows.net/a",
                "abfss://box@account.dfs.core.windows.net/a",
            ),
            ("s3a://key:secret@bucket/a", "s3a://bucket/a"),
            ("wasbs://box/a?sig=secret", "wasbs://box/a"),
            ("/plain/path", "/plain/path"),
        ] {
            assert_eq!(without_secrets(location), shown);
        }
    }
}
