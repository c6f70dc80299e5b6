//! Rules for objects, and how a name finds its property.

use key_folding::read_loosely;
use step_count::count;

use super::NodeId;
use crate::schema::keys::{hash, same};
use crate::schema::texts::SortedTexts;

/// The rules that a node has for objects.
#[derive(Debug)]
pub(in crate::schema) struct ObjectRules {
    pub(in crate::schema) properties: Vec<Property>,
    /// The rule for properties that are not listed.
    pub(in crate::schema) additional: Additional,
    /// Which of the first 64 properties must be there.
    pub(in crate::schema) required: u64,
    /// The numbers of the properties that must be there.
    pub(in crate::schema) all_required: Vec<usize>,
    index: Index,
    /// The properties' names as the loosest of readers sees them.
    folded: SortedTexts,
}

/// A property that `properties` or `required` names.
#[derive(Debug)]
pub(in crate::schema) struct Property {
    pub(in crate::schema) name: String,
    /// None where only `required` names it: then it is an additional one.
    pub(in crate::schema) node: Option<NodeId>,
    pub(in crate::schema) presence: Presence,
}

/// Whether a property must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schema) enum Presence {
    Required,
    Optional,
}

/// Properties that are not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schema) enum Additional {
    Fits(NodeId),
    Refused,
}

/// How a name finds its property.
#[derive(Debug)]
enum Index {
    /// The names are compared one by one.
    List,
    /// Open addressing; a power of two of places, half of them empty; a property's number plus one,
    /// or 0.
    Table(Vec<u32>),
}

impl ObjectRules {
    /// Up to this many names are compared one by one.
    const LISTED: usize = 8;

    pub(in crate::schema) fn new(properties: Vec<Property>, additional: Additional) -> Self {
        let required = properties
            .iter()
            .take(64)
            .enumerate()
            .filter(|(_, property)| property.presence == Presence::Required)
            .fold(0, |required, (number, _)| required | 1 << number);
        let is_required = |(number, property): (usize, &Property)| {
            (property.presence == Presence::Required).then_some(number)
        };
        let all_required = properties.iter().enumerate().filter_map(is_required);
        let all_required = all_required.collect();
        let names = properties.iter().map(|property| property.name.as_bytes());
        let folded = SortedTexts::new(names.map(read_loosely));
        let index = if properties.len() <= Self::LISTED {
            Index::List
        } else {
            Index::Table(table(&properties))
        };
        Self {
            properties,
            additional,
            required,
            all_required,
            index,
            folded,
        }
    }

    /// The rules of an object without listed properties.
    pub(in crate::schema) const fn open(additional: Additional) -> Self {
        Self {
            properties: Vec::new(),
            additional,
            required: 0,
            all_required: Vec::new(),
            index: Index::List,
            folded: SortedTexts::EMPTY,
        }
    }

    /// The property for which a reader that ignores case, trims or stops at a NUL takes this name,
    /// which [`Self::find`] does not find.
    pub(in crate::schema) fn find_loosely(&self, name: &[u8]) -> Option<&Property> {
        if self.folded.is_empty() {
            return None;
        }
        count(name.len());
        let name = read_loosely(name);
        if !self.folded.contains(&name) {
            return None;
        }
        self.properties
            .iter()
            .find(|property| read_loosely(property.name.as_bytes()) == name)
    }

    /// The number of the property of that name; `likely` is looked at first.
    #[inline]
    pub(in crate::schema) fn find(&self, name: &[u8], likely: usize) -> Option<usize> {
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
}
