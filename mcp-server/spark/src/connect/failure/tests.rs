//! The facts that are read out of the statuses and errors that Spark sends.

use super::*;

#[test]
fn it_reads_class_and_sqlstate_out_of_the_details() {
    let status = samples::error(
        "TABLE_OR_VIEW_NOT_FOUND",
        "42P01",
        "The table or view `t` cannot be found.; line 1 pos 14;\n'Project [*]",
    );
    assert_eq!(
        spark_failure(&status),
        SparkFailure {
            error_class: Some("TABLE_OR_VIEW_NOT_FOUND".to_owned()),
            sql_state: Some("42P01".to_owned()),
            message: "The table or view `t` cannot be found.; line 1 pos 14".to_owned(),
        }
    );
}

#[test]
fn it_reads_the_class_out_of_the_text_where_details_are_missing() {
    let failure = spark_failure(&Status::internal("[DIVIDE_BY_ZERO] Division by zero."));
    assert_eq!(failure.error_class.as_deref(), Some("DIVIDE_BY_ZERO"));
    assert_eq!(failure.message, "Division by zero.");
    let plain = spark_failure(&Status::internal("[not a class] text"));
    assert_eq!(plain.error_class, None);
    assert_eq!(plain.message, "[not a class] text");
}

#[test]
fn it_reads_the_verdict_out_of_a_refusal() {
    let verdict = |sentence: &str| {
        spark_failure(&Status::internal(format!("{REFUSAL}{sentence}")))
            .verdict()
            .map(str::to_owned)
    };
    let destroys = "destroys drop table: `t`";
    let answer = format!("verdict: {destroys}");
    assert_eq!(verdict(&answer).as_deref(), Some(destroys));
    assert_eq!(verdict("a script (BEGIN … END) is not run here"), None);
}

#[test]
fn it_gives_no_advice_on_a_drop() {
    let status = samples::error(
        "TABLE_OR_VIEW_NOT_FOUND",
        "42P01",
        "The table or view `t` cannot be found. Verify the catalog.\nTo tolerate the error on \
         drop use DROP VIEW IF EXISTS or DROP TABLE IF EXISTS.; line 1 pos 14;\n'Project [*]",
    );
    assert_eq!(
        spark_failure(&status).message,
        "The table or view `t` cannot be found. Verify the catalog.; line 1 pos 14"
    );
}

#[test]
fn it_gives_no_stack_of_java_calls() {
    let at = "org.apache.spark.sql.connect.service.SparkConnectServer$.main";
    for (text, expected) in [
        (
            format!("Java heap space\n\tat {at}(Server.scala:48)\n\tat x.y(z.java:1)"),
            "Java heap space",
        ),
        (
            format!("It failed:\n\n{at}(Server.scala:48)\nlast"),
            "It failed:",
        ),
        (
            "a (b.scala:1) stays\n(so does this)".to_owned(),
            "a (b.scala:1) stays\n(so does this)",
        ),
    ] {
        assert_eq!(spark_failure(&Status::internal(text)).message, expected);
    }
}

#[test]
fn it_knows_a_server_that_runs_nothing_from_one_that_refuses() {
    let stopped = "Cannot call methods on a stopped SparkContext.\nIt was created at:\n\nx";
    for (text, expected) in [
        (stopped, true),
        ("Job 3 cancelled because SparkContext was shut down", true),
        ("Application error processing RPC", true),
        ("[DIVIDE_BY_ZERO] Division by zero.", false),
    ] {
        assert_eq!(broken_part(text).is_some(), expected, "{text}");
    }
}

#[test]
fn it_takes_a_status_of_the_server_for_an_answer_and_of_the_transport_for_a_break() {
    assert_eq!(kind_of_break(&Status::internal("no")), Break::Answer);
    assert_eq!(kind_of_break(&Status::unavailable("later")), Break::Cut);
    let mut reset = Status::unknown("h2 protocol error");
    reset.set_source(std::sync::Arc::new(std::io::Error::other("reset")));
    assert_eq!(kind_of_break(&reset), Break::Cut);
}
