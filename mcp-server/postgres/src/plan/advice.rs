//! Says in a sentence or two what would make a plan cheaper. Pure.

use serde_json::Value;

/// Below so many rows a scan costs less than the thought of an index.
const LARGE: f64 = 10_000.0;

/// A scan that keeps less than this part of a table's rows would do better with an index.
const SELECTIVE: f64 = 0.05;

/// Estimates are off where this part of a table has changed since they were made.
const STALE: f64 = 0.2;

/// The bytes that a sort may take in memory where nobody has changed `work_mem`.
const WORK_MEM: f64 = 4.0 * 1024.0 * 1024.0;

/// More sentences than that are not read.
const MOST: usize = 2;

/// A table in a plan, by what the catalogue says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlannedTable {
    /// The schema that it is in.
    pub schema: String,
    /// Its name within the schema.
    pub name: String,
    /// The rows that the last ANALYZE found; `None` before the first one.
    pub rows: Option<f64>,
    /// The rows that have changed since then.
    pub changed_rows: f64,
    /// The names of its columns.
    pub columns: Vec<String>,
    /// The first column of each index that holds for all rows.
    pub indexed_columns: Vec<String>,
}

impl PlannedTable {
    fn is(&self, node: &Value) -> bool {
        node["Schema"] == self.schema.as_str() && node["Relation Name"] == self.name.as_str()
    }
}

/// Schema and name of each table that a plan reads.
pub(super) fn scanned_tables(tree: &Value) -> Vec<Value> {
    let mut scanned = Vec::new();
    for node in nodes(tree) {
        let table = serde_json::json!({"schema": node["Schema"], "name": node["Relation Name"]});
        if node["Relation Name"].is_string() && !scanned.contains(&table) {
            scanned.push(table);
        }
    }
    scanned
}

/// The sentences that would help, the gravest first.
pub(super) fn advise(tree: &Value, tables: &[PlannedTable]) -> Vec<String> {
    let mut advice: Vec<(f64, String)> = Vec::new();
    for node in nodes(tree) {
        let table = tables.iter().find(|table| table.is(node));
        let found = table.and_then(|table| of_scan(node, table));
        if let Some(found) = found.or_else(|| of_sort(node)).or_else(|| of_join(node)) {
            advice.push((node["Total Cost"].as_f64().unwrap_or_default(), found));
        }
    }
    for table in tables {
        advice.extend(of_estimates(table).map(|found| (f64::MAX, found)));
    }
    advice.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let mut sentences: Vec<String> = Vec::new();
    for (_, sentence) in advice {
        if sentences.len() < MOST && !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    sentences
}

/// All nodes of a plan, the root first.
fn nodes(tree: &Value) -> Vec<&Value> {
    let (mut nodes, mut at) = (vec![tree], 0);
    while let Some(node) = nodes.get(at) {
        let children = node["Plans"].as_array();
        nodes.extend(children.into_iter().flatten());
        at += 1;
    }
    nodes
}

/// A large table that is read whole for a few of its rows.
fn of_scan(node: &Value, table: &PlannedTable) -> Option<String> {
    let filter = node["Filter"].as_str()?;
    let (all, kept) = (table.rows?, node["Plan Rows"].as_f64()?);
    let is_scan = node["Node Type"] == "Seq Scan";
    if !is_scan || all < LARGE || kept > all * SELECTIVE {
        return None;
    }
    let words = |letter: char| !letter.is_alphanumeric() && letter != '_';
    let named: Vec<&String> = table
        .columns
        .iter()
        .filter(|column| filter.split(words).any(|word| word == column.as_str()))
        .collect();
    let name = format!("{}.{}", table.schema, table.name);
    let read = format!("all {all:.0} rows of `{name}` are read to keep about {kept:.0}");
    let indexed = named
        .iter()
        .find(|column| table.indexed_columns.contains(column));
    Some(match (indexed, named.is_empty()) {
        (Some(column), _) => format!(
            "{read}: an index begins with `{column}` but does not serve the condition {filter}; \
             compare the bare column, in its own type"
        ),
        (None, true) => format!("{read}: no index serves the condition {filter}"),
        (None, false) => {
            let columns: Vec<&str> = named.iter().map(|column| column.as_str()).collect();
            format!("{read}: an index on ({}) would help", columns.join(", "))
        }
    })
}

/// A sort that does not fit into memory.
fn of_sort(node: &Value) -> Option<String> {
    let (rows, width) = (node["Plan Rows"].as_f64()?, node["Plan Width"].as_f64()?);
    let is_large = node["Node Type"] == "Sort" && rows * width > WORK_MEM;
    let keys = node["Sort Key"].as_array()?;
    let keys: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
    is_large.then(|| {
        format!(
            "about {rows:.0} rows are sorted by {}: a LIMIT, fewer columns or an index in that \
             order would spare it",
            keys.join(", ")
        )
    })
}

/// A join that compares each row with each.
fn of_join(node: &Value) -> Option<String> {
    let is_nested = node["Node Type"] == "Nested Loop" && node["Join Filter"].is_null();
    let [outer, inner] = node["Plans"].as_array()?.as_slice() else {
        return None;
    };
    let is_looked_up = nodes(inner)
        .iter()
        .any(|node| node["Index Cond"].is_string());
    let rows = |node: &Value| node["Plan Rows"].as_f64().unwrap_or_default();
    let pairs = rows(outer) * rows(inner);
    (is_nested && !is_looked_up && pairs >= LARGE * LARGE && rows(node) >= pairs * 0.99).then(
        || {
            format!(
                "a join without a condition makes about {pairs:.0} rows: say by what its tables \
                 match"
            )
        },
    )
}

/// Estimates that nobody can rely on.
fn of_estimates(table: &PlannedTable) -> Option<String> {
    let name = format!("{}.{}", table.schema, table.name);
    match table.rows {
        None if table.changed_rows > 0.0 => Some(format!(
            "`{name}` was never analysed, so its numbers are guesses: ANALYZE it"
        )),
        Some(rows) if table.changed_rows > rows * STALE && table.changed_rows >= LARGE => {
            Some(format!(
                "{:.0} rows of `{name}` have changed since its last ANALYZE, which found \
                 {rows:.0}: ANALYZE it",
                table.changed_rows
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn orders() -> PlannedTable {
        PlannedTable {
            schema: "public".to_owned(),
            name: "orders".to_owned(),
            rows: Some(1_000_000.0),
            columns: vec!["id".to_owned(), "customer".to_owned(), "custom".to_owned()],
            indexed_columns: vec!["id".to_owned()],
            ..PlannedTable::default()
        }
    }

    fn scan(filter: &str, rows: f64) -> Value {
        json!({"Node Type": "Seq Scan", "Schema": "public", "Relation Name": "orders",
            "Filter": filter, "Plan Rows": rows, "Total Cost": 100.0})
    }

    #[track_caller]
    fn check(tree: &Value, table: PlannedTable, expected: &[&str]) {
        let advice = advise(tree, &[table]);
        assert_eq!(advice.len(), expected.len(), "{advice:?}");
        for (sentence, words) in advice.iter().zip(expected) {
            assert!(sentence.contains(words), "{sentence}");
        }
    }

    #[test]
    fn it_names_the_columns_that_an_index_is_missing_for() {
        let below = json!({"Node Type": "Limit", "Plans": [scan("(orders.customer = 7)", 5.0)]});
        check(&below, orders(), &["an index on (customer) would help"]);
        check(
            &scan("((orders.id)::text = '7'::text)", 5.0),
            orders(),
            &["begins with `id` but does not serve"],
        );
        check(&scan("(orders.customer = 7)", 900_000.0), orders(), &[]);
        let small = PlannedTable {
            rows: Some(50.0),
            ..orders()
        };
        check(&scan("(orders.customer = 7)", 1.0), small, &[]);
    }

    #[test]
    fn it_says_when_estimates_are_guesses() {
        let scan = scan("(orders.customer = 7)", 5.0);
        let never = PlannedTable {
            rows: None,
            changed_rows: 10.0,
            ..orders()
        };
        check(&scan, never, &["never analysed"]);
        let stale = PlannedTable {
            changed_rows: 500_000.0,
            ..orders()
        };
        check(
            &scan,
            stale,
            &["have changed since", "an index on (customer)"],
        );
    }

    #[test]
    fn it_tells_of_large_sorts_and_of_joins_without_a_condition() {
        let sort = json!({"Node Type": "Sort", "Plan Rows": 1e6, "Plan Width": 100,
            "Sort Key": ["a", "b DESC"]});
        check(&sort, orders(), &["are sorted by a, b DESC"]);
        let join = json!({"Node Type": "Nested Loop", "Plan Rows": 1e12,
            "Plans": [scan("x", 1e6), {"Node Type": "Materialize", "Plan Rows": 1e6}]});
        check(
            &join,
            PlannedTable::default(),
            &["a join without a condition"],
        );
    }
}
