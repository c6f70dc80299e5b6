//! `spark_optimization`: why a Spark statement or job is slow, and what would help.

use serde_json::Value;

use super::{Argument, Arguments, Guide, Prompt, Surroundings};
use crate::known_names::NameKind;

/// The prompt `spark_optimization` of this server.
pub struct SparkOptimization;

impl Prompt for SparkOptimization {
    const NAME: &'static str = "spark_optimization";
    const TITLE: &'static str = "Make Spark faster";
    const DESCRIPTION: &'static str = "What makes a Spark SQL statement, a table or a submitted \
                                       job slow, by its real plan, schema or record.";
    const ARGUMENTS: &'static [Argument] = &[
        Argument {
            name: "sql",
            description: "A Spark SQL query; its plan is looked at, it is not run",
            names: NameKind::Free,
        },
        Argument {
            name: "table",
            description: "A table of Spark, as database.table or table",
            names: NameKind::SparkTable,
        },
        Argument {
            name: "job_id",
            description: "A job of submit_spark_job",
            names: NameKind::Job,
        },
    ];

    async fn write(surroundings: &Surroundings<'_>, arguments: &Arguments) -> Guide {
        let mut guide = Guide::default();
        guide.advise("# Make Spark faster");
        let mut found = Vec::new();
        let mut has_seen_one = false;
        if let Some(sql) = arguments.get("sql") {
            guide.advise("The statement:");
            guide.show("the user's SQL", sql);
            let explain = format!("EXPLAIN FORMATTED {sql}");
            match surroundings
                .ask("execute_spark_sql", &[("sql", Some(&explain))])
                .await
            {
                Ok(output) => match plan_of(&output.structured.to_value()) {
                    Ok(plan) => {
                        guide.advise("Its plan:");
                        guide.show("Spark's plan", &plan);
                        found.extend(of_plan(&plan));
                        has_seen_one = true;
                    }
                    Err(error) => {
                        guide.advise("Spark cannot plan it, so that it has to be mended first:");
                        guide.show("Spark's error", &error);
                    }
                },
                Err(failure) => {
                    guide.advise("Spark gave no plan:");
                    guide.show("this server", &failure.text());
                }
            }
        }
        if let Some(name) = arguments.get("table") {
            let (database, table) = match name.rsplit_once('.') {
                Some((database, table)) => (Some(database), table),
                None => (None, name),
            };
            let asked = [("database", database), ("table", Some(table))];
            match surroundings.ask("get_spark_table_schema", &asked).await {
                Ok(output) => {
                    guide.advise("The table:");
                    guide.show("Spark's catalogue", &output.text);
                    found.extend(of_table(&output.structured.to_value()));
                    has_seen_one = true;
                }
                Err(failure) => {
                    guide.advise("The table could not be looked at:");
                    guide.show("this server", &failure.text());
                }
            }
        }
        if let Some(job) = arguments.get("job_id") {
            match surroundings
                .ask("get_job_status", &[("job_id", Some(job))])
                .await
            {
                Ok(output) => {
                    let record = output.structured.to_value();
                    guide.advise("The job's record:");
                    guide.show("this server's registry of jobs", &record.to_string());
                    found.extend(of_job(&record));
                    has_seen_one = true;
                }
                Err(failure) => {
                    guide.advise("The job could not be looked at:");
                    guide.show("this server", &failure.text());
                }
            }
        }
        guide.advise_all("What this one shows:", &found);
        if found.is_empty() && has_seen_one {
            guide.advise("Nothing in it stands out; go through the general list.");
        }
        guide.advise_all(
            "In general, in this order:",
            &GENERAL.map(ToOwned::to_owned),
        );
        guide
    }
}

/// The first words of what EXPLAIN gives instead of a plan (Spark 4.1, `ExplainCommand`).
const NO_PLAN: &str = "Error occurred during query planning";

/// Advice that holds of every Spark program, the cheapest first.
const GENERAL: [&str; 7] = [
    "Read less: name the columns, filter on partition columns, keep data in Parquet or a table \
     format rather than CSV or JSON.",
    "Leave adaptive execution on (spark.sql.adaptive.enabled), and look at the plan it ends with, \
     not at the first one.",
    "Join small to large by broadcast; run ANALYZE TABLE … COMPUTE STATISTICS so that Spark knows \
     which is small.",
    "Have two to four tasks for each core; tasks of some 100 MB, neither thousands of tiny ones \
     nor a few huge ones.",
    "Where one task of a stage runs many times longer than its median, the key is skewed: split \
     it, or add a salt.",
    "Use Spark's own functions instead of Python UDFs; where there must be one, make it a pandas \
     UDF.",
    "Cache only what is read twice, and unpersist it.",
];

/// The plan out of the rows that EXPLAIN gives: one of a plan, and one for each line of the error
/// where Spark cannot plan the statement.
fn plan_of(structured: &Value) -> Result<String, String> {
    let rows = structured["rows"].as_array().map_or(&[][..], Vec::as_slice);
    let cells = rows.iter().filter_map(|row| row.get(0)?.as_str());
    let text = cells.collect::<Vec<_>>().join("\n");
    match text.trim().is_empty() || text.starts_with(NO_PLAN) {
        true => Err(text),
        false => Ok(text),
    }
}

/// Finds what costs more than it must in a physical plan, by the names of Spark's operators.
fn of_plan(plan: &str) -> Vec<String> {
    let signs: [(&[&str], &str); 7] = [
        (
            &["CartesianProduct", "BroadcastNestedLoopJoin"],
            "Every row of one side meets every row of the other: the join has no equality. Add \
             one, or join on ranges that are cut into buckets.",
        ),
        (
            &["SortMergeJoin"],
            "A sort-merge join shuffles and sorts both sides. If one side is small, broadcast it: \
             `/*+ BROADCAST(small) */`, or statistics that show its size.",
        ),
        (
            &["BatchEvalPython", "ArrowEvalPython", "PythonUDF"],
            "Rows travel to Python and back. Replace the UDF by built-in functions.",
        ),
        (
            &["Scan csv", "Scan json", "FileScan csv", "FileScan json"],
            "A text format is parsed whole, whatever is selected. Convert it to Parquet once.",
        ),
        (
            &["SinglePartition", "GlobalLimit"],
            "Everything passes through one task at some point: a window without PARTITION BY, a \
             global sort or an aggregate without groups. Divide the work before that point.",
        ),
        (
            &["ObjectHashAggregate", "SortAggregate"],
            "The aggregation sorts, or keeps objects on the heap: collect_list and the like, or \
             grouping by long strings. Aggregate numbers, or shorten the key.",
        ),
        (
            &["PartitionFilters: []"],
            "A scan reads every partition. Filter on the partition column, with a literal.",
        ),
    ];
    let shown = signs
        .iter()
        .filter(|(names, _)| names.iter().any(|name| plan.contains(name)));
    let mut found: Vec<String> = shown.map(|(_, advice)| (*advice).to_owned()).collect();
    let shuffles = plan
        .lines()
        .filter(|line| line.contains("Exchange") && line.contains('('));
    let shuffles = shuffles
        .filter(|line| line.trim_start().starts_with(['+', ':', '-', '*']))
        .count();
    if shuffles > 2 {
        found.push(format!(
            "{shuffles} exchanges: each writes and reads the rows once. Join and group by the same \
             keys, so that one exchange serves several."
        ));
    }
    found
}

/// A table from which reading a part, by its partitions, begins to pay.
const LARGE_TABLE: u64 = 10 << 30;

/// Finds what makes a table slow to read, by its description.
fn of_table(table: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let provider = table["provider"].as_str().unwrap_or_default();
    if ["csv", "json", "text", "xml"].contains(&provider) {
        found.push(format!(
            "Its rows are {provider}, which is parsed whole, whatever is selected. Convert it to \
             Parquet once."
        ));
    }
    let is_view = !table["definition"].is_null();
    if !is_view && table["rows"].is_null() {
        found.push(
            "Spark does not know how many rows it has: run ANALYZE TABLE … COMPUTE STATISTICS, so \
             that joins with it are planned by their size."
                .to_owned(),
        );
    }
    let is_whole = table["partition_columns"]
        .as_array()
        .is_none_or(Vec::is_empty);
    if is_whole
        && table["bytes"]
            .as_u64()
            .is_some_and(|bytes| bytes >= LARGE_TABLE)
    {
        found.push(
            "It is large and has no partitions: partition it by what most queries filter on, with \
             some hundred values."
                .to_owned(),
        );
    }
    if is_view {
        found.push(
            "It is a view: its query runs with each statement. What makes that slow is in the plan \
             of a statement on it."
                .to_owned(),
        );
    }
    found
}

/// Finds what asks for something in a job's record.
fn of_job(job: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let number = |pointer: &str| job.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    let setting = |name: &str| job["conf"].get(name).and_then(Value::as_str);
    let error = job["error"].as_str().unwrap_or_default();
    if number("/tasks/failed") > 0 {
        found.push(format!(
            "{} attempts of tasks failed and were repeated; read their reason before anything \
             else.",
            number("/tasks/failed")
        ));
    }
    if error.contains("OutOfMemory") || error.contains("exceeding memory limits") {
        found.push(
            "Memory ran out. Have more and smaller partitions first; only then raise \
             spark.executor.memory or spark.executor.memoryOverhead; never collect() a large \
             result."
                .to_owned(),
        );
    }
    if setting("spark.sql.adaptive.enabled") == Some("false") {
        found.push("Adaptive execution is switched off; switch it on.".to_owned());
    }
    if let Some(partitions) = setting("spark.sql.shuffle.partitions")
        && partitions.parse::<u32>().is_ok_and(|count| count > 2000)
    {
        found.push("More than 2000 shuffle partitions: most tasks will be too small.".to_owned());
    }
    if job["status"] == "submitted" {
        found.push(
            "It waits for a worker: compare the cores and memory that it asks for with those that \
             are free in the resource spark://cluster/info."
                .to_owned(),
        );
    }
    let (total, running) = (number("/tasks/total"), number("/tasks/running"));
    if job["status"] == "running" && total > 0 && running == 1 {
        found.push(
            "One task alone runs: the stage has a single partition, or its last task is skewed."
                .to_owned(),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_reads_in_a_plan_what_costs_more_than_it_must() {
        let count = |plan: &str| of_plan(plan).len();
        assert_eq!(count("* Project (2)\n+- * LocalTableScan (1)"), 0);
        let plan =
            "AdaptiveSparkPlan\n+- CartesianProduct\n   :- BatchScan parquet\n   +- Scan csv ";
        let found = of_plan(plan).join("\n");
        assert!(
            found.contains("no equality") && found.contains("Parquet"),
            "{found}"
        );
        let exchange = "+- Exchange (1)\n".repeat(3);
        assert!(of_plan(&exchange)[0].starts_with("3 exchanges"));
    }

    #[test]
    fn it_tells_a_plan_from_an_error_in_its_place() {
        let plan = json!({"rows": [["== Physical Plan ==\n* Project (2)"]]});
        assert_eq!(
            plan_of(&plan),
            Ok("== Physical Plan ==\n* Project (2)".to_owned())
        );
        let error = json!({"rows": [["Error occurred during query planning: "],
            ["[TABLE_OR_VIEW_NOT_FOUND] The table or view `nope` cannot be found."]]});
        let error = plan_of(&error).expect_err("no plan");
        assert!(error.ends_with("`nope` cannot be found."), "{error}");
        assert!(plan_of(&json!({"rows": []})).is_err());
    }

    #[test]
    fn it_reads_in_a_table_what_makes_it_slow() {
        let quick = json!({"provider": "parquet", "rows": 5, "bytes": 5, "definition": null});
        assert_eq!(of_table(&quick), Vec::<String>::new());
        let slow = json!({"provider": "csv", "rows": null, "bytes": 1_u64 << 40,
            "partition_columns": [], "definition": null});
        let found = of_table(&slow).join("\n");
        for word in ["parsed whole", "ANALYZE TABLE", "no partitions"] {
            assert!(found.contains(word), "{word}: {found}");
        }
        let view = of_table(&json!({"definition": "select 1"})).join("\n");
        assert!(view.contains("view") && !view.contains("ANALYZE"), "{view}");
    }

    #[test]
    fn it_reads_in_a_job_what_asks_for_something() {
        let quiet = json!({"status": "finished", "tasks": {"total": 8, "running": 0, "failed": 0},
            "conf": {}, "error": null});
        assert_eq!(of_job(&quiet), Vec::<String>::new());
        let ill = json!({"status": "failed", "tasks": {"total": 8, "running": 0, "failed": 3},
            "conf": {"spark.sql.adaptive.enabled": "false"},
            "error": "java.lang.OutOfMemoryError: Java heap space"});
        let found = of_job(&ill).join("\n");
        for word in ["3 attempts", "Memory ran out", "Adaptive"] {
            assert!(found.contains(word), "{word}: {found}");
        }
    }
}
