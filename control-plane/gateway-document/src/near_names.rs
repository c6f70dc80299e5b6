//! Finds the names that an author may have meant by one that is not there.

use policy_engine::stands_for_some_uri;
use url::Url;

/// Longer names are not compared: the work grows with the product of the lengths.
const LONGEST_COMPARED: usize = 64;
/// Names less alike than this, from 0 to 1, are other names: `read` and `write` have 0.4, one wrong
/// letter in six 0.83.
const NEAR_ENOUGH: f64 = 0.6;
/// More names than this are a list to read, not a hint.
const MOST_NEAR: usize = 3;

/// For so many names near ones are looked for; with more, something larger is wrong than a
/// spelling.
const MOST_SPELLINGS: usize = 10;

/// Looks for near names a few times.
#[derive(Debug)]
pub(crate) struct Spellings(usize);

impl Default for Spellings {
    fn default() -> Self {
        Self(MOST_SPELLINGS)
    }
}

impl Spellings {
    /// The names that are spelt most like `name`, the nearest first; none after some times.
    pub(crate) fn near_names<'a, I: Iterator<Item = &'a str>>(
        &mut self,
        name: &str,
        known: impl FnOnce() -> I,
    ) -> Vec<String> {
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or(0);
        left.map_or_else(Vec::new, |_| near_names(name, known()))
    }
}

/// The names that are spelt most like `name`, the nearest first.
#[must_use]
pub fn near_names<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = name.replace('*', "").to_lowercase();
    if wanted.is_empty() || wanted.len() > LONGEST_COMPARED {
        return Vec::new();
    }
    let mut near: Vec<(f64, &str)> = known
        .inspect(|_| step_count::count(1))
        .filter(|known| known.len() <= 2 * wanted.len())
        .map(|known| {
            let alike = strsim::normalized_damerau_levenshtein(&wanted, &known.to_lowercase());
            (alike, known)
        })
        .filter(|(alike, _)| *alike >= NEAR_ENOUGH)
        .collect();
    near.sort_by(|(one, a), (other, b)| other.total_cmp(one).then_with(|| a.cmp(b)));
    near.dedup_by(|(_, a), (_, b)| a == b);
    near.truncate(MOST_NEAR);
    near.into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// The spelling of a pattern that URIs which pass have, by the URL standard; none where that is no
/// better.
pub(crate) fn near_pattern(pattern: &str) -> Option<String> {
    let mut url = Url::parse(pattern).ok()?;
    url.set_fragment(None);
    if url.scheme() == "file" {
        url.set_query(None);
    }
    let braces = |text: &str| text.replace("%7B", "{").replace("%7D", "}");
    let mut path = braces(url.path());
    while path.contains("//") {
        path = path.replace("//", "/");
    }
    url.set_path(&path);
    let near = braces(url.as_str());
    (near != pattern && stands_for_some_uri(&near)).then_some(near)
}

/// A question with the names that are spelt most like `name`; none where no name is.
#[must_use]
pub fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let near = near_names(name, known);
    (!near.is_empty()).then(|| format!("did you mean `{}`?", near.join("` or `")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_the_names_that_are_spelt_most_alike() {
        let known = ["execute_query", "execute_spark_sql", "list_tables", "query"];
        for (wrong, near) in [
            ("execut_query", vec!["execute_query"]),
            ("Execute_Query", vec!["execute_query"]),
            ("list_table*", vec!["list_tables"]),
            ("qurey", vec!["query"]),
            ("drop_database", vec![]),
            ("*", vec![]),
        ] {
            assert_eq!(near_names(wrong, known.into_iter()), near, "{wrong}");
        }
        assert_eq!(near_names(&"x".repeat(65), known.into_iter()), [""; 0]);
        let asked = did_you_mean("quer", known.into_iter());
        assert_eq!(asked.as_deref(), Some("did you mean `query`?"));
        assert_eq!(did_you_mean("drop_database", known.into_iter()), None);
    }
}
