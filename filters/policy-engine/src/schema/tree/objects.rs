//! Rules for objects, and how a name finds its property.

use key_folding::read_loosely;
use step_count::count;

use super::NodeId;
use crate::schema::keys::{hash, same};
use crate::schema::texts::{SortedTexts, halvings};

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
    Buckets(Buckets),
}

/// The numbers of properties, by the hashes of their names.
///
/// Nobody is kept from choosing names that share a bucket, so those of one bucket stand in the
/// order of their names and are searched by halves.
#[derive(Debug)]
struct Buckets {
    /// Where in `numbers` each bucket begins, and behind the last one, where that ends.
    bounds: Vec<usize>,
    numbers: Vec<usize>,
    /// The most comparisons that it takes to find a name.
    comparisons: usize,
}

impl ObjectRules {
    /// Up to this many names are compared one by one.
    const LISTED: usize = 8;

    /// `by_name` are the numbers of the properties in the order of their names.
    pub(in crate::schema) fn new(
        properties: Vec<Property>,
        by_name: &[usize],
        additional: Additional,
    ) -> Self {
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
            Index::Buckets(Buckets::new(&properties, by_name))
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
            .inspect(|property| count(property.name.len()))
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
            Index::Buckets(buckets) => buckets.find(&self.properties, name),
        }
    }

    /// The most comparisons that [`Self::find`] takes.
    pub(in crate::schema) fn comparisons(&self) -> usize {
        match &self.index {
            Index::List => self.properties.len(),
            Index::Buckets(buckets) => buckets.comparisons,
        }
    }

    /// The most comparisons until [`Self::find_loosely`] finds nothing.
    pub(in crate::schema) fn loose_comparisons(&self) -> usize {
        self.folded.comparisons()
    }
}

impl Buckets {
    /// `by_name` are the numbers of the properties in the order of their names.
    fn new(properties: &[Property], by_name: &[usize]) -> Self {
        let mut this = Self {
            bounds: vec![0; properties.len().next_power_of_two() + 1],
            numbers: vec![0; by_name.len()],
            comparisons: 0,
        };
        let bucket = |number: &usize| {
            let name = properties.get(*number).map(|one| one.name.as_bytes());
            this.bucket(name.unwrap_or_default())
        };
        let buckets: Vec<usize> = by_name.iter().map(bucket).collect();
        for bucket in &buckets {
            if let Some(size) = this.bounds.get_mut(*bucket) {
                *size += 1;
            }
        }
        let largest = this.bounds.iter().copied().max();
        this.comparisons = halvings(largest.unwrap_or_default());
        let mut begin = 0;
        for size in &mut this.bounds {
            begin += std::mem::replace(size, begin);
        }
        for (number, bucket) in by_name.iter().zip(buckets) {
            if let Some(free) = this.bounds.get_mut(bucket)
                && let Some(place) = this.numbers.get_mut(*free)
            {
                *place = *number;
                *free += 1;
            }
        }
        // Where each begins has become where it ends, and so where the next one begins.
        this.bounds.pop();
        this.bounds.insert(0, 0);
        this
    }

    #[inline]
    fn bucket(&self, name: &[u8]) -> usize {
        // A power of two of buckets, and the end of the last one.
        let mask = self.bounds.len().saturating_sub(2);
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits count")]
        let hash = hash(name) as usize;
        hash & mask
    }

    fn find(&self, properties: &[Property], name: &[u8]) -> Option<usize> {
        let [first, end] = self.bounds.get(self.bucket(name)..)?.first_chunk()?;
        let numbers = self.numbers.get(*first..*end)?;
        let place = numbers.binary_search_by(|number| {
            count(1);
            let known = properties.get(*number).map(|one| one.name.as_bytes());
            known.cmp(&Some(name))
        });
        numbers.get(place.ok()?).copied()
    }
}

#[cfg(test)]
mod tests {
    use step_count::taken_by;

    use super::*;

    fn sorted(properties: &[Property]) -> Vec<usize> {
        let mut by_name: Vec<usize> = (0..properties.len()).collect();
        by_name.sort_by_key(|number| &properties[*number].name);
        by_name
    }

    /// Names of three words whose hashes are the same: the second word undoes the first.
    fn meeting(count: usize) -> Vec<String> {
        const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
        let is_text = |word: [u8; 8]| word.iter().all(|byte| matches!(byte, b'!'..=b'~'));
        let undoing = |first: u64| {
            let state = (24_u64.rotate_left(23) ^ first).wrapping_mul(MIX);
            (state.rotate_left(23) ^ u64::from_le_bytes(*b"meetings")).to_le_bytes()
        };
        let firsts = (0..).map(|number: u64| format!("{number:08}").into_bytes());
        let names = firsts.filter_map(|first| {
            let first: [u8; 8] = first.try_into().ok()?;
            let second = undoing(u64::from_le_bytes(first));
            is_text(second).then(|| [first, second, *b"together"].concat())
        });
        let names = names.map(|name| String::from_utf8(name).unwrap());
        names.take(count).collect()
    }

    #[test]
    fn it_finds_properties_in_few_steps_however_their_names_were_chosen() {
        let names = meeting(64);
        assert!(
            names
                .iter()
                .all(|name| hash(name.as_bytes()) == hash(names[0].as_bytes()))
        );
        let properties: Vec<Property> = names
            .iter()
            .map(|name| Property {
                name: name.clone(),
                node: None,
                presence: Presence::Optional,
            })
            .collect();
        let by_name = sorted(&properties);
        let (rules, steps) =
            taken_by(|| ObjectRules::new(properties, &by_name, Additional::Refused));
        assert!(steps < 64 * 100, "{steps} steps");
        assert_eq!(rules.comparisons(), 7);
        // The bytes of the name are hashed.
        let most = 7 + names[0].len() as u64;
        for (number, name) in names.iter().enumerate() {
            let (found, steps) = taken_by(|| rules.find(name.as_bytes(), 3));
            assert_eq!(found, Some(number));
            assert!(steps <= most, "{steps} steps");
        }
        assert_eq!(rules.find(b"other", 0), None);
    }

    #[test]
    fn it_finds_properties_by_name_however_many_there_are() {
        for count in [0, 1, 8, 9, 64, 65, 1000] {
            let properties: Vec<Property> = (0..count)
                .map(|number| Property {
                    name: format!("p{number}"),
                    node: None,
                    presence: Presence::Optional,
                })
                .collect();
            let by_name = sorted(&properties);
            let rules = ObjectRules::new(properties, &by_name, Additional::Refused);
            for number in 0..count {
                assert_eq!(rules.find(format!("p{number}").as_bytes(), 3), Some(number));
            }
            assert_eq!(rules.find(b"other", 0), None);
            assert_eq!(rules.find(b"", 0), None);
        }
    }
}
