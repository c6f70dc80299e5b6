//! The kinds of JSON values.

/// A set of the kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schema) struct Kinds(u8);

impl Kinds {
    pub(in crate::schema) const NONE: Self = Self(0);
    pub(in crate::schema) const NULL: Self = Self(1);
    pub(in crate::schema) const BOOLEAN: Self = Self(2);
    pub(in crate::schema) const INTEGER: Self = Self(4);
    /// Numbers that are no integers.
    pub(in crate::schema) const FRACTION: Self = Self(8);
    pub(in crate::schema) const STRING: Self = Self(16);
    pub(in crate::schema) const ARRAY: Self = Self(32);
    pub(in crate::schema) const OBJECT: Self = Self(64);
    pub(in crate::schema) const NUMBER: Self = Self(4 | 8);
    pub(in crate::schema) const ALL: Self = Self(127);

    pub(in crate::schema) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(in crate::schema) const fn holds(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(in crate::schema) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(in crate::schema) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The kinds in words: `a string or null`.
    pub(in crate::schema) fn describe(self) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_describes_kinds() {
        assert_eq!(Kinds::STRING.or(Kinds::NULL).describe(), "a string or null");
        assert_eq!(Kinds::NUMBER.describe(), "a number");
        assert_eq!(Kinds::INTEGER.describe(), "an integer");
        assert_eq!(Kinds::NONE.describe(), "no value here");
    }
}
