//! Counts the bytes of answers that wait for their clients: all together within a budget.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bounds of the answers that are in memory.
#[derive(Debug, Clone, Copy)]
pub struct AnswerLimits {
    /// Bytes of each answer that the budget does not count, so that large answers never crowd out
    /// ordinary ones.
    pub uncounted: usize,
    /// Bytes of all answers beyond that.
    pub budget: usize,
}

/// The budget of all answers that are on their way. Cheap to clone; clones share the budget.
#[derive(Debug, Clone)]
pub struct AnswerBudget {
    limits: AnswerLimits,
    free: Arc<Semaphore>,
}

/// The budget has no room for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerOverBudget;

impl std::fmt::Display for AnswerOverBudget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("too many large answers wait for their clients")
    }
}

impl std::error::Error for AnswerOverBudget {}

/// A part of the budget, which is free again when this is dropped.
#[derive(Debug)]
pub struct KeptRoom {
    _part: OwnedSemaphorePermit,
}

/// Bytes with their part of the budget: the connection drops both when the last byte is written,
/// or when it ends.
struct Counted {
    bytes: Bytes,
    _room: KeptRoom,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AnswerBudget {
    /// A budget that is all free.
    #[must_use]
    pub fn new(limits: AnswerLimits) -> Self {
        Self {
            limits,
            free: Arc::new(Semaphore::new(limits.budget)),
        }
    }

    /// The same bytes, which have their part of the budget until every clone of them is dropped.
    ///
    /// # Errors
    /// [`AnswerOverBudget`]; the bytes are dropped then.
    pub fn count(&self, bytes: Bytes) -> Result<Bytes, AnswerOverBudget> {
        if !self.is_counted(bytes.len()) {
            return Ok(bytes);
        }
        let room = self.keep_room(bytes.len())?;
        Ok(Bytes::from_owner(Counted { bytes, _room: room }))
    }

    /// Keeps room for an answer of so many bytes that is yet to be worked out, until what this
    /// returns is dropped.
    ///
    /// # Errors
    /// [`AnswerOverBudget`].
    pub fn keep_room(&self, bytes: usize) -> Result<KeptRoom, AnswerOverBudget> {
        let counted = bytes.saturating_sub(self.limits.uncounted);
        let counted = u32::try_from(counted).map_err(|_| AnswerOverBudget)?;
        let part = Arc::clone(&self.free).try_acquire_many_owned(counted);
        part.map(|part| KeptRoom { _part: part })
            .map_err(|_| AnswerOverBudget)
    }

    /// Whether an answer of so many bytes has a part of the budget.
    #[must_use]
    pub fn is_counted(&self, bytes: usize) -> bool {
        bytes > self.limits.uncounted
    }

    /// Whether an answer of so many bytes is refused even where no other one waits.
    #[must_use]
    pub fn never_has_room(&self, bytes: usize) -> bool {
        bytes.saturating_sub(self.limits.uncounted) > self.limits.budget
    }

    /// Counts each piece of a response that comes in pieces. The response breaks off at a piece for
    /// which there is no room.
    #[must_use]
    pub fn count_pieces(&self, response: Response) -> Response {
        let budget = self.clone();
        response.map(|body| {
            let pieces = body.into_data_stream().map(move |piece| {
                let counted = budget.count(piece?);
                counted.map_err(axum::Error::new)
            });
            Body::from_stream(pieces)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use http_body_util::BodyExt as _;

    fn budget() -> AnswerBudget {
        AnswerBudget::new(AnswerLimits {
            uncounted: 10,
            budget: 100,
        })
    }

    fn answer(size: usize) -> Bytes {
        Bytes::from(vec![b' '; size])
    }

    #[test]
    fn it_bounds_the_bytes_of_all_answers_and_never_counts_small_ones() {
        let budget = budget();
        let large = budget.count(answer(100)).expect("90 bytes of the budget");
        assert_eq!(large.len(), 100);
        assert_eq!(budget.count(answer(21)), Err(AnswerOverBudget));
        let small: Vec<_> = (0..20).map(|_| budget.count(answer(10))).collect();
        assert!(small.iter().all(Result::is_ok));
        // A part that still has to be written keeps the place of the whole.
        let rest = large.slice(99..);
        drop(large);
        assert_eq!(budget.count(answer(21)), Err(AnswerOverBudget));
        drop(rest);
        assert!(budget.count(answer(110)).is_ok());
        assert_eq!(budget.free.available_permits(), 100);
        assert!(budget.never_has_room(111) && !budget.never_has_room(110));
    }

    #[test]
    fn it_keeps_room_for_what_is_yet_to_be_worked_out() {
        let budget = budget();
        let small = budget.keep_room(10).expect("it has no part");
        let room = budget.keep_room(100).expect("90 bytes of the budget");
        assert!(budget.keep_room(21).is_err() && budget.count(answer(21)).is_err());
        drop(room);
        assert!(budget.count(answer(110)).is_ok());
        drop(small);
    }

    #[tokio::test]
    async fn it_breaks_off_what_comes_in_pieces_at_the_one_for_which_there_is_no_room() {
        let pieces = [50, 60, 80].map(|size| Ok::<_, std::io::Error>(answer(size)));
        let response = Response::new(Body::from_stream(stream::iter(pieces)));
        let mut body = budget().count_pieces(response).into_body();
        let mut written = Vec::new();
        for _ in 0..2 {
            let frame = body.frame().await.expect("a piece").expect("there is room");
            written.push(frame.into_data().expect("data"));
        }
        assert!(body.frame().await.expect("the third").is_err());
    }
}
