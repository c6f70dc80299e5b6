//! The questions that clients in sessions have been asked in the middle of a request, and have not
//! answered yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fair_shares::{Place, Places};
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, RequestId};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::call::Claimant;

/// Questions of all sessions together. Each keeps a request and its connection waiting for a
/// person, so they are fewer than connections.
const MOST_QUESTIONS: usize = 256;

/// Questions of one session: nobody has more forms before them.
const MOST_OF_SESSION: usize = 16;

/// The questions that wait for their answers.
///
/// A question's id is random, so that the answer to one of a process that has ended is never taken
/// for the answer to another's.
#[derive(Debug)]
pub(in super::super) struct OpenQuestions {
    places: Places<Claimant>,
    by_id: Mutex<HashMap<String, OpenQuestion>>,
}

/// The client that is asked, and on whose account.
#[derive(Debug, Clone)]
pub(super) struct AskedClient {
    pub(super) session: String,
    pub(super) account: Claimant,
}

#[derive(Debug)]
struct OpenQuestion {
    /// The session whose client is asked.
    session: String,
    /// The id of the question for whoever asks it.
    own_id: RequestId,
    answers: mpsc::UnboundedSender<ClientJsonRpcMessage>,
    _place: Place<Claimant>,
}

impl Default for OpenQuestions {
    fn default() -> Self {
        Self {
            places: Places::new(MOST_QUESTIONS),
            by_id: Mutex::default(),
        }
    }
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
    /// Too many are open, of this session, of this caller or of all.
    pub(super) fn open(
        self: &Arc<Self>,
        asked: AskedClient,
        own_id: RequestId,
        answers: mpsc::UnboundedSender<ClientJsonRpcMessage>,
    ) -> Result<QuestionPlace, TooManyQuestions> {
        let mut by_id = self.lock();
        let of_session = by_id.values();
        let of_session = of_session.filter(|question| question.session == asked.session);
        if of_session.count() >= MOST_OF_SESSION {
            return Err(TooManyQuestions);
        }
        let place = self.places.take(asked.account, 1);
        let question = OpenQuestion {
            session: asked.session,
            own_id,
            answers,
            _place: place.map_err(|_| TooManyQuestions)?,
        };
        let id = Uuid::new_v4().simple().to_string();
        by_id.insert(id.clone(), question);
        drop(by_id);
        Ok(QuestionPlace {
            questions: Arc::clone(self),
            id,
        })
    }

    /// Hands the answer of a session's client to whoever asked. One that answers nothing which is
    /// open is dropped: its question may have been given up while the answer was on its way.
    pub(in super::super) fn answer(&self, session: &str, answer: &ClientJsonRpcMessage) {
        let id = match answer {
            JsonRpcMessage::Response(response) => Some(&response.id),
            JsonRpcMessage::Error(error) => error.id.as_ref(),
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
        };
        let Some(RequestId::String(id)) = id else {
            return;
        };
        let mut by_id = self.lock();
        let is_asked = |question: &&OpenQuestion| question.session == session;
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

    fn asked(session: &str, caller: &str) -> AskedClient {
        AskedClient {
            session: session.to_owned(),
            account: Claimant::Named(caller.to_owned()),
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
            .open(asked("ours", "ada"), own_id.clone(), answers)
            .expect("there is room");
        let answer = answer_to(&place);
        questions.answer("other", &answer);
        assert!(answered.try_recv().is_err());
        for _ in 0..2 {
            questions.answer("ours", &answer);
        }
        match answered.try_recv() {
            Ok(JsonRpcMessage::Response(response)) => assert_eq!(response.id, own_id),
            other => panic!("{other:?}"),
        }
        assert!(answered.try_recv().is_err());
        assert!(questions.lock().is_empty());
    }

    #[test]
    fn it_opens_no_more_questions_of_a_caller_than_its_share_whatever_sessions_it_makes_up() {
        let questions = Arc::<OpenQuestions>::default();
        let (answers, _answered) = mpsc::unbounded_channel();
        let open = |caller: &str, session: usize| {
            let own_id = RequestId::Number(0);
            let asked = asked(&format!("{caller} {session}"), caller);
            questions.open(asked, own_id, answers.clone())
        };
        let all = |caller: &str| -> Vec<_> {
            (0..)
                .map_while(|session| open(caller, session).ok())
                .collect()
        };
        let places = all("ada");
        assert_eq!(places.len(), MOST_QUESTIONS / 2);
        let refused = open("ada", 0).map(drop);
        assert_eq!(refused, Err(TooManyQuestions));
        let others = ["bob", "eve"].map(all);
        assert!(others.iter().all(|places| !places.is_empty()));
        drop((places, others));
        assert!(questions.lock().is_empty() && open("ada", 0).is_ok());
    }

    #[test]
    fn it_opens_a_bounded_number_of_questions_of_each_session_whoever_s_it_is() {
        for (account, sessions) in [
            (Claimant::Unknown, MOST_QUESTIONS / MOST_OF_SESSION),
            (
                Claimant::Named("ada".to_owned()),
                MOST_QUESTIONS / MOST_OF_SESSION / 2,
            ),
        ] {
            let questions = Arc::<OpenQuestions>::default();
            let (answers, _answered) = mpsc::unbounded_channel();
            let open = |session: usize| {
                let asked = AskedClient {
                    session: session.to_string(),
                    account: account.clone(),
                };
                questions.open(asked, RequestId::Number(0), answers.clone())
            };
            let mut places = Vec::new();
            for session in 0..sessions {
                places.extend((0..MOST_OF_SESSION).map(|_| open(session).expect("room")));
                assert_eq!(open(session).map(drop), Err(TooManyQuestions));
            }
            assert_eq!(open(sessions).map(drop), Err(TooManyQuestions));
            places.clear();
            assert!(open(sessions).is_ok());
        }
    }
}
