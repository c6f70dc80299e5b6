//! Tells what a statement would destroy before it is run, for a question to whoever sends it.

use config::Access;

use super::connect::ConnectError;
use super::statement_words::{destroying_part, is_destroying_command, opens_a_read, words};
use super::{Error, Spark, Statement};

impl Spark {
    /// The text of what a statement would destroy (a table, rows, a view), where statements may
    /// write. The verdict is Spark's own, by the command that it makes of the statement, which it
    /// only analyses here. Where it has no check, or does not come to a command (a script, a name
    /// that only the caller's session knows), the words of the text say whether to ask.
    ///
    /// # Errors
    /// Spark cannot be reached ([`Error`]).
    pub async fn destruction(&self, statement: &Statement) -> Result<Option<String>, Error> {
        let words = words(statement.sql());
        let Some(part) = destroying_part(statement.sql(), &words) else {
            return Ok(None);
        };
        if self.access == Access::Read {
            return Ok(None);
        }
        let destroys = match self.check_read(statement.clone()).await {
            Ok(()) => false,
            Err(Error::Connect(ConnectError::Spark(failure))) => match failure.refused_command() {
                Some(command) => is_destroying_command(command, &words),
                None => !opens_a_read(&words),
            },
            Err(Error::NotPlain) => !opens_a_read(&words),
            Err(error) => return Err(error),
        };
        Ok(destroys.then(|| part.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;
    use crate::connect::fake::Fake;
    use crate::connect::samples;

    /// Checks what a statement would destroy by this verdict of Spark's; by none if it is `None`.
    async fn check(
        access: Access,
        verdict: Option<Result<(), Status>>,
        sql: &str,
        expected: Option<&str>,
    ) {
        let (fake, spark) = Fake::serve_spark_with(Vec::new(), access).await;
        if let Some(verdict) = verdict {
            let checked = Err(samples::refusal("`java_method` runs code"));
            fake.answer_analyses(vec![checked, verdict]);
        }
        let found = spark.destruction(&Statement::new(sql)).await;
        assert_eq!(found.expect("it answers").as_deref(), expected, "{sql}");
        assert_eq!(fake.plans(), [], "nothing is run");
    }

    fn no_read(command: &str) -> Option<Result<(), Status>> {
        let sentence = format!("this server reads only, and `{command}` is no read: send SELECT");
        Some(Err(samples::refusal(&sentence)))
    }

    #[tokio::test]
    async fn it_asks_where_sparks_own_verdict_is_that_something_goes() {
        let drop_table = "DROP TABLE t";
        let writing = Access::Write;
        check(writing, no_read("drop table"), drop_table, Some(drop_table)).await;
        let replaced = "INSERT INTO t SELECT replace(a, 'b') FROM s";
        check(writing, no_read("insert into"), replaced, None).await;
        check(writing, Some(Ok(())), "SELECT a AS update FROM t", None).await;
        // Nobody is asked where nothing may be written, or no word destroys.
        check(Access::Read, no_read("drop table"), drop_table, None).await;
        check(writing, no_read("create table"), "CREATE TABLE t", None).await;
    }

    #[tokio::test]
    async fn it_goes_by_the_words_of_the_text_where_spark_names_no_command() {
        let script = "BEGIN DROP TABLE t; END";
        let unnamed = || Some(Err(samples::refusal("a script is not run here")));
        check(Access::Write, unnamed(), script, Some(script)).await;
        let unknown = || {
            let status = samples::error("TABLE_OR_VIEW_NOT_FOUND", "42P01", "no table `mine`");
            Some(Err(status))
        };
        let of_session = "DELETE FROM mine WHERE a = 1";
        check(Access::Write, unknown(), of_session, Some(of_session)).await;
        let reads = "SELECT replace(a, 'b') FROM mine";
        check(Access::Write, unknown(), reads, None).await;
        // Without a check in Spark there is no verdict at all.
        check(Access::Write, None, "DROP TABLE t", Some("DROP TABLE t")).await;
        check(Access::Write, None, reads, None).await;
    }

    #[tokio::test]
    async fn it_lets_nothing_pass_that_nobody_could_judge() {
        let (fake, spark) = Fake::serve_spark_with(Vec::new(), Access::Write).await;
        let checked = Err(samples::refusal("`java_method` runs code"));
        fake.answer_analyses(vec![checked, Err(Status::unavailable("gone"))]);
        let ended = spark.destruction(&Statement::new("DROP TABLE t")).await;
        assert!(matches!(ended, Err(Error::Connect(_))), "{ended:?}");
    }
}
