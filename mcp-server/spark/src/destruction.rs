//! Tells what a statement would destroy before it is run, for a question to whoever sends it, and
//! whether it is a query, whose rows may go elsewhere.

use std::fmt::Write as _;

use config::Access;

use super::connect::ConnectError;
use super::sessions::SessionError;
use super::{Error, Spark, Statement, is_plain_query};

/// Bytes of a statement that nobody could judge and that is shown whole to whoever is asked: of a
/// longer one only the length is told, since a part would hide the rest.
const SHOWN: usize = 2000;

/// The verdict on a statement, where statements may write.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// The statement only reads.
    Reads,
    /// The statement changes something, and takes nothing away.
    Changes,
    /// The statement takes this away, or may.
    Destroys(String),
    /// Spark has no check, and the statement, which is shown like this, is not plain.
    Unjudged(String),
}

/// Whether a statement is one that rows may be taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceVerdict {
    /// The statement only reads.
    Query,
    /// The statement may change something, by Spark's own verdict.
    NoQuery,
    /// Spark has no check and so no verdict. The statement, which is shown like this, may do
    /// anything: whoever sends it has to mean it.
    Unjudged(String),
}

impl Spark {
    /// The things that a statement would destroy (a table, rows), where it may write, in words
    /// for a question: the command, and the object as Spark reads it, with everything escaped that
    /// is not seen. The verdict is Spark's own, by the plan that its parser makes of the statement.
    /// Where it has no check, everything but a plain query may destroy something.
    ///
    /// # Errors
    /// Spark cannot be reached, or does not understand the statement ([`Error`]).
    pub async fn destruction(&self, statement: &Statement) -> Result<Option<String>, Error> {
        if self.access == Access::Read {
            return Ok(None);
        }
        Ok(match self.verdict(statement).await? {
            Verdict::Destroys(destroyed) | Verdict::Unjudged(destroyed) => Some(destroyed),
            Verdict::Reads | Verdict::Changes => None,
        })
    }

    /// Tells whether rows may be taken from a statement, by Spark's own verdict. Where statements
    /// only read anyway, Spark refuses others when they run.
    ///
    /// # Errors
    /// Spark cannot be reached, or does not understand the statement ([`Error`]).
    pub async fn judge_source(&self, statement: &Statement) -> Result<SourceVerdict, Error> {
        if self.access == Access::Read {
            return Ok(SourceVerdict::Query);
        }
        Ok(match self.verdict(statement).await? {
            Verdict::Reads => SourceVerdict::Query,
            Verdict::Changes | Verdict::Destroys(_) => SourceVerdict::NoQuery,
            Verdict::Unjudged(shown) => SourceVerdict::Unjudged(shown),
        })
    }

    /// Asks for the verdict, in another session where Spark has closed the one that it had.
    async fn verdict(&self, statement: &Statement) -> Result<Verdict, Error> {
        // On the heap: whoever asks carries what opening a session needs, too.
        match Box::pin(self.ask_once(statement)).await {
            Err(Error::Connect(error)) if error.is_stale_session() => {
                Box::pin(self.ask_once(statement)).await
            }
            asked => asked,
        }
    }

    async fn ask_once(&self, statement: &Statement) -> Result<Verdict, Error> {
        let session = self.sessions.reader().await.map_err(SessionError::from)?;
        if !session.reads_are_checked() {
            return Ok(match is_plain_query(statement.sql()) {
                true => Verdict::Reads,
                false => Verdict::Unjudged(show(statement.sql())),
            });
        }
        let unknown = || Verdict::Destroys(show(statement.sql()));
        let asked = self.connect.ask_for_verdict(&session, statement.clone());
        match asked.await {
            // A check that does not know the question has judged the statement as a read.
            Ok(()) => Ok(Verdict::Reads),
            Err(ConnectError::Spark(failure)) if failure.refusal().is_some() => {
                Ok(match failure.verdict() {
                    Some("reads") => Verdict::Reads,
                    Some("changes") => Verdict::Changes,
                    Some(said) => match said.strip_prefix("destroys ") {
                        Some(destroyed) => Verdict::Destroys(destroyed.to_owned()),
                        None => unknown(),
                    },
                    None => unknown(),
                })
            }
            Err(error) => {
                if error.is_stale_session() {
                    self.sessions.forget_reader(&session);
                }
                Err(error.into())
            }
        }
    }
}

impl Statement {
    /// The statement as it is shown to whoever is asked whether it is meant.
    pub fn shown(&self) -> String {
        show(self.sql())
    }
}

/// A statement as it is shown to whoever is asked: in one line, with everything escaped that is not
/// ASCII, and whole or not at all.
fn show(sql: &str) -> String {
    if sql.len() > SHOWN {
        return format!(
            "a statement of {} bytes, which is too long to be shown",
            sql.len()
        );
    }
    let mut shown = String::with_capacity(sql.len());
    for letter in sql.chars() {
        if letter == ' ' || letter.is_ascii_graphic() {
            shown.push(letter);
        } else {
            let _infallible = write!(shown, "{}", letter.escape_unicode());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;
    use crate::connect::fake::Fake;
    use crate::connect::samples;

    /// A Spark whose check answers the question about a statement so; one without a check if there
    /// is no answer.
    async fn serve(access: Access, answer: Option<Result<(), Status>>) -> (Fake, Spark) {
        let (fake, spark) = Fake::serve_spark_with(Vec::new(), access).await;
        if let Some(answer) = answer {
            let checked = Err(samples::refusal("`java_method` runs code"));
            fake.answer_analyses(vec![checked, answer]);
        }
        (fake, spark)
    }

    fn refusal(sentence: &str) -> Option<Result<(), Status>> {
        Some(Err(samples::refusal(sentence)))
    }

    async fn check(answer: Option<Result<(), Status>>, sql: &str, expected: Option<&str>) {
        let (fake, spark) = serve(Access::Write, answer).await;
        let found = spark.destruction(&Statement::new(sql)).await;
        assert_eq!(found.expect("it answers").as_deref(), expected, "{sql}");
        assert_eq!(fake.plans(), [], "nothing is run");
    }

    #[tokio::test]
    async fn it_asks_where_sparks_own_verdict_is_that_something_goes_whatever_the_words() {
        let dropped = || refusal("verdict: destroys drop table: `t`");
        for sql in [
            "DROP TABLE t",
            "-- \\\n'\nDROP TABLE t",
            "/* /* */ ' */ DROP TABLE t",
            "SELECT 1",
        ] {
            check(dropped(), sql, Some("drop table: `t`")).await;
        }
        let drop_table = "DROP TABLE t";
        check(refusal("verdict: changes"), drop_table, None).await;
        check(refusal("verdict: reads"), drop_table, None).await;
        check(Some(Ok(())), drop_table, None).await;
    }

    #[tokio::test]
    async fn it_shows_a_statement_whole_or_not_at_all_that_nobody_could_judge() {
        let no_read = || refusal("this server reads only, and `create table` is no read");
        check(no_read(), "CREATE TABLE t", Some("CREATE TABLE t")).await;
        check(refusal("verdict: maybe"), "SELECT 1", Some("SELECT 1")).await;
        // Without a check in Spark there is no verdict at all.
        check(None, "SELECT 1", None).await;
        let hidden = "DROP /*\u{202e}*/\nTABLE t";
        let shown = "DROP /*\\u{202e}*/\\u{a}TABLE t";
        check(None, hidden, Some(shown)).await;
        let long = format!("DROP TABLE /*{}*/ t", " ".repeat(SHOWN));
        let told = "a statement of 2017 bytes, which is too long to be shown";
        check(None, &long, Some(told)).await;
    }

    #[tokio::test]
    async fn it_takes_for_a_query_what_reads_by_sparks_own_verdict_alone() {
        let query = SourceVerdict::Query;
        let no_query = SourceVerdict::NoQuery;
        for (access, answer, expected) in [
            (Access::Write, "verdict: reads", &query),
            (Access::Write, "verdict: changes", &no_query),
            (
                Access::Write,
                "verdict: destroys drop table: `t`",
                &no_query,
            ),
            (Access::Write, "this server reads only", &no_query),
            // Where nothing may be written Spark refuses it when it runs.
            (Access::Read, "verdict: destroys drop table: `t`", &query),
        ] {
            let (_fake, spark) = serve(access, refusal(answer)).await;
            let found = spark.judge_source(&Statement::new("SELECT 1")).await;
            assert_eq!(&found.expect("it answers"), expected, "{answer}");
        }
    }

    #[tokio::test]
    async fn it_shows_a_source_that_nobody_could_judge_and_takes_a_plain_one_for_a_query() {
        let shown = |sql: &str| SourceVerdict::Unjudged(sql.to_owned());
        for (access, sql, expected) in [
            (Access::Write, "SELECT 1", SourceVerdict::Query),
            (Access::Write, "DROP TABLE t", shown("DROP TABLE t")),
            (Access::Write, "SELECT f(1)", shown("SELECT f(1)")),
            (Access::Write, "SELECT /* a */ 1", shown("SELECT /* a */ 1")),
            (Access::Read, "SELECT f(1)", SourceVerdict::Query),
        ] {
            let (fake, spark) = serve(access, None).await;
            let found = spark.judge_source(&Statement::new(sql)).await;
            assert_eq!(found.expect("it answers"), expected, "{sql}");
            assert_eq!(fake.plans(), [], "nothing is run");
        }
    }

    #[tokio::test]
    async fn it_asks_again_in_another_session_where_spark_has_closed_the_first() {
        let (fake, spark) = serve(Access::Write, None).await;
        let checked = || Err(samples::refusal("`java_method` runs code"));
        let closed = samples::error("INVALID_HANDLE.SESSION_CLOSED", "HY000", "gone");
        let dropped = Err(samples::refusal("verdict: destroys drop table: `t`"));
        fake.answer_analyses(vec![checked(), Err(closed), checked(), dropped]);
        let found = spark.destruction(&Statement::new("DROP TABLE t")).await;
        let found = found.expect("another session answers");
        assert_eq!(found.as_deref(), Some("drop table: `t`"));
    }

    #[tokio::test]
    async fn it_lets_nothing_pass_that_nobody_could_judge() {
        let gone = Some(Err(Status::unavailable("gone")));
        let (_fake, spark) = serve(Access::Write, gone).await;
        let ended = spark.destruction(&Statement::new("DROP TABLE t")).await;
        assert!(matches!(ended, Err(Error::Connect(_))), "{ended:?}");
    }
}
