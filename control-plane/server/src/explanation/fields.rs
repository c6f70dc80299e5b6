//! The fields of an item's policy, each with the rule that sets it and the place of that.

use policy_engine::{Explanation, Field, ItemKind};
use serde::Serialize;
use serde_json::Value;

use super::{DecidingField, FieldExplained};
use crate::generation::Built;

/// The field that decides, with its rule and the place of that.
pub(super) fn deciding(
    built: &Built,
    field: &'static str,
    rule: &Option<String>,
    default: Option<&str>,
) -> DecidingField {
    DecidingField {
        field,
        rule: rule.clone(),
        place: place(built, rule.as_deref(), field, default),
    }
}

/// JSON Pointer to a field of a rule, or to the default that holds instead.
fn place(built: &Built, rule: Option<&str>, field: &str, default: Option<&str>) -> Option<String> {
    let Some(rule) = rule else {
        return default.map(|default| format!("/defaults/{default}"));
    };
    let mut rules = built.document.tools.iter();
    let at = rules.position(|other| other.name.as_str() == rule)?;
    Some(format!("/tools/{at}/{field}"))
}

/// The policy of an item, field by field; what is checked of arguments is for tools alone.
pub(super) fn fields(
    built: &Built,
    kind: ItemKind,
    explanation: &Explanation,
) -> Vec<FieldExplained> {
    fn json(value: &impl Serialize) -> Value {
        serde_json::to_value(value).unwrap_or_default()
    }
    /// The candidates of a field in their order, the one that holds for everyone last: its value,
    /// its rule, and the roles of those for whom it holds.
    fn candidates<T: Serialize>(
        field: &Field<T>,
    ) -> impl Iterator<Item = (Value, Option<&str>, &[String])> {
        let some = field.candidates.iter();
        let some = some.map(|one| (json(&one.value), Some(one.rule.as_str()), &*one.roles));
        some.chain([(json(&field.value), field.rule.as_deref(), &[][..])])
    }
    let row = |field, value, rule: Option<&str>, in_rule: &str, default| FieldExplained {
        field,
        value,
        rule: rule.map(str::to_owned),
        place: place(built, rule, in_rule, default),
        roles: Vec::new(),
    };
    let Explanation {
        allow,
        validate,
        constraints,
        timeout_ms,
        cluster,
        limits,
        // Whose it is, and what the server says: no rule does.
        server: _,
        tool: _,
        input_schema: _,
    } = explanation;
    let mut fields = Vec::new();
    let mut add = |rows: &mut dyn Iterator<Item = (Value, Option<&str>, &[String])>,
                   field,
                   in_rule: &str,
                   default| {
        fields.extend(rows.map(|(value, rule, roles)| FieldExplained {
            roles: roles.to_vec(),
            ..row(field, value, rule, in_rule, default)
        }));
    };
    add(&mut candidates(allow), "allow", "allow", Some("access"));
    if kind == ItemKind::Tool {
        let default = Some("validate");
        add(&mut candidates(validate), "validate", "validate", default);
        let constraints = &mut candidates(constraints);
        add(constraints, "constraints", "constraints", None);
    }
    add(&mut candidates(timeout_ms), "timeout_ms", "timeout", None);
    add(&mut candidates(cluster), "cluster", "route", None);
    fields.extend(limits.iter().map(|limit| FieldExplained {
        roles: limit.roles.clone(),
        ..row("limits", json(limit), Some(&limit.rule), "limits", None)
    }));
    fields
}
