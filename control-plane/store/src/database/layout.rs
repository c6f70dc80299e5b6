//! Whether this program may work on a store that a later one has brought to its layout.
//!
//! Programs of two versions run beside each other while replicas are upgraded one by one, and after
//! each other where an upgrade is taken back. So a step leaves alone what earlier programs read and
//! write, or says in `layout` that it needs a program that knows it.

use migration_steps::Step;

use crate::OpenError;

/// Refuses a store that needs a program which knows a later step than `steps`.
pub(super) fn check(needs: Option<i64>, steps: &[Step], store: &str) -> Result<(), OpenError> {
    let known = steps.last().map_or(0, |step| step.number);
    match needs {
        Some(needs) if needs > known => Err(OpenError::Newer {
            store: store.to_owned(),
            needs,
            known,
        }),
        _ => Ok(()),
    }
}

/// The steps after that of `layout` which earlier programs cannot work with, and that do not say
/// so. What is added has to be optional.
#[cfg(test)]
pub(super) fn silently_breaking(steps: &[Step]) -> Vec<i64> {
    let breaks = |sql: &str| {
        let statements = sql.split(';').map(str::to_lowercase);
        statements.into_iter().any(|statement| {
            let words: Vec<&str> = statement.split_whitespace().collect();
            let has = |word: &str| words.contains(&word);
            let adds_what_must_be_given =
                has("alter") && has("add") && has("not") && !has("default");
            has("drop") || has("rename") || adds_what_must_be_given
        })
    };
    let says_so = |step: &Step| {
        let words = format!("UPDATE layout SET needs = {}", step.number);
        step.sql.contains(&words)
    };
    let of_layout = steps.iter().position(|step| step.title == "layout");
    let later = steps.iter().skip(of_layout.map_or(0, |place| place + 1));
    later
        .filter(|step| breaks(step.sql) && !says_so(step))
        .map(|step| step.number)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_steps_that_break_earlier_programs_and_do_not_say_so() {
        let step = |number, title, sql| Step { number, title, sql };
        let steps = [
            step(1, "initial", "DROP TABLE before_it_counts"),
            step(2, "layout", "CREATE TABLE layout (needs INTEGER)"),
            step(
                3,
                "more",
                "CREATE TABLE more (a TEXT NOT NULL); ALTER TABLE r ADD COLUMN b TEXT",
            ),
            step(4, "gone", "DROP TABLE more"),
            step(5, "said", "DROP TABLE r; UPDATE layout SET needs = 5"),
            step(6, "asked", "ALTER TABLE r ADD COLUMN c TEXT NOT NULL"),
            step(
                7,
                "usual",
                "ALTER TABLE r ADD COLUMN d TEXT NOT NULL DEFAULT ''",
            ),
        ];
        assert_eq!(silently_breaking(&steps), [4, 6]);
    }
}
