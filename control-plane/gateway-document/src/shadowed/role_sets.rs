//! Sets of roles, each kept once, as numbers that are compared by the word.

use std::collections::BTreeMap;

use crate::names::RoleName;
use crate::patience::Patience;

/// The roles of a set by their numbers: of 64 in a row a word, for those words that are not empty.
type Bits = BTreeMap<usize, u64>;

/// Sets of roles by the order in which they came.
#[derive(Debug, Default)]
pub(super) struct RoleSets<'a> {
    roles: BTreeMap<&'a RoleName, usize>,
    known: BTreeMap<Bits, usize>,
    sets: Vec<Vec<(usize, u64)>>,
}

impl<'a> RoleSets<'a> {
    /// The number of a set; the same for the same roles.
    pub(super) fn number(&mut self, roles: &'a [RoleName]) -> usize {
        let mut bits = Bits::new();
        for role in roles {
            let next = self.roles.len();
            let role = *self.roles.entry(role).or_insert(next);
            *bits.entry(role / 64).or_default() |= 1 << (role % 64);
        }
        let next = self.sets.len();
        let words = bits.clone().into_iter().collect();
        let number = *self.known.entry(bits).or_insert(next);
        if number == next {
            self.sets.push(words);
        }
        number
    }

    /// Whether one set has all of another; not where that takes too long to say.
    pub(super) fn contains(&self, outer: usize, inner: usize, patience: &mut Patience) -> bool {
        if outer == inner {
            return true;
        }
        let set = |number: usize| self.sets.get(number).map_or(&[][..], Vec::as_slice);
        let mut rest = set(outer);
        set(inner).iter().all(|(place, wanted)| {
            let at = rest.partition_point(|(other, _)| other < place);
            rest = &rest[at..];
            let words = rest.first().filter(|(other, _)| other == place);
            patience.take(1) && words.is_some_and(|(_, given)| given & wanted == *wanted)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_which_of_two_sets_has_all_of_the_other() {
        let names: Vec<RoleName> = (0..300)
            .map(|role| format!("r{role}").parse().unwrap())
            .collect();
        let mut sets = RoleSets::default();
        let all = sets.number(&names);
        let some = [names[0].clone(), names[200].clone()];
        let twice = [&some[..], &some].concat();
        let (some, same) = (sets.number(&some), sets.number(&twice));
        let (late, none) = (sets.number(&names[200..]), sets.number(&[]));
        assert_eq!(some, same);
        let mut patience = Patience::new(1_000);
        for (outer, inner, expected) in [
            (all, some, true),
            (all, late, true),
            (some, all, false),
            (late, some, false),
            (some, late, false),
            (none, some, false),
            (some, none, true),
            (late, late, true),
        ] {
            assert_eq!(sets.contains(outer, inner, &mut patience), expected);
        }
        assert!(!sets.contains(all, late, &mut Patience::new(0)));
    }
}
