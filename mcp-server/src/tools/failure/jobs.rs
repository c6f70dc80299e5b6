//! Failures of Spark jobs in the words of the tools.

use super::ToolFailure;
use crate::jobs::Error;

impl From<Error> for ToolFailure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NoStore => Self::without_records(&error),
            Error::Store(cause) => Self::of_records(&cause),
            Error::Master(_) => {
                Self::unavailable(message).with_hint("nothing was submitted; try again in a minute")
            }
            Error::Away(_) => Self::unavailable(message).with_hint("try again in a minute"),
            Error::Files(cause) => Self::unavailable(message)
                .with_hint("give a path that Spark's workers can read")
                .with_log(cause.to_string()),
            Error::KeyTaken(_) => Self::new("conflict", message)
                .with_hint("take another key, or repeat the call just as it was"),
            Error::OtherMaster(_) => Self::unavailable(message)
                .with_hint("the operator sets SPARK_MASTER to that master"),
            Error::NoLog(_) => Self::not_found(message)
                .with_hint("look at get_job_status; workers remove logs after some days"),
            Error::Exposed(_) => Self::invalid_arguments(message)
                .with_hint("let the script read it from where the cluster keeps its credentials"),
            Error::NoScript(_) => Self::not_found(message)
                .with_hint("give an absolute path, or the script itself as `source`"),
        }
    }
}
