//! Where in a schema its compiler is.

use crate::compile_error::push_segment;

/// The way from the root of a schema's document. It becomes text only where a fault is told: as a
/// text for each subschema it would take their number times the length of the names above them.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Root,
    Member(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl<'a> Place<'a> {
    /// The longest pointer that is told whole, in bytes.
    const LONGEST: usize = 1024;

    pub(super) fn member(&'a self, name: &'a str) -> Self {
        Self::Member(self, name)
    }

    pub(super) fn item(&'a self, index: usize) -> Self {
        Self::Item(self, index)
    }

    pub(super) fn is_root(&self) -> bool {
        matches!(self, Self::Root)
    }

    /// The steps to here, the outermost first.
    #[inline(never)]
    fn way(&self) -> Vec<Self> {
        let (mut way, mut at) = (Vec::new(), *self);
        while let Self::Member(parent, _) | Self::Item(parent, _) = at {
            way.push(at);
            at = *parent;
        }
        way.reverse();
        way
    }

    /// The JSON Pointer (RFC 6901); a very long one ends early, with `…`.
    #[inline(never)]
    pub(super) fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in self.way() {
            match step {
                Self::Root => {}
                Self::Member(_, name) => push_segment(&mut pointer, name),
                Self::Item(_, index) => push_segment(&mut pointer, &index.to_string()),
            }
            if pointer.len() > Self::LONGEST {
                pointer.truncate(pointer.floor_char_boundary(Self::LONGEST));
                pointer.push('…');
                pointer.shrink_to_fit();
                break;
            }
        }
        pointer
    }

    /// The names of the properties that lead here; nothing where other keywords are on the way, or
    /// it is the root.
    #[inline(never)]
    pub(super) fn properties(&self) -> Option<Vec<&'a str>> {
        let way = self.way();
        let (pairs, []) = way.as_chunks::<2>() else {
            return None;
        };
        let names = pairs.iter().map(|pair| match pair {
            [Self::Member(_, "properties"), Self::Member(_, name)] => Some(*name),
            _ => None,
        });
        let names: Vec<&str> = names.collect::<Option<_>>()?;
        (!names.is_empty()).then_some(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does something with the place that these names lead to.
    fn at<T>(place: &Place<'_>, names: &[&str], then: &dyn Fn(&Place<'_>) -> T) -> T {
        match names {
            [] => then(place),
            [name, names @ ..] => match name.parse() {
                Ok(index) => at(&place.item(index), names, then),
                Err(_) => at(&place.member(name), names, then),
            },
        }
    }

    #[test]
    fn it_knows_which_places_only_properties_lead_to() {
        let check = |names: &[&str], expected: Option<&[&str]>| {
            at(&Place::Root, names, &|place| {
                assert_eq!(place.properties().as_deref(), expected, "{names:?}");
            });
        };
        check(&["properties", "a"], Some(&["a"]));
        let deep = ["properties", "properties", "properties", "b/~"];
        check(&deep, Some(&["properties", "b/~"]));
        check(&[], None);
        check(&["$defs", "a"], None);
        check(&["items", "properties", "a"], None);
        check(&["properties", "a", "anyOf", "0"], None);
        check(&["properties", "a", "items", "properties", "b"], None);
    }

    #[test]
    fn it_tells_where_it_is_and_cuts_what_is_too_long() {
        let check = |names: &[&str], expected: &str| {
            at(&Place::Root, names, &|place| {
                assert_eq!(place.pointer(), expected);
            });
        };
        check(&[], "");
        check(
            &["properties", "a/~", "anyOf", "7"],
            "/properties/a~1~0/anyOf/7",
        );
        let long = "é".repeat(2_000);
        check(&[&long, "a"], &format!("/{}…", "é".repeat(511)));
    }
}
