//! The catalogue, as a Spark that plays a script tells of it.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use config::Access;
use fair_shares::Claimant;

use super::*;
use crate::connect::fake::{Ending, Fake, Item, Turn};
use crate::connect::{SparkFailure, samples};

fn answer(batch: RecordBatch) -> Turn {
    Turn::Send(vec![Item::Table(batch), Item::Complete], Ending::Quiet)
}

fn texts(column: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(column.to_vec()))
}

fn names(names: &[&str]) -> Turn {
    let column: Vec<_> = names.iter().copied().map(Some).collect();
    let batch = RecordBatch::try_from_iter([("name", texts(&column))]);
    answer(batch.expect("one column"))
}

/// Tables by name, database and kind, as `listTables` tells of them.
fn tables(rows: &[(&str, &str, &str)]) -> Turn {
    let mut namespaces = ListBuilder::new(StringBuilder::new());
    for (_, database, _) in rows {
        for part in database.split('.').filter(|part| !part.is_empty()) {
            namespaces.values().append_value(part);
        }
        namespaces.append(true);
    }
    let is_temporary: BooleanArray = rows
        .iter()
        .map(|(_, _, kind)| Some(*kind == "TEMPORARY"))
        .collect();
    let of = |of: fn(&(&str, &str, &str)) -> String| {
        let values: StringArray = rows.iter().map(|row| Some(of(row))).collect();
        Arc::new(values) as ArrayRef
    };
    let batch = RecordBatch::try_from_iter([
        ("name", of(|row| row.0.to_owned())),
        ("catalog", of(|_| "spark_catalog".to_owned())),
        ("namespace", Arc::new(namespaces.finish()) as ArrayRef),
        ("description", of(|row| format!("{} of ours", row.0))),
        ("tableType", of(|row| row.2.to_owned())),
        ("isTemporary", Arc::new(is_temporary) as ArrayRef),
    ]);
    answer(batch.expect("even columns"))
}

fn found(tables: &[SparkTable]) -> Vec<(&str, Option<&str>)> {
    let found = tables.iter();
    found
        .map(|table| (table.name.as_str(), table.database.as_deref()))
        .collect()
}

#[tokio::test]
async fn it_lists_the_databases_of_a_catalogue_in_order_and_by_their_names() {
    let script = vec![names(&["b", "a"]), names(&["`odd ``name`", "default"])];
    let (fake, spark) = Fake::serve_spark(script).await;
    let own = spark
        .databases(&SparkCaller::server(), None)
        .await
        .expect("the session's");
    assert_eq!(own, ["a", "b"]);
    let named = spark
        .databases(&SparkCaller::server(), Some("x`; DROP"))
        .await
        .expect("it");
    assert_eq!(named, ["default", "odd `name"]);
    let asked = format!("{:?}", fake.plans());
    assert!(asked.contains("ListDatabases"), "{asked}");
    assert!(asked.contains("SHOW NAMESPACES IN `x``; DROP`"), "{asked}");
}

#[tokio::test]
async fn it_lists_tables_by_name_and_the_sessions_views_apart() {
    let rows = [
        ("t2", "sales.eu", "EXTERNAL"),
        ("mine", "", "TEMPORARY"),
        ("t1", "sales.eu", "MANAGED"),
    ];
    for access in [Access::Read, Access::Write] {
        let (fake, spark) = Fake::serve_spark_with(vec![tables(&rows)], access).await;
        let caller = SparkCaller {
            session: Some("a".to_owned()),
            claimant: Claimant::Unknown,
        };
        let listed = spark.tables(&caller, Some("c"), Some("sales.eu")).await;
        let listed = listed.expect("a database");
        let expected = [("t1", Some("sales.eu")), ("t2", Some("sales.eu"))];
        assert_eq!(found(&listed.tables), expected);
        assert_eq!(found(&listed.temporary), [("mine", None)]);
        assert_eq!(listed.tables[0].kind, Some(SparkTableKind::Managed));
        assert_eq!(listed.tables[0].catalog.as_deref(), Some("spark_catalog"));
        assert_eq!(listed.tables[0].comment.as_deref(), Some("t1 of ours"));
        assert_eq!(listed.temporary[0].catalog, None);
        let asked = format!("{:?}", fake.plans());
        assert!(asked.contains("`c`.`sales`.`eu`"), "{asked}");
    }
}

fn orders() -> SparkTableName {
    SparkTableName {
        catalog: None,
        database: Some("sales".to_owned()),
        table: "orders".to_owned(),
    }
}

#[tokio::test]
async fn it_describes_a_table_by_what_spark_tells_in_json() {
    let json = r#"{"table_name": "orders", "namespace": ["sales"], "type": "MANAGED",
        "columns": [{"name": "id", "type": {"name": "bigint"}}]}"#;
    let (fake, spark) = Fake::serve_spark(vec![names(&[json])]).await;
    let told = spark
        .describe_table(&SparkCaller::server(), &orders())
        .await
        .expect("it is");
    assert_eq!(told.table.database.as_deref(), Some("sales"));
    assert_eq!(told.columns[0].type_name, "bigint");
    let asked = format!("{:?}", fake.plans());
    let expected = "DESCRIBE TABLE EXTENDED `sales`.`orders` AS JSON";
    assert!(asked.contains(expected), "{asked}");
}

#[tokio::test]
async fn it_describes_a_table_briefly_where_spark_knows_no_json() {
    let columns = RecordBatch::try_from_iter([
        ("name", texts(&[Some("id"), Some("day")])),
        ("description", texts(&[Some("the id"), None])),
        ("dataType", texts(&[Some("bigint"), Some("date")])),
        (
            "nullable",
            Arc::new(BooleanArray::from(vec![false, true])) as ArrayRef,
        ),
        (
            "isPartition",
            Arc::new(BooleanArray::from(vec![false, true])),
        ),
        ("isBucket", Arc::new(BooleanArray::from(vec![true, false]))),
    ]);
    for class in ["PARSE_SYNTAX_ERROR", "UNSUPPORTED_FEATURE.DESCRIBE_JSON"] {
        let refused = Turn::Refuse(samples::error(class, "42601", "no JSON"));
        let table = tables(&[("orders", "sales", "VIEW")]);
        let columns = answer(columns.as_ref().expect("even columns").clone());
        let (_fake, spark) = Fake::serve_spark(vec![refused, table, columns]).await;
        let told = spark
            .describe_table(&SparkCaller::server(), &orders())
            .await
            .expect("it is");
        assert_eq!(told.table.kind, Some(SparkTableKind::View));
        let columns: Vec<_> = told
            .columns
            .iter()
            .map(|c| (&*c.name, &*c.type_name, c.nullable, c.comment.as_deref()))
            .collect();
        let expected = [
            ("id", "bigint", false, Some("the id")),
            ("day", "date", true, None),
        ];
        assert_eq!(columns, expected);
        assert_eq!(told.partition_columns, ["day"]);
        assert_eq!(told.bucket_columns, ["id"]);
    }
}

#[tokio::test]
async fn it_gives_sparks_own_error_for_a_table_that_it_does_not_know() {
    let class = "TABLE_OR_VIEW_NOT_FOUND";
    let missing = Turn::Refuse(samples::error(class, "42P01", "not found"));
    let unreadable = || names(&["{"]);
    let (_fake, spark) = Fake::serve_spark(vec![missing, unreadable()]).await;
    match spark
        .describe_table(&SparkCaller::server(), &orders())
        .await
    {
        Err(Error::Connect(ConnectError::Spark(failure))) => {
            assert_eq!(failure.error_class.as_deref(), Some(class));
        }
        other => panic!("{other:?}"),
    }
    let malformed = spark
        .describe_table(&SparkCaller::server(), &orders())
        .await;
    assert!(
        matches!(malformed, Err(Error::Connect(ConnectError::Malformed(_)))),
        "{malformed:?}"
    );
}

/// A catalogue of two databases, one of them empty, and a view of the session.
fn catalogue() -> Vec<Turn> {
    let view = ("mine", "", "TEMPORARY");
    vec![
        names(&["sales", "default"]),
        tables(&[view]),
        tables(&[
            view,
            ("orders", "sales", "MANAGED"),
            ("Old_Orders", "sales", "EXTERNAL"),
            ("shops", "sales", "VIEW"),
        ]),
    ]
}

async fn page(
    filter: &SparkTableFilter,
    after: Option<SparkPageEnd>,
    most: usize,
) -> SparkTablePage {
    let (_fake, spark) = Fake::serve_spark(catalogue()).await;
    let page = spark
        .page_of_tables(&SparkCaller::server(), filter, after, most)
        .await;
    page.expect("a page")
}

#[tokio::test]
async fn it_gives_every_table_once_over_the_pages_of_all_databases() {
    let all = SparkTableFilter::default();
    let first = page(&all, None, 2).await;
    let expected = [("mine", None), ("Old_Orders", Some("sales"))];
    assert_eq!(found(&first.tables), expected);
    // Databases before the end of the page are not asked again.
    let sales = catalogue().pop().expect("its tables");
    let script = vec![names(&["default", "sales"]), sales];
    let (_fake, spark) = Fake::serve_spark(script).await;
    let second = spark
        .page_of_tables(&SparkCaller::server(), &all, first.next, 2)
        .await;
    let second = second.expect("the next page");
    let expected = [("orders", Some("sales")), ("shops", Some("sales"))];
    assert_eq!(found(&second.tables), expected);
    assert_eq!(second.next, None);
}

#[tokio::test]
async fn it_finds_tables_by_kind_and_by_a_part_of_their_names_in_any_case() {
    let by_name = SparkTableFilter {
        name: Some("ORDER".to_owned()),
        ..SparkTableFilter::default()
    };
    let expected = [("Old_Orders", Some("sales")), ("orders", Some("sales"))];
    assert_eq!(found(&page(&by_name, None, 9).await.tables), expected);
    for (kind, expected) in [
        (SparkTableKind::Temporary, "mine"),
        (SparkTableKind::External, "Old_Orders"),
        (SparkTableKind::View, "shops"),
    ] {
        let by_kind = SparkTableFilter {
            kind: Some(kind),
            ..SparkTableFilter::default()
        };
        let page = page(&by_kind, None, 9).await;
        let names: Vec<_> = page.tables.iter().map(|table| &*table.name).collect();
        assert_eq!(names, [expected]);
    }
}

#[tokio::test]
async fn it_asks_for_the_tables_of_one_database_alone_where_one_is_named() {
    let filter = SparkTableFilter {
        catalog: Some("c".to_owned()),
        database: Some("sales".to_owned()),
        ..SparkTableFilter::default()
    };
    let (fake, spark) = Fake::serve_spark(catalogue().split_off(2)).await;
    let page = spark
        .page_of_tables(&SparkCaller::server(), &filter, None, 9)
        .await;
    assert_eq!(page.expect("a page").tables.len(), 4);
    let asked = format!("{:?}", fake.plans());
    assert!(asked.contains("`c`.`sales`"), "{asked}");
}

#[tokio::test]
async fn it_looks_through_a_bounded_number_of_databases_for_one_page() {
    let numbers: Vec<String> = (0..=100).map(|number| format!("d{number:03}")).collect();
    let listed: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let mut script = vec![names(&listed)];
    script.extend((0..100).map(|_| tables(&[])));
    let (_fake, spark) = Fake::serve_spark(script).await;
    let all = SparkTableFilter::default();
    let page = spark
        .page_of_tables(&SparkCaller::server(), &all, None, 9)
        .await;
    let page = page.expect("a page without tables");
    let end = ("d100".to_owned(), String::new());
    assert_eq!((page.tables, page.next), (Vec::new(), Some(end)));
}

#[track_caller]
fn check_named(catalog: Option<&str>, class: &str, message: &str, is_none: bool) {
    let error = Error::from(ConnectError::Spark(SparkFailure {
        error_class: Some(class.to_owned()),
        sql_state: None,
        message: message.to_owned(),
    }));
    let named = name_catalog(error, catalog);
    assert_eq!(matches!(named, Error::NoCatalog(_)), is_none, "{message}");
}

#[test]
fn it_knows_a_catalog_that_is_not_there_from_a_database_that_is_not() {
    let (no_schema, no_parts) = ("SCHEMA_NOT_FOUND", "REQUIRES_SINGLE_PART_NAMESPACE");
    let nope = "The schema `spark_catalog`.`nope` cannot be found.";
    check_named(Some("nope"), no_schema, nope, true);
    check_named(None, no_schema, nope, false);
    check_named(Some("spark_catalog"), no_schema, nope, false);
    let deeper = "The schema `lake`.`nope` cannot be found.";
    check_named(Some("lake"), no_schema, deeper, false);
    let parts = "spark_catalog requires a single-part namespace, but got `nope`.`a`.";
    check_named(Some("nope"), no_parts, parts, true);
    check_named(Some("spark_catalog"), no_parts, parts, false);
    let nested = "Nested databases are not supported by v1 session catalog: `nope`.`sales`.";
    let no_nested = "NESTED_DATABASE_UNSUPPORTED_BY_V1_SESSION_CATALOG";
    check_named(Some("nope"), no_nested, nested, true);
    check_named(Some("lake"), no_nested, nested, false);
    check_named(Some("nope"), "TABLE_OR_VIEW_NOT_FOUND", nope, false);
}
