//! A refusal that waits for the end of the body, and looks in it for the caller's id.

use mcp_message::{EndOfBody, ReadError, Reader};
use policy_engine::wire::Exchange;
use policy_engine::{EndpointId, Policy, ToolId};
use proxy_host::RequestBody;

use super::message::MessageInHand;
use super::{Flow, Host, Phase, Request};
use crate::access_notes::NotedDecision;
use crate::answer::Answer;
use crate::head::Changes;

/// Tells the server of an event stream that the body is the gateway's answer to a message, and no
/// message.
const ANSWERED: &str = "x-portcullis-answered";

pub(super) struct Refusing {
    pub(super) answer: Answer,
    pub(super) tool: Option<ToolId>,
    /// The caller's id, as sent, once it is known.
    pub(super) id: Option<Vec<u8>>,
    /// Looks for the id, where the answer wants it.
    pub(super) search: Option<IdSearch>,
    /// How much of the body may be buffered meanwhile.
    pub(super) max_bytes: usize,
    /// The event stream on which the client reads its answers, where it reads no response.
    pub(super) stream: Option<AnswerStream>,
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
    pub(super) fn look_for_id(&mut self, host: &impl RequestBody, size: usize, end: EndOfBody) {
        let Some(search) = &mut self.search else {
            return;
        };
        match search.read_on(host, size, end) {
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
}

impl<H: Host> Request<'_, H> {
    pub(super) fn refuse(&mut self, refusing: Refusing, is_over: bool) -> Flow {
        if is_over {
            return self.send_refusal(refusing);
        }
        self.phase = Phase::Refusing(Box::new(refusing));
        Flow::Wait
    }

    /// Sends the refusal of a message of which the whole body is buffered. A client that reads
    /// answers on an event stream alone finds it there: it goes to the stream's server in the place
    /// of the message, of which that server sees nothing.
    pub(super) fn send_refusal_of_whole(&mut self, mut refusing: Refusing) -> Flow {
        let stream = refusing.stream.take();
        let (Some(stream), Some(id), Some(plugin)) = (stream, &refusing.id, &self.plugin) else {
            return self.send_refusal(refusing);
        };
        let permit = plugin.policy.forward(stream.endpoint);
        let Some(permit) = permit.filter(|_| refusing.answer.wants_callers_id()) else {
            return self.send_refusal(refusing);
        };
        self.tell_refused(refusing.tool, &refusing.answer);
        self.host.replace_body(refusing.answer.body(id).as_bytes());
        let address = plugin.policy.address(stream.endpoint, &permit);
        self.pass_to(&address, None, &stream.changes);
        self.host.remove_header(b"content-length");
        self.host.set_header(ANSWERED, "1");
        self.phase = Phase::Passed;
        Flow::Continue
    }

    pub(super) fn send_refusal(&mut self, mut refusing: Refusing) -> Flow {
        refusing.replace_if_lost(|| Answer::invalid("a request needs an `id`".to_owned()));
        self.tell_refused(refusing.tool, &refusing.answer);
        refusing.answer.send(self.host, refusing.id.as_deref());
        self.phase = Phase::Answered;
        if let Some(plugin) = &self.plugin {
            self.send_leavers_away(plugin);
        }
        Flow::Wait
    }

    /// Counts a refusal, and notes it for the access log.
    fn tell_refused(&self, tool: Option<ToolId>, answer: &Answer) {
        let Some(plugin) = &self.plugin else {
            return;
        };
        let decision = answer.reason();
        plugin.statistics.refused(self.host, tool, decision);
        let rule = answer.rule();
        let noted = NotedDecision {
            decision,
            tool,
            rule,
        };
        plugin.access_notes.note(self.host, &plugin.policy, noted);
    }

    pub(super) fn send(&mut self, answer: &Answer, id: Option<&[u8]>) -> Flow {
        self.tell_refused(None, answer);
        answer.send(self.host, id);
        self.phase = Phase::Answered;
        if let Some(plugin) = &self.plugin {
            self.send_leavers_away(plugin);
        }
        Flow::Wait
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

    /// Reads on to `size` bytes of the body. Gives the id, if it has been read.
    fn read_on(
        &mut self,
        host: &impl RequestBody,
        size: usize,
        end: EndOfBody,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let fresh = host.body(self.fetched, size.saturating_sub(self.fetched));
        self.fetched += fresh.len();
        self.buffered.extend_from_slice(&fresh);
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
