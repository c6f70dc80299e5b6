//! `explain_query`: how PostgreSQL would run a query, what that costs, and what would help.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Effect, Output, Tool, ToolFailure, database_schema, query_schema};
use crate::call::Call;
use crate::postgres::Plan;
use crate::services::{Services, database_caller};

/// The tool `explain_query`: the plan of one SELECT, which is not run.
pub struct ExplainQuery;

/// The arguments of a call of `explain_query`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    #[serde(default)]
    database: Option<String>,
    sql: String,
    #[serde(default)]
    parameters: Option<Vec<Value>>,
}

impl Tool for ExplainQuery {
    const NAME: &'static str = "explain_query";
    const TITLE: &'static str = "Explain a PostgreSQL query";
    const DESCRIPTION: &'static str = "Get PostgreSQL's plan of one SELECT, its cost and what \
        would make it cheaper, without running it. Give the bare query, not EXPLAIN. Use it when \
        a query is slow, or before a large one.";
    const EFFECT: Effect = Effect::Reads;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "database": database_schema(),
                "sql": query_schema(),
                "parameters": {
                    "type": "array",
                    "items": {},
                    "description": "Values of $1, $2, …; when left out, the plan is one for any"
                }
            },
            "required": ["sql"],
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        json!({
            "properties": {
                "cost": {"type": "number", "description": "In units of one page read in sequence"},
                "rows": {"type": "number", "description": "As PostgreSQL expects them"},
                "generic": {"type": "boolean", "description": "Planned for any parameters"},
                "max_cost": {"type": ["number", "null"],
                    "description": "What costs more, execute_query refuses"},
                "advice": {"type": "array", "items": {"type": "string"}},
                "plan": {"type": ["object", "null"]}
            }
        })
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let name = arguments.database.as_deref();
        let database = services.databases.get(name, database_caller(call))?;
        let explain = database.explain_query(&arguments.sql, arguments.parameters.as_deref());
        let plan = call.unless_cancelled(explain).await??;
        let text = describe(&plan, database.max_cost(), services.text_bytes);
        let structured = json!({
            "cost": plan.cost,
            "rows": plan.rows,
            "generic": plan.is_generic,
            "max_cost": database.max_cost(),
            "advice": plan.advice,
            "plan": plan.tree,
        });
        Ok(Output::of_whole_text(&structured, text))
    }
}

/// The plan as a model reads it: the numbers, the advice, and a line for each node.
fn describe(plan: &Plan, max_cost: Option<f64>, most_bytes: usize) -> String {
    let mut text = format!("cost {:.0}, about {:.0} rows", plan.cost, plan.rows);
    if let Some(most) = max_cost.filter(|most| plan.cost > *most) {
        text.push_str(&format!(
            "; execute_query refuses what costs more than {most:.0}"
        ));
    }
    for sentence in &plan.advice {
        text.push_str(&format!("\n{sentence}"));
    }
    if plan.advice.is_empty() && plan.tree.is_some() {
        text.push_str("\nnothing in the plan stands out");
    }
    let Some(tree) = &plan.tree else {
        text.push_str("\nthe plan itself is too large to be shown");
        return text;
    };
    let mut open = vec![(0, tree)];
    while let Some((depth, node)) = open.pop() {
        let line = describe_node(depth, node);
        if text.len() + line.len() > most_bytes {
            text.push_str("\n… the other nodes have no place here");
            break;
        }
        text.push_str(&line);
        let children = node["Plans"].as_array().into_iter().flatten().rev();
        open.extend(children.map(|child| (depth + 1, child)));
    }
    text
}

/// One node: its kind, what it reads, its numbers, and its conditions.
fn describe_node(depth: usize, node: &Value) -> String {
    let word = |name: &str| node[name].as_str();
    let indent = "  ".repeat(depth);
    let mut line = format!("\n{indent}{}", word("Node Type").unwrap_or("?"));
    if let Some(index) = word("Index Name") {
        line.push_str(&format!(" by {index}"));
    }
    if let Some(relation) = word("Relation Name") {
        line.push_str(&format!(" on {relation}"));
    }
    line.push_str(&format!(
        " (cost {}, rows {})",
        node["Total Cost"], node["Plan Rows"]
    ));
    for name in [
        "Index Cond",
        "Recheck Cond",
        "Hash Cond",
        "Merge Cond",
        "Join Filter",
        "Filter",
    ] {
        if let Some(condition) = word(name) {
            line.push_str(&format!("; {name}: {condition}"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(tree: Option<Value>) -> Plan {
        Plan {
            cost: 12.5,
            rows: 3.0,
            is_generic: false,
            tree,
            advice: Vec::new(),
        }
    }

    #[test]
    fn it_shows_a_line_for_each_node_within_its_budget() {
        let leaf = json!({"Node Type": "Seq Scan", "Relation Name": "t", "Total Cost": 1.5,
            "Plan Rows": 9, "Filter": "(a > 1)"});
        let tree = json!({"Node Type": "Limit", "Total Cost": 12.5, "Plan Rows": 3,
            "Plans": [leaf]});
        assert_eq!(
            describe(&plan(Some(tree.clone())), Some(10.0), 1 << 10),
            "cost 12, about 3 rows; execute_query refuses what costs more than 10\n\
             nothing in the plan stands out\n\
             Limit (cost 12.5, rows 3)\n  \
               Seq Scan on t (cost 1.5, rows 9); Filter: (a > 1)"
        );
        let cut = describe(&plan(Some(tree)), None, 90);
        assert!(cut.ends_with("Limit (cost 12.5, rows 3)\n… the other nodes have no place here"));
        assert!(describe(&plan(None), None, 90).ends_with("too large to be shown"));
    }
}
