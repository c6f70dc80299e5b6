//! Strings, numbers and literals against a schema's bounds and lists.

use json_reader::{Input, Scalar, ScalarKind, code_points, decoded};
use step_count::count;

use super::judge::Judge;
use super::replay::Ended;
use super::{Halted, LOOK, Validation};
use crate::schema::decimal::Decimal;
use crate::schema::json::{Json, integer};
use crate::schema::tree::{Choices, Kinds, Node, NodeId, NumberRules};
use crate::schema::violation::echo;

impl Judge<'_, '_> {
    /// A scalar has ended about which something is asked: nearly always, little.
    #[inline(always)]
    pub(super) fn judge_scalar(
        &mut self,
        input: Input<'_>,
        id: NodeId,
        kinds: Kinds,
        scalar: Scalar,
    ) -> Result<(), Halted> {
        match self.node(id) {
            Some(node)
                if node.more.is_none()
                    && node.kinds.meets(kinds)
                    && node.plainly_admits(input, scalar) =>
            {
                self.state.value_ended()
            }
            _ => self.judge_scalar_closely(input, id, kinds, scalar),
        }
    }

    #[inline(never)]
    fn judge_scalar_closely(
        &mut self,
        input: Input<'_>,
        id: NodeId,
        kinds: Kinds,
        scalar: Scalar,
    ) -> Result<(), Halted> {
        let Some(node) = self.node(id) else {
            return self.state.value_ended();
        };
        let noted = self.state.misfits.len();
        let is_wanted = node.kinds.meets(kinds);
        match scalar.kind {
            ScalarKind::String { escaped } if is_wanted => {
                self.state.string(input, node, scalar, escaped)?;
            }
            ScalarKind::Digits | ScalarKind::Decimal
                if is_wanted && (node.number.is_some() || !node.kinds.holds(Kinds::NUMBER)) =>
            {
                self.state.number(input, node, scalar)?;
            }
            _ => {}
        }
        let ended = Ended {
            node: id,
            kinds,
            start: scalar.start,
            end: scalar.end,
        };
        self.end_value(input, node, ended, is_wanted, noted)
    }

    /// Checks that a value is one of these.
    #[inline(never)]
    pub(super) fn choose(
        &mut self,
        input: Input<'_>,
        choices: &Choices,
        value: Ended,
    ) -> Result<(), Halted> {
        if self.state.is_one_of(input, choices, value)? {
            return Ok(());
        }
        self.state
            .misfit(input, value.start, value.end, || one_of(choices))
    }
}

impl Node {
    /// Whether the node's own rules admit a scalar of a kind that it wants, as far as that can be
    /// told at a glance.
    #[inline(always)]
    fn plainly_admits(&self, input: Input<'_>, scalar: Scalar) -> bool {
        match scalar.kind {
            ScalarKind::Literal => true,
            ScalarKind::Decimal => false,
            ScalarKind::String { escaped } => {
                let length = (scalar.end - scalar.start).saturating_sub(2);
                let rules = self.string.as_deref();
                rules.is_none_or(|rules| rules.plainly_admit(length, escaped))
            }
            ScalarKind::Digits if !self.kinds.holds(Kinds::INTEGER) => false,
            ScalarKind::Digits => match self.number.as_deref() {
                None => true,
                Some(rules) => integer(input.slice(scalar.start, scalar.end))
                    .is_some_and(|value| rules.plainly_admit(value)),
            },
        }
    }
}

impl Validation {
    fn string(
        &mut self,
        input: Input<'_>,
        node: &Node,
        scalar: Scalar,
        escaped: bool,
    ) -> Result<(), Halted> {
        let Some(rules) = node.string.as_deref() else {
            return Ok(());
        };
        let raw = input.slice(scalar.start + 1, scalar.end - 1);
        if rules.plainly_admit(raw.len(), escaped) {
            return Ok(());
        }
        let length = code_points(raw, escaped) as u64;
        if (rules.length.min..=rules.length.max).contains(&length) {
            return Ok(());
        }
        self.misfit_found(
            input,
            || rules.length.describe("character"),
            || format!("{length}"),
        )
    }

    fn number(&mut self, input: Input<'_>, node: &Node, scalar: Scalar) -> Result<(), Halted> {
        let text = input.slice(scalar.start, scalar.end);
        let small = match scalar.kind {
            ScalarKind::Digits => integer(text),
            _ => None,
        };
        let value = match small {
            Some(small) => Value::Integer(small),
            None => {
                count(LOOK);
                self.charge_again(input, LOOK)?;
                Value::Decimal(Decimal::new(text))
            }
        };
        if !node.kinds.meets(value.kind()) {
            self.misfit(input, scalar.start, scalar.end, || node.kinds.describe())
        } else if let Some(rules) = node.number.as_deref() {
            self.number_rules(input, rules, &value, scalar)
        } else {
            Ok(())
        }
    }

    fn number_rules(
        &mut self,
        input: Input<'_>,
        rules: &NumberRules,
        value: &Value,
        scalar: Scalar,
    ) -> Result<(), Halted> {
        let (start, end) = (scalar.start, scalar.end);
        let looks = rules.bounds.len() + usize::from(rules.multiple_of.is_some());
        // A division takes several times as long as a comparison.
        let divisions = rules.multiple_of.iter().len() * 3;
        count(LOOK * (looks + divisions));
        self.charge_again(input, LOOK * (looks + divisions))?;
        if matches!(value, Value::Decimal(_)) {
            // Each rule looks at all digits again.
            self.charge(input, end, (end - start).saturating_mul(looks))?;
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
                self.misfit(input, start, end, || {
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
                self.misfit(input, start, end, || {
                    format!("a multiple of {}", multiple.value)
                })?;
            }
        }
        Ok(())
    }

    /// Whether a value is one of these.
    fn is_one_of(
        &mut self,
        input: Input<'_>,
        choices: &Choices,
        ended: Ended,
    ) -> Result<bool, Halted> {
        let end = ended.end;
        let value = input.slice(ended.start, end);
        match value {
            [b'"', text @ .., b'"'] => {
                count(text.len());
                // Without escapes a string is its bytes.
                let escaped = memchr::memchr(b'\\', text).is_some();
                if escaped {
                    self.charge(input, end, text.len())?;
                }
                self.charge_again(input, choices.comparisons())?;
                Ok(choices.has_string(&decoded(text, escaped)))
            }
            [b'{' | b'[', ..] => {
                for choice in &choices.nested {
                    count(LOOK);
                    self.charge(input, end, LOOK + value.len())?;
                    if choice.is_written(value) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            [b't' | b'f' | b'n', ..] => Ok(choices.has_literal(value)),
            _ => {
                self.charge(input, end, value.len())?;
                // It is brought into the form that is compared.
                self.charge_again(input, 2 * LOOK + choices.comparisons())?;
                Ok(choices.has_number(value))
            }
        }
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

fn one_of(choices: &Choices) -> String {
    const NAMED: usize = 10;
    let mut words: Vec<String> = choices.listed.iter().take(NAMED).map(describe).collect();
    if choices.listed.len() > NAMED {
        words.push("…".to_owned());
    }
    match words.as_slice() {
        [only] => only.clone(),
        several => format!("one of {}", several.join(", ")),
    }
}

fn describe(choice: &Json) -> String {
    match choice {
        Json::Null => "null".to_owned(),
        Json::Bool(value) => format!("`{value}`"),
        Json::Number(number) => format!("`{number}`"),
        Json::String(text) => format!("`\"{}\"`", echo(text.as_bytes())),
        Json::Array(_) => "a certain array".to_owned(),
        Json::Object(_) => "a certain object".to_owned(),
    }
}
