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
