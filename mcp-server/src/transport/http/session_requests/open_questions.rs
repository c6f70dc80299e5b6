//! The questions that clients in sessions have been asked in the middle of a request, and have not
//! answered yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, RequestId};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::super::session_id::SessionCaller;

/// Questions of all sessions together. Each keeps a request and its connection waiting for a
/// person, so they are fewer than connections.
const MOST_QUESTIONS: usize = 256;

/// Questions of one session: nobody has more forms before them.
const MOST_OF_SESSION: usize = 16;

/// The questions that wait for their answers.
///
/// A question's id is random, so that the answer to one of a process that has ended is never taken
/// for the answer to another's.
#[derive(Debug, Default)]
pub(in super::super) struct OpenQuestions {
    by_id: Mutex<HashMap<String, OpenQuestion>>,
}

#[derive(Debug)]
struct OpenQuestion {
    asked: SessionCaller,
    /// The id of the question for whoever asks it.
    own_id: RequestId,
    answers: mpsc::UnboundedSender<ClientJsonRpcMessage>,
}

/// More questions are open than are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many questions to clients are open")]
pub(super) struct TooManyQuestions;

impl OpenQuestions {
    /// Opens a question that its asker knows under `own_id`; the answer is sent under that id, once
    /// at most, while the result lives.
    ///
    /// # Errors
    /// Too many are open, in the session or in all.
    pub(super) fn open(
        self: &Arc<Self>,
        asked: SessionCaller,
        own_id: RequestId,
        answers: mpsc::UnboundedSender<ClientJsonRpcMessage>,
    ) -> Result<QuestionPlace, TooManyQuestions> {
        let mut by_id = self.lock();
        let of_session = by_id.values();
        let of_session = of_session.filter(|question| question.asked.session == asked.session);
        if by_id.len() >= MOST_QUESTIONS || of_session.count() >= MOST_OF_SESSION {
            return Err(TooManyQuestions);
        }
        let id = Uuid::new_v4().simple().to_string();
        let question = OpenQuestion {
            asked,
            own_id,
            answers,
        };
        by_id.insert(id.clone(), question);
        Ok(QuestionPlace {
            questions: Arc::clone(self),
            id,
        })
    }

    /// Hands the answer of a session's client to whoever asked. One that answers nothing which is
    /// open is dropped: its question may have been given up while the answer was on its way.
    pub(in super::super) fn answer(&self, caller: &SessionCaller, answer: &ClientJsonRpcMessage) {
        let id = match answer {
            JsonRpcMessage::Response(response) => Some(&response.id),
            JsonRpcMessage::Error(error) => error.id.as_ref(),
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
        };
        let Some(RequestId::String(id)) = id else {
            return;
        };
        let mut by_id = self.lock();
        let is_asked = |question: &&OpenQuestion| question.asked == *caller;
        if by_id.get(&**id).filter(is_asked).is_none() {
            tracing::debug!(%id, "an answer to no open question");
            return;
        }
        let Some(question) = by_id.remove(&**id) else {
            return;
        };
        drop(by_id);
        let mut answer = answer.clone();
        match &mut answer {
            JsonRpcMessage::Response(response) => response.id = question.own_id,
            JsonRpcMessage::Error(error) => error.id = Some(question.own_id),
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => {}
        }
        // Whoever asked may have gone meanwhile.
        let _ = question.answers.send(answer);
    }

    /// How many are open.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, OpenQuestion>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of an open question, given back when this is dropped.
#[derive(Debug)]
pub(super) struct QuestionPlace {
    questions: Arc<OpenQuestions>,
    id: String,
}

impl QuestionPlace {
    /// The id under which the client is asked.
    pub(super) fn id(&self) -> RequestId {
        RequestId::String(self.id.as_str().into())
    }
}

impl Drop for QuestionPlace {
    fn drop(&mut self) {
        self.questions.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::call::Principal;

    fn asked(session: &str) -> SessionCaller {
        SessionCaller {
            session: session.to_owned(),
            principal: Principal::Anonymous,
        }
    }

    fn answer_to(place: &QuestionPlace) -> ClientJsonRpcMessage {
        let message = json!({"jsonrpc": "2.0", "id": place.id(), "result": {"action": "decline"}});
        serde_json::from_value(message).expect("an answer")
    }

    #[test]
    fn it_hands_an_answer_of_the_asked_client_alone_to_whoever_asked_once() {
        let questions = Arc::<OpenQuestions>::default();
        let (answers, mut answered) = mpsc::unbounded_channel();
        let own_id = RequestId::Number(0);
        let place = questions
            .open(asked("ours"), own_id.clone(), answers)
            .expect("there is room");
        let answer = answer_to(&place);
        let mallory = SessionCaller {
            principal: Principal::Named("mallory".to_owned()),
            ..asked("ours")
        };
        questions.answer(&asked("other"), &answer);
        questions.answer(&mallory, &answer);
        assert!(answered.try_recv().is_err());
        for _ in 0..2 {
            questions.answer(&asked("ours"), &answer);
        }
        match answered.try_recv() {
            Ok(JsonRpcMessage::Response(response)) => assert_eq!(response.id, own_id),
            other => panic!("{other:?}"),
        }
        assert!(answered.try_recv().is_err());
        assert!(questions.lock().is_empty());
    }

    #[test]
    fn it_opens_a_bounded_number_of_questions_and_gives_places_back() {
        let questions = Arc::<OpenQuestions>::default();
        let (answers, _answered) = mpsc::unbounded_channel();
        let open = |session: &str| {
            let own_id = RequestId::Number(0);
            questions.open(asked(session), own_id, answers.clone())
        };
        let mut places: Vec<_> = (0..MOST_OF_SESSION).map(|_| open("first")).collect();
        assert_eq!(open("first").map(drop), Err(TooManyQuestions));
        for session in 1..MOST_QUESTIONS / MOST_OF_SESSION {
            places.extend((0..MOST_OF_SESSION).map(|_| open(&session.to_string())));
        }
        assert!(places.iter().all(Result::is_ok));
        assert_eq!(open("last").map(drop), Err(TooManyQuestions));
        places.clear();
        assert!(questions.lock().is_empty() && open("last").is_ok());
    }
}
