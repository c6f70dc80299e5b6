//! Validates strings and numbers against a schema's bounds.

use step_count::count;

use super::path::Path;
use super::{Run, Stop};
use crate::schema::decimal::Decimal;
use crate::schema::json::integer;
use crate::schema::scan::{self, NumberForm, StringForm};
use crate::schema::tree::{Kinds, Node, NumberRules};

impl<'r> Run<'r> {
    pub(super) fn string(
        &mut self,
        node: &'r Node,
        start: usize,
        path: &Path<'_>,
    ) -> Result<usize, Stop> {
        let quoted = match scan::string(self.bytes, start + 1) {
            Ok(quoted) => quoted,
            Err(syntax) => return self.syntax(path, syntax),
        };
        if let Some(rules) = node
            .string
            .as_deref()
            .filter(|_| node.kinds.meets(Kinds::STRING))
        {
            let raw = self.bytes.get(start + 1..quoted.end).unwrap_or_default();
            // A code point takes four bytes at most, or twelve as a pair of escaped surrogates, so
            // most lengths need no count.
            let longest = match quoted.form {
                StringForm::Plain => 4,
                StringForm::Escaped => 12,
            };
            let fewest = raw.len().div_ceil(longest) as u64;
            if fewest < rules.length.min || raw.len() as u64 > rules.length.max {
                let length = scan::code_points(raw, quoted.form) as u64;
                if !(rules.length.min..=rules.length.max).contains(&length) {
                    self.misfit_found(
                        path,
                        || rules.length.describe("character"),
                        || format!("{length}"),
                    )?;
                }
            }
        }
        Ok(quoted.end + 1)
    }

    pub(super) fn number(
        &mut self,
        node: &'r Node,
        start: usize,
        path: &Path<'_>,
    ) -> Result<usize, Stop> {
        let number = match scan::number(self.bytes, start) {
            Ok(number) => number,
            Err(syntax) => return self.syntax(path, syntax),
        };
        if !node.kinds.meets(Kinds::NUMBER)
            || (node.kinds.holds(Kinds::NUMBER) && node.number.is_none())
        {
            return Ok(number.end);
        }
        let text = self.bytes.get(start..number.end).unwrap_or_default();
        let value = match number.form {
            NumberForm::Digits => {
                integer(text).map_or_else(|| Value::Decimal(Decimal::new(text)), Value::Integer)
            }
            NumberForm::Decimal => Value::Decimal(Decimal::new(text)),
        };
        if !node.kinds.meets(value.kind()) {
            self.misfit(path, start, number.end, || node.kinds.describe())?;
        } else if let Some(rules) = node.number.as_deref() {
            self.number_rules(rules, &value, start, number.end, path)?;
        }
        Ok(number.end)
    }

    fn number_rules(
        &mut self,
        rules: &'r NumberRules,
        value: &Value,
        start: usize,
        end: usize,
        path: &Path<'_>,
    ) -> Result<(), Stop> {
        if matches!(value, Value::Decimal(_)) {
            // Each rule looks at all digits again.
            let looks = rules.bounds.len() + usize::from(rules.multiple_of.is_some());
            self.charge((end - start).saturating_mul(looks), path)?;
            count((end - start).saturating_mul(looks));
        }
        for bound in &rules.bounds {
            let order = match (value, bound.integer) {
                (Value::Integer(value), Some(bound)) => value.cmp(&bound),
                (Value::Integer(value), None) => {
                    Decimal::new(value.to_string().as_bytes()).cmp(&bound.value)
                }
                (Value::Decimal(value), _) => value.cmp(&bound.value),
            };
            if !bound.side.admits(order) {
                self.misfit(path, start, end, || {
                    format!("{} {}", bound.side.words(), bound.value)
                })?;
            }
        }
        if let Some(multiple) = &rules.multiple_of {
            let divides = match value {
                Value::Integer(value) => {
                    multiple.divisor.divides_i64(*value).unwrap_or_else(|| {
                        multiple
                            .divisor
                            .divides(&Decimal::new(value.to_string().as_bytes()))
                    })
                }
                Value::Decimal(value) => multiple.divisor.divides(value),
            };
            if !divides {
                self.misfit(path, start, end, || {
                    format!("a multiple of {}", multiple.value)
                })?;
            }
        }
        Ok(())
    }
}

/// A number of the instance.
enum Value {
    Integer(i64),
    Decimal(Decimal),
}

impl Value {
    fn kind(&self) -> Kinds {
        match self {
            Self::Integer(_) => Kinds::INTEGER,
            Self::Decimal(number) if number.is_integer() => Kinds::INTEGER,
            Self::Decimal(_) => Kinds::FRACTION,
        }
    }
}
