//! A refusal that waits for the end of the body, and looks in it for the caller's id.

use mcp_message::{EndOfBody, ReadError, Reader};
use policy_engine::wire::Exchange;
use policy_engine::{EndpointId, Item, Policy};

use super::message::MessageInHand;
use crate::answer::Answer;
use crate::head::Changes;

pub(super) struct Refusing {
    pub(super) answer: Answer,
    pub(super) item: Option<Item>,
    /// The caller's id, as sent, once it is known.
    pub(super) id: Option<Vec<u8>>,
    /// Looks for the id, where the answer wants it.
    pub(super) search: Option<IdSearch>,
    /// How much of the body may be buffered meanwhile.
    pub(super) max_bytes: usize,
    /// The event stream on which the client reads its answers, where it reads no response.
    pub(super) stream: Option<AnswerStream>,
    /// Whether the message is of a method that wants no answer, and so needs no id.
    pub(super) is_of_notification: bool,
}

/// The event stream of a client that reads answers there and nowhere else.
pub(super) struct AnswerStream {
    pub(super) endpoint: EndpointId,
    /// The changes to the headers of what goes to the stream's server.
    pub(super) changes: Changes,
}

impl AnswerStream {
    /// The stream to which the answer of a message belongs; none where its response is the answer.
    pub(super) fn of(message: &mut MessageInHand, policy: &Policy) -> Option<Self> {
        let endpoint = message.endpoint();
        (policy.exchange(endpoint) == Exchange::Messages).then(|| Self {
            endpoint,
            changes: message.take_changes(),
        })
    }
}

/// Looks for the caller's id in what follows a refusal.
pub(super) struct IdSearch {
    reader: Reader,
    /// The bytes of the body that the reader still needs; it lets go of others as it reads.
    buffered: Vec<u8>,
    /// How many bytes of the body have been fetched.
    fetched: usize,
    /// The id, as sent, once it has been read.
    id: Option<Vec<u8>>,
}

impl Refusing {
    /// How many bytes of the body have been looked through; none where nothing is looked for.
    pub(super) fn fetched(&self) -> Option<usize> {
        self.search.as_ref().map(|search| search.fetched)
    }

    /// Looks on in what has come of the body since.
    pub(super) fn look_for_id(&mut self, fresh: &[u8], end: EndOfBody) {
        let Some(search) = &mut self.search else {
            return;
        };
        match search.read_on(fresh, end) {
            // Only a message that can be read to its end has an id to echo.
            Ok(id) if end == EndOfBody::Reached => self.id = id,
            Ok(_) => {}
            Err(error) => {
                self.search = None;
                self.replace_if_lost(|| Answer::unreadable(&error));
            }
        }
    }

    /// Puts another answer in the place of one that nobody would hear: under 200, and without the
    /// caller's id.
    pub(super) fn replace_if_lost(&mut self, answer: impl FnOnce() -> Answer) {
        if self.id.is_none() && self.answer.is_lost_without_id() {
            self.answer = answer();
        }
    }

    /// Makes the answer one that is heard also where the message has no id: the sender of a
    /// notification learns why it was refused, that of a request that it needs one.
    pub(super) fn settle_without_id(&mut self) {
        if self.is_of_notification && self.id.is_none() {
            self.answer.speak_without_id();
        }
        self.replace_if_lost(|| Answer::invalid("a request needs an `id`".to_owned()));
    }
}

impl IdSearch {
    /// Goes on behind what `reader` has read of `buffered`, which is all of the body so far.
    pub(super) fn new(reader: Reader, buffered: Vec<u8>) -> Self {
        Self {
            fetched: buffered.len(),
            reader,
            buffered,
            id: None,
        }
    }

    /// Reads on. Gives the id, if it has been read.
    fn read_on(&mut self, fresh: &[u8], end: EndOfBody) -> Result<Option<Vec<u8>>, ReadError> {
        self.fetched += fresh.len();
        self.buffered.extend_from_slice(fresh);
        // Nobody else will read the arguments, and what is read as it comes need not be kept.
        self.reader.read_skipped(&self.buffered)?;
        let read = loop {
            let read = self.reader.push_to_member(&self.buffered, end);
            if self.id.is_none() {
                let id = self.reader.message().id();
                self.id = id.map(|id| self.reader.raw(id, &self.buffered).to_vec());
            }
            match read {
                Ok(None) => {}
                Ok(Some(_)) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.reader.release(&mut self.buffered);
        read.map(|()| self.id.clone())
    }
}
