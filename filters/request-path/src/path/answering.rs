//! The gateway's own answers: to a request that is refused, and to those that make way for it.

use policy_engine::Item;

use super::RequestPath;
use super::phase::Phase;
use super::refusing::Refusing;
use super::routing::route;
use crate::answer::{Answer, Reply};
use crate::effects::{Effect, Effects, HeaderValue, Next};

/// Tells the server of an event stream that the body is the gateway's answer to a message, and no
/// message.
const ANSWERED: &str = "x-portcullis-answered";

impl RequestPath {
    pub(super) fn refuse(
        &mut self,
        refusing: Refusing,
        is_over: bool,
        effects: &mut Effects,
    ) -> Next {
        if is_over {
            return self.send_refusal(refusing, effects);
        }
        self.phase = Phase::Refusing(Box::new(refusing));
        Next::Hold
    }

    /// Sends the refusal of a message of which the whole body is buffered. A client that reads
    /// answers on an event stream alone finds it there: it goes to the stream's server in the place
    /// of the message, of which that server sees nothing.
    pub(super) fn send_refusal_of_whole(
        &mut self,
        mut refusing: Refusing,
        effects: &mut Effects,
    ) -> Next {
        let stream = refusing.stream.take();
        let (Some(stream), Some(_), Some(settings)) = (stream, &refusing.id, &self.settings) else {
            return self.send_refusal(refusing, effects);
        };
        let plan = settings.policy.forward(stream.endpoint);
        let Some(plan) = plan.filter(|_| refusing.answer.wants_callers_id()) else {
            return self.send_refusal(refusing, effects);
        };
        let Some(address) = settings.policy.address(stream.endpoint, &plan) else {
            return self.send_refusal(refusing, effects);
        };
        let Refusing {
            answer, item, id, ..
        } = refusing;
        effects.push(refused(item, &answer));
        effects.push(Effect::ReplaceBody(Box::new(Reply { answer, id })));
        route(&address, &plan, stream.changes, effects);
        effects.push(Effect::RemoveHeader(b"content-length".into()));
        effects.push(Effect::SetHeader {
            name: ANSWERED,
            value: HeaderValue::Text("1"),
        });
        self.phase = Phase::Passed;
        Next::Go
    }

    pub(super) fn send_refusal(&mut self, mut refusing: Refusing, effects: &mut Effects) -> Next {
        refusing.settle_without_id();
        let Refusing {
            answer, item, id, ..
        } = refusing;
        effects.push(refused(item, &answer));
        self.answer(Reply { answer, id }, effects)
    }

    pub(super) fn send(
        &mut self,
        answer: Answer,
        id: Option<&[u8]>,
        effects: &mut Effects,
    ) -> Next {
        effects.push(refused(None, &answer));
        let id = id.map(<[u8]>::to_vec);
        self.answer(Reply { answer, id }, effects)
    }

    fn answer(&mut self, reply: Reply, effects: &mut Effects) -> Next {
        effects.push(Effect::Answer(Box::new(reply)));
        self.phase = Phase::Answered;
        self.send_leavers_away(effects);
        Next::Hold
    }
}

/// Tells of a refusal whoever counts it.
fn refused(item: Option<Item>, answer: &Answer) -> Effect {
    Effect::Refused {
        item,
        reason: answer.reason(),
        rule: answer.rule().map(Box::from),
    }
}
