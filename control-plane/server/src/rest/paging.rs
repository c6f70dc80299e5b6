//! Lists in pages: so many entries, and the cursor of the next page.

use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::Problem;

/// The entries of a page unless the request says otherwise, and the most that it may ask for: what
/// is written out at once stays below a few MiB.
const USUAL: u32 = 100;
const MOST: u32 = 1000;

/// The page of a list that a request asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// The most entries in the answer, from 1 to 1000; 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Page {
    /// The page with this bound and this cursor.
    pub(super) fn new(limit: Option<u32>, cursor: Option<String>) -> Self {
        Self { limit, cursor }
    }

    /// How many entries are wanted.
    ///
    /// # Errors
    /// When there are to be none, or too many.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let limit = self.limit.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            return Err(Problem::bad_request(format!(
                "`limit` is {limit}; write a number from 1 to {MOST}"
            )));
        }
        Ok(usize::try_from(limit).unwrap_or(usize::MAX))
    }

    /// The cursor where it is a number.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn number(&self) -> Result<Option<u64>, Problem> {
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        match cursor.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(unknown_cursor()),
        }
    }

    /// The page of `entries` behind the one that the cursor names, and the cursor of the next one.
    ///
    /// # Errors
    /// When the cursor names none of them.
    pub(super) fn of<T>(
        &self,
        entries: Vec<T>,
        name: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), Problem> {
        let first = match &self.cursor {
            None => 0,
            Some(cursor) => {
                let last = entries.iter().position(|entry| name(entry) == *cursor);
                last.ok_or_else(unknown_cursor)? + 1
            }
        };
        let limit = self.limit()?;
        let is_last = entries.len() - first <= limit;
        let page: Vec<T> = entries.into_iter().skip(first).take(limit).collect();
        let next = page.last().filter(|_| !is_last).map(name);
        Ok((page, next))
    }
}

fn unknown_cursor() -> Problem {
    Problem::bad_request(
        "`cursor` is not the `next_cursor` of a page of this list as it is now; begin again \
         without it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_every_entry_once_page_by_page() {
        let entries: Vec<u32> = (1..=5).collect();
        let mut cursor = None;
        let mut seen = Vec::new();
        loop {
            let page = Page::new(Some(2), cursor.clone());
            let (entries, next) = page.of(entries.clone(), ToString::to_string).unwrap();
            seen.push(entries);
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, [vec![1, 2], vec![3, 4], vec![5]]);
        let page = Page::new(Some(5), None);
        assert_eq!(
            page.of(entries.clone(), ToString::to_string).unwrap().1,
            None
        );
        for page in [
            Page::new(Some(0), None),
            Page::new(Some(1001), None),
            Page::new(None, Some("9".to_owned())),
        ] {
            assert!(page.of(entries.clone(), ToString::to_string).is_err());
        }
        assert!(Page::new(None, Some("x".to_owned())).number().is_err());
    }
}
