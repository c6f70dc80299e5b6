//! Notes of what a load held, for people to check it by: NULLs and the ends of each column.

use std::cmp::Ordering;

use serde::Serialize;

use results::Cell;

/// Characters of the ends of a range: enough to see whether it is the right one.
const SHOWN: usize = 100;

/// A column of a load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnSummary {
    /// The name of the column.
    pub name: String,
    /// Its type in PostgreSQL.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Rows in which it is NULL.
    pub nulls: u64,
    /// The least of its values; none where they have no order.
    pub min: Option<String>,
    /// The greatest of its values.
    pub max: Option<String>,
}

/// A value by which values of a column are compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Key<'a> {
    Whole(i128),
    Real(f64),
    Text(&'a str),
}

#[derive(Debug, Clone, PartialEq)]
enum Kept {
    Whole(i128),
    Real(f64),
    Text(String),
}

/// The ends of a column's range so far, and where in the present batch they are.
#[derive(Debug, Default)]
pub(super) struct Range {
    pub(super) nulls: u64,
    ends: [End; 2],
}

#[derive(Debug, Default)]
struct End {
    kept: Option<Kept>,
    row: Option<usize>,
    spelt: Option<String>,
}

impl Range {
    /// Takes the value of a row of the present batch.
    pub(super) fn take(&mut self, row: usize, key: &Key<'_>) {
        for (end, wanted) in self
            .ends
            .iter_mut()
            .zip([Ordering::Less, Ordering::Greater])
        {
            if end
                .kept
                .as_ref()
                .is_none_or(|kept| key.compare(kept) == wanted)
            {
                end.kept = Some(key.keep());
                end.row = Some(row);
            }
        }
    }

    /// Spells the ends that the present batch has brought, before it goes.
    pub(super) fn spell<'c>(&mut self, mut cell: impl FnMut(usize, &mut dyn FnMut(Cell<'_>)) + 'c) {
        for end in &mut self.ends {
            if let Some(row) = end.row.take() {
                cell(row, &mut |cell| {
                    end.spelt = match cell {
                        Cell::Null => None,
                        Cell::Text(text) | Cell::Json(text) => {
                            Some(text.chars().take(SHOWN).collect())
                        }
                    };
                });
            }
        }
    }

    pub(super) fn summary(&self, name: &str, type_name: &str) -> ColumnSummary {
        let [min, max] = &self.ends;
        ColumnSummary {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            nulls: self.nulls,
            min: min.spelt.clone(),
            max: max.spelt.clone(),
        }
    }
}

impl Key<'_> {
    fn compare(&self, kept: &Kept) -> Ordering {
        match (self, kept) {
            (Self::Whole(a), Kept::Whole(b)) => a.cmp(b),
            (Self::Real(a), Kept::Real(b)) => a.total_cmp(b),
            (Self::Text(a), Kept::Text(b)) => (*a).cmp(b.as_str()),
            _ => Ordering::Equal,
        }
    }

    fn keep(&self) -> Kept {
        match self {
            Self::Whole(value) => Kept::Whole(*value),
            Self::Real(value) => Kept::Real(*value),
            Self::Text(text) => Kept::Text((*text).to_owned()),
        }
    }
}
