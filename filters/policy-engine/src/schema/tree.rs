//! A compiled schema: nodes that name each other by number, so that `$ref` may go in circles.

use super::decimal::{Decimal, Divisor};
use super::json::Json;
use super::keys::{hash, same};

/// A node's number in its [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(pub(super) u32);

/// All nodes of a schema. Number 0 is the one that everything fits.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) root: NodeId,
}

impl NodeId {
    pub(super) const ANYTHING: Self = Self(0);

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A set of the kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) const NONE: Self = Self(0);
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOLEAN: Self = Self(2);
    pub(super) const INTEGER: Self = Self(4);
    /// Numbers that are no integers.
    pub(super) const FRACTION: Self = Self(8);
    pub(super) const STRING: Self = Self(16);
    pub(super) const ARRAY: Self = Self(32);
    pub(super) const OBJECT: Self = Self(64);
    pub(super) const NUMBER: Self = Self(4 | 8);
    pub(super) const ALL: Self = Self(127);

    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn holds(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The kinds in words: `a string or null`.
    pub(super) fn describe(self) -> String {
        if self == Self::NONE {
            return "no value here".to_owned();
        }
        if self == Self::ALL {
            return "a value".to_owned();
        }
        let mut words = Vec::new();
        for (kinds, word) in [
            (Self::STRING, "a string"),
            (Self::NUMBER, "a number"),
            (Self::INTEGER, "an integer"),
            (Self::BOOLEAN, "`true` or `false`"),
            (Self::ARRAY, "an array"),
            (Self::OBJECT, "an object"),
            (Self::NULL, "null"),
        ] {
            let is_covered = kinds == Self::INTEGER && self.holds(Self::NUMBER);
            if self.holds(kinds) && !is_covered {
                words.push(word);
            }
        }
        words.join(" or ")
    }
}

/// What one (sub)schema asks for.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kinds: Kinds,
    pub(super) number: Option<Box<NumberRules>>,
    pub(super) string: Option<Box<StringRules>>,
    pub(super) array: Option<Box<ArrayRules>>,
    pub(super) object: Option<Box<ObjectRules>>,
    /// What else the value must fit, looked at once its end is known.
    pub(super) more: Option<Box<More>>,
    /// How the value is to be approached.
    pub(super) approach: Approach,
    /// The kinds that have a chance, all of `more` considered.
    pub(super) accepts: Kinds,
    /// The kinds of scalars about which nothing more is asked than that they are JSON.
    pub(super) free: Kinds,
}

/// How a value is to be approached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Approach {
    /// By the node's own rules, then by `more`.
    Own,
    /// The node asks for nothing but one group of alternatives: where the value's kind leaves one of them, by that one.
    Choose,
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

    /// The scalars that fit whatever they are.
    pub(super) fn free_scalars(&self) -> Kinds {
        if self.more.is_some() {
            return Kinds::NONE;
        }
        let mut free = Kinds::NULL.or(Kinds::BOOLEAN);
        if self.string.is_none() {
            free = free.or(Kinds::STRING);
        }
        // A number is told from an integer only by reading it, so it is free where both are.
        if self.number.is_none() && self.kinds.holds(Kinds::NUMBER) {
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
    pub(super) choices: Vec<Vec<Json>>,
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

/// Alternatives.
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

/// Rules for numbers.
#[derive(Debug, Default)]
pub(super) struct NumberRules {
    pub(super) bounds: Vec<Bound>,
    pub(super) multiple_of: Option<MultipleOf>,
}

/// What numbers must be multiples of.
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

/// Rules for arrays.
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

/// Rules for objects.
#[derive(Debug)]
pub(super) struct ObjectRules {
    pub(super) properties: Vec<Property>,
    /// What a property that is not listed must fit.
    pub(super) additional: Additional,
    /// Which of the first 64 properties must be there.
    pub(super) required: u64,
    index: Index,
}

/// A property that `properties` or `required` names.
#[derive(Debug)]
pub(super) struct Property {
    pub(super) name: String,
    /// None where only `required` names it: then it is an additional one.
    pub(super) node: Option<NodeId>,
    pub(super) presence: Presence,
}

/// Whether a property must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Required,
    Optional,
}

/// Properties that are not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Additional {
    Fits(NodeId),
    Refused,
}

/// How a name finds its property.
#[derive(Debug)]
enum Index {
    /// One by one.
    List,
    /// Open addressing; a power of two of places, half of them empty; a property's number plus one, or 0.
    Table(Vec<u32>),
}

impl ObjectRules {
    /// Up to this many names are compared one by one.
    const LISTED: usize = 8;

    pub(super) fn new(properties: Vec<Property>, additional: Additional) -> Self {
        let required = properties
            .iter()
            .take(64)
            .enumerate()
            .filter(|(_, property)| property.presence == Presence::Required)
            .fold(0, |required, (number, _)| required | 1 << number);
        let index = if properties.len() <= Self::LISTED {
            Index::List
        } else {
            Index::Table(table(&properties))
        };
        Self {
            properties,
            additional,
            required,
            index,
        }
    }

    /// The rules of an object without listed properties.
    pub(super) const fn open(additional: Additional) -> Self {
        Self {
            properties: Vec::new(),
            additional,
            required: 0,
            index: Index::List,
        }
    }

    /// The number of the property of that name; `likely` is looked at first.
    #[inline]
    pub(super) fn find(&self, name: &[u8], likely: usize) -> Option<usize> {
        let has_name = |property: &Property| same(property.name.as_bytes(), name);
        if self.properties.get(likely).is_some_and(has_name) {
            return Some(likely);
        }
        match &self.index {
            Index::List => self.properties.iter().position(has_name),
            Index::Table(places) => probe(places, name)
                .map_while(|place| places.get(place).filter(|number| **number > 0))
                .map(|number| *number as usize - 1)
                .find(|number| self.properties.get(*number).is_some_and(has_name)),
        }
    }
}

fn table(properties: &[Property]) -> Vec<u32> {
    let mut places = vec![0; (properties.len() * 2).next_power_of_two()];
    for (number, property) in (1..).zip(properties) {
        let free =
            probe(&places, property.name.as_bytes()).find(|place| places.get(*place) == Some(&0));
        if let Some(place) = free.and_then(|place| places.get_mut(place)) {
            *place = number;
        }
    }
    places
}

/// The places where a name may be, the likeliest first.
fn probe(places: &[u32], name: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let mask = places.len().saturating_sub(1);
    #[expect(clippy::cast_possible_truncation, reason = "only the low bits count")]
    let first = hash(name) as usize;
    (0..=mask).map(move |step| first.wrapping_add(step) & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_properties_by_name_however_many_there_are() {
        for count in [0, 1, 8, 9, 64, 65, 1000] {
            let properties = (0..count)
                .map(|number| Property {
                    name: format!("p{number}"),
                    node: None,
                    presence: Presence::Optional,
                })
                .collect();
            let rules = ObjectRules::new(properties, Additional::Refused);
            for number in 0..count {
                assert_eq!(rules.find(format!("p{number}").as_bytes(), 3), Some(number));
            }
            assert_eq!(rules.find(b"other", 0), None);
            assert_eq!(rules.find(b"", 0), None);
        }
    }

    #[test]
    fn it_describes_kinds_and_lengths() {
        assert_eq!(Kinds::STRING.or(Kinds::NULL).describe(), "a string or null");
        assert_eq!(Kinds::NUMBER.describe(), "a number");
        assert_eq!(Kinds::INTEGER.describe(), "an integer");
        assert_eq!(Kinds::NONE.describe(), "no value here");
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
