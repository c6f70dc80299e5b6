//! The seed and the number of mutations, from the environment.

use std::env;

/// The seed of `make test`. It must not change without need: it decides which inputs are run.
const SEED: u64 = 2026;

/// Mutations in `make test`: at 20 µs to 200 µs a check, a target takes at most about a second.
/// Fewer would seldom combine two mutations of one file; `make fuzz` runs a hundred times as many.
const COUNT: u32 = 5_000;

/// Which mutations are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Where the random numbers start.
    pub(crate) seed: u64,
    /// How many mutations follow the corpus.
    pub(crate) count: u32,
}

impl Settings {
    /// Reads `FUZZ_SEED` and `FUZZ_COUNT`.
    ///
    /// # Errors
    /// When one of them is set and is no number.
    pub(crate) fn from_environment() -> Result<Self, String> {
        Ok(Self {
            seed: number("FUZZ_SEED", env::var("FUZZ_SEED").ok())?.unwrap_or(SEED),
            count: number("FUZZ_COUNT", env::var("FUZZ_COUNT").ok())?.unwrap_or(COUNT),
        })
    }
}

fn number<Number: std::str::FromStr>(
    name: &str,
    value: Option<String>,
) -> Result<Option<Number>, String> {
    value
        .map(|text| {
            text.parse()
                .map_err(|_| format!("{name} is `{text}`: write a number that is not negative"))
        })
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_numbers_and_names_the_variable_that_is_none() {
        assert_eq!(number("FUZZ_COUNT", Some("12".to_owned())), Ok(Some(12)));
        assert_eq!(number::<u64>("FUZZ_COUNT", None), Ok(None));
        let problem = number::<u64>("FUZZ_SEED", Some("many".to_owned())).unwrap_err();
        assert!(problem.starts_with("FUZZ_SEED is `many`"), "{problem}");
    }
}
