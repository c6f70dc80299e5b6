//! Flows that are taken, those that are refused, and the query that one becomes.

use serde_json::json;

use super::*;

fn of(stage: &Value) -> Result<Result<PipelineDefinition, InvalidFlow>, serde_json::Error> {
    let pipeline = json!({
        "name": "p",
        "parameters": {"day": {"type": "string"}},
        "stages": [stage]
    });
    serde_json::from_value::<Pipeline>(pipeline).map(Pipeline::definition)
}

#[test]
fn it_says_of_each_stage_why_it_cannot_work() {
    let postgres = json!({"type": "postgres", "sql": "SELECT 1"});
    let spark = json!({"type": "spark_sql", "sql": "SELECT 1"});
    let file = json!({"type": "file", "path": "in/a.ndjson"});
    let table = json!({"type": "postgres", "table": "t"});
    let nothing = json!(null);
    let into = |path: &str| json!({"type": "file", "path": path});
    let of_spark = |mode: &str| json!({"type": "spark_sql", "table": "t", "mode": mode});
    let statements = |statements: Value| json!({"type": "postgres", "statements": statements});
    let step = |name: &str, engine: Option<&str>| {
        json!([{"name": name, "sql": "SELECT 1",
        "type": engine}])
    };
    for (source, transformations, destination, bind, expected) in [
        (&postgres, json!([]), &table, json!(["day"]), ""),
        (&file, json!([]), &table, json!([]), ""),
        (&spark, step("a", None), &into("a/b.csv"), json!([]), ""),
        (
            &postgres,
            json!([]),
            &table,
            json!(["dey"]),
            "no parameter `dey`",
        ),
        (
            &postgres,
            step("source", None),
            &table,
            json!([]),
            "no name",
        ),
        (&postgres, step("A", None), &table, json!([]), "no name"),
        (
            &postgres,
            step("a", Some("spark_sql")),
            &table,
            json!([]),
            "stage of its own",
        ),
        (
            &file,
            step("a", None),
            &table,
            json!([]),
            "in a stage after this one",
        ),
        (&postgres, json!([]), &of_spark("append"), json!([]), ""),
        (&file, json!([]), &of_spark("overwrite"), json!([]), ""),
        (
            &spark,
            json!([]),
            &of_spark("upsert"),
            json!([]),
            "by `append` or `overwrite`",
        ),
        (
            &file,
            json!([]),
            &json!({"type": "postgres", "table": "t", "mode": "upsert", "keys": ["a"]}),
            json!([]),
            "",
        ),
        (
            &file,
            json!([]),
            &json!({"type": "postgres", "table": "t", "mode": "upsert"}),
            json!([]),
            "an upsert needs `keys`",
        ),
        (
            &file,
            json!([]),
            &json!({"type": "postgres", "table": "t", "keys": ["a"]}),
            json!([]),
            "goes with the mode upsert",
        ),
        (
            &file,
            json!([]),
            &statements(json!([{"sql": "DELETE FROM t"}])),
            json!([]),
            "names no table",
        ),
        (
            &file,
            json!([]),
            &json!({"type": "postgres", "table": "t", "statements": [{"sql": " "}]}),
            json!([]),
            "one of its `statements` has no SQL",
        ),
        (
            &file,
            json!([]),
            &json!({"type": "postgres", "table": "t",
                "statements": [{"sql": "DELETE FROM t", "bind": ["dey"]}]}),
            json!([]),
            "no parameter `dey`",
        ),
        (
            &nothing,
            json!([]),
            &statements(json!([{"sql": "DELETE FROM t", "bind": ["day"]}])),
            json!([]),
            "",
        ),
        (
            &nothing,
            json!([]),
            &statements(json!([{"sql": "DELETE FROM t"}])),
            json!(["day"]),
            "belong to a source",
        ),
        (&nothing, json!([]), &table, json!([]), "without a `source`"),
        (
            &nothing,
            json!([]),
            &into("b"),
            json!([]),
            "without a `source`",
        ),
        (
            &nothing,
            json!([]),
            &statements(json!([])),
            json!([]),
            "without a `source`",
        ),
        (&file, json!([]), &into("b"), json!([]), "no other file"),
        (&spark, json!([]), &into("../b"), json!([]), "no path below"),
        (&spark, json!([]), &into("/b"), json!([]), "no path below"),
        (
            &spark,
            json!([]),
            &into("a/./../b"),
            json!([]),
            "no path below",
        ),
        (&spark, json!([]), &into(""), json!([]), "no path below"),
    ] {
        let stage = json!({"name": "s", "source": source, "transformations": transformations,
            "destination": destination, "bind": bind});
        let made = of(&stage).expect("it is written rightly");
        let problem = made
            .err()
            .map(|invalid| invalid.to_string())
            .unwrap_or_default();
        assert!(problem.contains(expected), "{problem}, not {expected}");
        assert_eq!(problem.is_empty(), expected.is_empty(), "{problem}");
    }
}

#[test]
fn it_refuses_words_that_it_does_not_know() {
    for stage in [
        json!({"name": "s", "source": {"type": "postgres", "sql": "SELECT 1", "x": 1},
            "destination": {"type": "postgres", "table": "t"}}),
        json!({"name": "s", "source": {"type": "mongo"},
            "destination": {"type": "postgres", "table": "t"}}),
        json!({"name": "s", "source": {"type": "postgres", "sql": "SELECT 1"},
            "destination": {"type": "postgres", "table": "t", "mode": "merge"}}),
        json!({"name": "s", "source": {"type": "file", "path": "a", "form": "csv"},
            "destination": {"type": "postgres", "table": "t"}}),
    ] {
        assert!(of(&stage).is_err(), "{stage}");
    }
}

#[test]
fn it_writes_transformations_as_one_query() {
    let flow = json!({
        "source": {"type": "postgres", "sql": "SELECT 1 AS a; -- one"},
        "transformations": [
            {"name": "clean", "sql": "SELECT a FROM source;"},
            {"name": "sum", "sql": "SELECT sum(a) FROM clean"}
        ],
        "destination": {"type": "postgres", "table": "t"}
    });
    let flow: Flow = serde_json::from_value(flow).expect("a flow");
    assert_eq!(
        flow.query().expect("SQL"),
        "WITH source AS (\nSELECT 1 AS a; -- one\n),\nclean AS (\nSELECT a FROM source\n),\n\
         sum AS (\nSELECT sum(a) FROM clean\n)\nSELECT * FROM sum"
    );
}

#[test]
fn it_keeps_at_each_end_of_a_flow_whether_its_author_meant_it_and_gives_that_back_as_one_word() {
    let written = |confirm: Value, marked: bool| {
        let mut source = json!({"type": "spark_sql", "sql": "SELECT 1 AS a"});
        if marked {
            // An end confirms nothing itself.
            source["confirmed"] = json!(true);
        }
        json!({"name": "p", "confirm": confirm, "stages": [{"name": "s", "source": source,
            "destination": {"type": "postgres", "table": "t"}}]})
    };
    for (confirm, marked) in [(true, false), (false, false), (false, true)] {
        let pipeline = serde_json::from_value::<Pipeline>(written(json!(confirm), marked));
        let definition = pipeline
            .expect("a pipeline")
            .definition()
            .expect("it is good");
        let flow: Flow = serde_json::from_value(definition.steps[0].config.clone()).expect("one");
        let (Some(Source::SparkSql { confirmed, .. }), Destination::Postgres(into)) =
            (&flow.source, &flow.destination)
        else {
            panic!("another flow: {flow:?}");
        };
        assert_eq!((*confirmed, into.confirmed), (confirm, confirm));
        let again = as_written(&definition);
        assert_eq!(again.get("confirm"), confirm.then_some(&json!(true)));
        assert!(!again.to_string().contains("confirmed"), "{again}");
    }
}

#[test]
fn it_tells_the_table_that_a_destination_empties() {
    for (destination, expected) in [
        (
            json!({"type": "postgres", "table": "t", "mode": "overwrite"}),
            Some("t"),
        ),
        (
            json!({"type": "spark_sql", "table": "t", "mode": "overwrite"}),
            Some("t"),
        ),
        (
            json!({"type": "postgres", "table": "t", "mode": "append"}),
            None,
        ),
        (json!({"type": "spark_sql", "table": "t"}), None),
        (json!({"type": "postgres", "statements": []}), None),
        (json!({"type": "file", "path": "a.csv"}), None),
    ] {
        let read: Destination = serde_json::from_value(destination).expect("a destination");
        assert_eq!(read.emptied_table(), expected);
    }
}
