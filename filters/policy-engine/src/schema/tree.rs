//! A compiled schema: nodes that name each other by number, so that `$ref` may go in circles.

mod choices;
mod kinds;
mod objects;

use super::decimal::{Decimal, Divisor};
use super::texts::SortedTexts;

pub(super) use choices::Choices;
pub(super) use kinds::Kinds;
pub(super) use objects::{Additional, ObjectRules, Presence, Property};

/// A node's number in its [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(pub(super) u32);

/// All nodes of a schema. Number 0 is the one that everything fits.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) root: NodeId,
    /// Names of properties that differ from another name of the schema in case alone: the schema
    /// itself says that these are two.
    pub(super) spellings: SortedTexts,
}

impl NodeId {
    pub(super) const ANYTHING: Self = Self(0);

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The rules of one schema or subschema.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kinds: Kinds,
    pub(super) number: Option<Box<NumberRules>>,
    pub(super) string: Option<Box<StringRules>>,
    pub(super) array: Option<Box<ArrayRules>>,
    pub(super) object: Option<Box<ObjectRules>>,
    /// Further rules that the value must fit, looked at once its end is known.
    pub(super) more: Option<Box<More>>,
    /// How the value is to be approached.
    pub(super) approach: Approach,
    /// The kinds that have a chance, all of `more` considered.
    pub(super) accepts: Kinds,
    /// The kinds of scalars about which nothing more is asked than that they are JSON.
    pub(super) free: Kinds,
}

/// How a value is to be approached.
#[derive(Debug)]
pub(super) enum Approach {
    /// By the node's own rules, then by `more`.
    Own,
    /// The node asks for nothing but one group of alternatives: where the value's kind leaves one
    /// of them, by that one.
    Choose(OnlyChoices),
}

/// For each kind that a value's first byte can tell, the one alternative that is possible; none
/// where there are several, or none at all. Where that one is nothing but alternatives, too, it is
/// the one that those leave.
#[derive(Debug, Default)]
pub(super) struct OnlyChoices([Option<NodeId>; 6]);

impl OnlyChoices {
    const KINDS: [Kinds; 6] = [
        Kinds::STRING,
        Kinds::OBJECT,
        Kinds::ARRAY,
        Kinds::NUMBER,
        Kinds::BOOLEAN,
        Kinds::NULL,
    ];

    /// The choices among alternatives, of which `accepts` tells which kinds have a chance.
    pub(super) fn among(alternatives: &[NodeId], accepts: impl Fn(NodeId) -> Kinds) -> Self {
        Self(Self::KINDS.map(|kinds| {
            let is_possible = |id: &&NodeId| accepts(**id).meets(kinds);
            let mut possible = alternatives.iter().filter(is_possible);
            let only = possible.next().copied();
            only.filter(|_| possible.next().is_none())
        }))
    }

    /// The same choices, each followed to where `next` leads no further.
    pub(super) fn followed(&self, next: impl Fn(NodeId, Kinds) -> Option<NodeId>) -> Self {
        Self(Self::KINDS.map(|kinds| {
            let first = self.of(kinds);
            std::iter::successors(first, |id| next(*id, kinds)).last()
        }))
    }

    #[inline]
    fn of(&self, kinds: Kinds) -> Option<NodeId> {
        let place = Self::KINDS.iter().position(|known| *known == kinds)?;
        self.0.get(place).copied().flatten()
    }
}

impl Node {
    pub(super) fn with_kinds(kinds: Kinds) -> Self {
        Self {
            kinds,
            number: None,
            string: None,
            array: None,
            object: None,
            more: None,
            approach: Approach::Own,
            accepts: kinds,
            free: Kinds::NONE,
        }
    }

    /// The one alternative that a value of these kinds can fit, where the node is nothing but
    /// alternatives.
    #[inline]
    pub(super) fn only_choice(&self, kinds: Kinds) -> Option<NodeId> {
        match &self.approach {
            Approach::Choose(choices) => choices.of(kinds),
            Approach::Own => None,
        }
    }

    /// Whether scalars of these kinds are judged by the node's own rules.
    #[inline(always)]
    pub(super) fn is_plain_for(&self, kinds: Kinds) -> bool {
        kinds.and(Kinds::OBJECT.or(Kinds::ARRAY)) == Kinds::NONE
            && self.kinds.meets(kinds)
            && matches!(self.approach, Approach::Own)
    }

    /// The scalars that fit whatever they are.
    pub(super) fn free_scalars(&self) -> Kinds {
        if self.more.is_some() {
            return Kinds::NONE;
        }
        let mut free = Kinds::NULL.or(Kinds::BOOLEAN);
        if self.string.is_none() {
            free = free.or(Kinds::STRING);
        }
        // What looks like a number can be an integer or not, so it is free only where both kinds
        // are left below.
        if self.number.is_none() {
            free = free.or(Kinds::NUMBER);
        }
        free.and(self.kinds)
    }

    /// Whether the node has no rules of its own, whatever `more` asks for.
    pub(super) fn is_open(&self) -> bool {
        self.kinds == Kinds::ALL
            && self.number.is_none()
            && self.string.is_none()
            && self.array.is_none()
            && self.object.is_none()
    }
}

/// Rules that look at the whole value.
#[derive(Debug, Default)]
pub(super) struct More {
    /// The value is one of these (`enum`, `const`), for each list.
    pub(super) choices: Vec<Choices>,
    /// It fits each of these (`allOf`, `$ref`).
    pub(super) all: Vec<NodeId>,
    /// Of each group it fits some (`anyOf`) or one (`oneOf`).
    pub(super) groups: Vec<Group>,
}

impl More {
    pub(super) fn is_empty(&self) -> bool {
        self.choices.is_empty() && self.all.is_empty() && self.groups.is_empty()
    }
}

/// A group of alternatives, of which some or exactly one must fit.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) wanted: Wanted,
    pub(super) nodes: Vec<NodeId>,
}

/// How many of the alternatives must fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Some,
    One,
}

/// The rules that a node has for numbers.
#[derive(Debug, Default)]
pub(super) struct NumberRules {
    pub(super) bounds: Vec<Bound>,
    pub(super) multiple_of: Option<MultipleOf>,
}

impl NumberRules {
    /// Whether a number is within all bounds, as far as that can be told without its digits.
    #[inline]
    pub(super) fn plainly_admit(&self, number: i64) -> bool {
        let admits = |bound: &Bound| {
            let bounding = bound.integer;
            bounding.is_some_and(|bounding| bound.side.admits(number.cmp(&bounding)))
        };
        self.multiple_of.is_none() && self.bounds.iter().all(admits)
    }
}

/// The number that others must be multiples of.
#[derive(Debug)]
pub(super) struct MultipleOf {
    pub(super) value: Decimal,
    pub(super) divisor: Divisor,
}

/// One bound of a number.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) side: Side,
    pub(super) value: Decimal,
    /// The value, where it fits.
    pub(super) integer: Option<i64>,
}

/// On which side of a bound numbers must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    AtLeast,
    Above,
    AtMost,
    Below,
}

impl Side {
    pub(super) fn admits(self, number_to_bound: std::cmp::Ordering) -> bool {
        match self {
            Self::AtLeast => number_to_bound.is_ge(),
            Self::Above => number_to_bound.is_gt(),
            Self::AtMost => number_to_bound.is_le(),
            Self::Below => number_to_bound.is_lt(),
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::AtLeast => "at least",
            Self::Above => "more than",
            Self::AtMost => "at most",
            Self::Below => "less than",
        }
    }
}

/// Rules for strings, in code points.
#[derive(Debug)]
pub(super) struct StringRules {
    pub(super) length: Length,
}

impl StringRules {
    /// Whether a string of so many bytes between its quotes is as long as it may be, as far as that
    /// can be told without a count. A code point takes four bytes at most, or twelve as a pair of
    /// escaped surrogates.
    #[inline]
    pub(super) fn plainly_admit(&self, bytes: usize, escaped: bool) -> bool {
        let fewest = if escaped {
            bytes.div_ceil(12)
        } else {
            bytes.div_ceil(4)
        };
        fewest as u64 >= self.length.min && bytes as u64 <= self.length.max
    }
}

/// The rules that a node has for arrays.
#[derive(Debug)]
pub(super) struct ArrayRules {
    pub(super) items: NodeId,
    pub(super) length: Length,
}

/// How long something may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Length {
    pub(super) min: u64,
    pub(super) max: u64,
}

impl Length {
    pub(super) const ANY: Self = Self {
        min: 0,
        max: u64::MAX,
    };

    /// The rule in words: `at most 10 items`.
    pub(super) fn describe(self, unit: &str) -> String {
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        match self {
            Self { min, max } if min == max => format!("exactly {min} {unit}{}", plural(min)),
            Self { min, max: u64::MAX } => format!("at least {min} {unit}{}", plural(min)),
            Self { min: 0, max } => format!("at most {max} {unit}{}", plural(max)),
            Self { min, max } => format!("between {min} and {max} {unit}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_describes_lengths() {
        assert_eq!(
            Length {
                min: 1,
                max: u64::MAX
            }
            .describe("character"),
            "at least 1 character"
        );
        assert_eq!(
            Length { min: 0, max: 10 }.describe("item"),
            "at most 10 items"
        );
        assert_eq!(
            Length { min: 2, max: 3 }.describe("item"),
            "between 2 and 3 items"
        );
        assert_eq!(
            Length { min: 2, max: 2 }.describe("item"),
            "exactly 2 items"
        );
    }
}
