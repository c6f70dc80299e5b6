//! Which methods `access: deny` leaves open. Tools have rules of their own; for every other method
//! there is only the default.

use crate::wire::Access;

/// Whether a message asks for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageForm {
    /// It has an id: it is answered.
    Request,
    /// It has none, or none has been read yet.
    Notification,
}

/// Whether a message of this method may pass where no rule is asked.
pub(crate) fn is_open(access: Access, method: &[u8], form: MessageForm) -> bool {
    match (access, method) {
        // What a client needs to speak at all, and lists; and what a caller of an open tool needs,
        // whose answer is a task: the server that made it binds it to its caller.
        (Access::Allow, _)
        | (
            Access::Deny,
            b"initialize"
            | b"server/discover"
            | b"ping"
            | b"tools/list"
            | b"prompts/list"
            | b"resources/list"
            | b"resources/templates/list"
            | b"tasks/get"
            | b"tasks/update"
            | b"tasks/cancel",
        ) => true,
        // A notification has no id: with one, a server might take it for something to do.
        (Access::Deny, method) => {
            form == MessageForm::Notification && method.starts_with(b"notifications/")
        }
    }
}
