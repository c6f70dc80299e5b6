//! The effects that whoever asks for a load or a pipeline has to mean, and the one question about
//! them: a yes is a yes to all, so all of them stand in it.

use super::ToolFailure;
use crate::spark::SourceVerdict;

/// The effects of a load or of a pipeline that nobody has said to be meant yet.
#[derive(Debug, Default)]
pub struct Unconfirmed {
    /// Tables whose rows all go before others come.
    pub emptied: Vec<String>,
    /// Statements that change every row of a table.
    pub on_every_row: Vec<String>,
    /// Sources in Spark that nobody could judge, as they are shown.
    pub unjudged: Vec<String>,
    /// Sources and statements that could not be looked at yet. They are asked about only beside
    /// others: unless somebody says yes to those, nothing of theirs is confirmed either.
    pub not_judged_yet: Vec<String>,
}

impl Unconfirmed {
    /// Refuses, with one question, unless there is nothing to ask about.
    ///
    /// # Errors
    /// Something has to be meant: a failure that asks whether it is.
    pub fn refuse(&self) -> Result<(), ToolFailure> {
        let effects = [
            ("an overwrite takes all rows out of", &self.emptied, ", "),
            (
                "every row of a table is changed by",
                &self.on_every_row,
                ", ",
            ),
            (
                "Spark has no check here that tells whether this only reads:",
                &self.unjudged,
                " and ",
            ),
        ];
        let not_judged_yet = (
            "whatever these do, which could not be looked at yet, is meant with it:",
            &self.not_judged_yet,
            " and ",
        );
        let is_asked = effects.iter().any(|(_, of, _)| !of.is_empty());
        let effects = effects.iter().chain(is_asked.then_some(&not_judged_yet));
        let named = effects.filter(|(_, of, _)| !of.is_empty());
        let named = named.map(|&(effect, of, between)| format!("{effect} {}", of.join(between)));
        let named: Vec<String> = named.collect();
        match named.is_empty() {
            true => Ok(()),
            false => Err(ToolFailure::unconfirmed(&named.join("; "))),
        }
    }
}

/// The source in Spark that has to be meant, as it is shown; none where it is a query.
///
/// # Errors
/// The source is no query, by Spark's own verdict, which no yes changes.
pub fn source_to_confirm(verdict: SourceVerdict) -> Result<Option<String>, ToolFailure> {
    match verdict {
        SourceVerdict::Query => Ok(None),
        SourceVerdict::NoQuery => Err(ToolFailure::source_without_query()),
        SourceVerdict::Unjudged(shown) => Ok(Some(shown)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::Ask;

    #[test]
    fn it_asks_one_question_in_which_everything_stands_that_has_to_be_meant() {
        let all = Unconfirmed {
            emptied: vec!["a".to_owned(), "b".to_owned()],
            on_every_row: vec!["statement 2 of stage `s`".to_owned()],
            unjudged: vec!["SELECT f(1)".to_owned()],
            not_judged_yet: vec!["statement 3 of stage `s`".to_owned()],
        };
        let failure = all.refuse().expect_err("it has to be meant");
        assert_eq!(failure.code, "not_confirmed");
        let Some(Ask::Confirmation(question)) = failure.ask.as_deref() else {
            panic!("no question: {failure:?}");
        };
        for named in [
            "rows out of a, b",
            "by statement 2 of stage `s`",
            "reads: SELECT f(1)",
            "with it: statement 3 of stage `s`",
        ] {
            assert!(failure.message.contains(named), "{failure}");
            assert!(question.contains(named), "{question}");
        }
        assert_eq!(Unconfirmed::default().refuse(), Ok(()));
        let not_asked = Unconfirmed {
            not_judged_yet: all.not_judged_yet,
            ..Unconfirmed::default()
        };
        assert_eq!(not_asked.refuse(), Ok(()));
    }

    #[test]
    fn it_lets_no_yes_make_a_source_of_what_is_no_query_by_sparks_own_verdict() {
        assert_eq!(source_to_confirm(SourceVerdict::Query), Ok(None));
        let shown = "SELECT f(1)".to_owned();
        let unjudged = source_to_confirm(SourceVerdict::Unjudged(shown.clone()));
        assert_eq!(unjudged, Ok(Some(shown)));
        let refused = source_to_confirm(SourceVerdict::NoQuery).expect_err("it is no query");
        assert_eq!((&*refused.code, refused.ask), ("invalid_arguments", None));
    }
}
