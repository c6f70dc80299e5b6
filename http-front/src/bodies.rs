//! Reads the bodies of requests: each within a time and a size, all together within a budget.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::response::Response;
use bytes::BytesMut;
use http::header::{CONNECTION, HeaderValue};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The time for which the rest of a refused body is taken: a client that hears of a refusal stops
/// sending within two round trips, and longer than this no refused client keeps its place.
const REST_TIME: Duration = Duration::from_secs(2);

/// Bounds of one body, and of all that are in memory.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Bytes of one body.
    pub largest: usize,
    /// The time from the end of a request's head to the end of its body.
    pub time: Duration,
    /// Bytes of each body that the budget does not count, so that large bodies never crowd out
    /// ordinary ones.
    pub uncounted: usize,
    /// Bytes of all bodies beyond that.
    pub budget: usize,
}

/// Reads bodies within their limits. Cheap to clone; clones share the budget.
#[derive(Debug, Clone)]
pub struct BodyReader {
    limits: BodyLimits,
    budget: Arc<Semaphore>,
}

/// A body that was read to its end.
#[derive(Debug)]
pub struct ReadBody {
    /// The body in one piece.
    pub bytes: Bytes,
    /// Its part of the budget.
    pub place: BodyPlace,
}

/// The part of the budget that a body has until the last clone of this is dropped: whoever keeps
/// what a body said keeps one.
#[derive(Debug, Clone, Default)]
pub struct BodyPlace {
    _part: Option<Arc<OwnedSemaphorePermit>>,
}

/// A body that was not read to its end. What still comes of it is taken for a while: a client that
/// goes on writing would find its connection closed before it reads the answer.
#[derive(Debug)]
pub struct BegunBody {
    /// Why it was not read to its end.
    pub reason: UnreadBody,
    /// The part of it that has come.
    pub begun: BytesMut,
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreadBody {
    /// It has more bytes than these, or is announced to have.
    TooLarge(usize),
    /// It was not complete within this time.
    Late(Duration),
    /// The budget has no room for it.
    OverBudget,
    /// Its connection, or its form, broke.
    BrokenOff,
}

impl BegunBody {
    /// Makes a response the last one of its connection, because the rest of the body is still to
    /// come there.
    #[must_use]
    pub fn end_connection(&self, mut response: Response) -> Response {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
        response
    }
}

impl BodyReader {
    /// A reader whose budget is all free.
    #[must_use]
    pub fn new(limits: BodyLimits) -> Self {
        Self {
            limits,
            budget: Arc::new(Semaphore::new(limits.budget)),
        }
    }

    /// Reads `body` to its end.
    ///
    /// # Errors
    /// [`UnreadBody`], and what has come.
    pub async fn read(&self, mut body: Body) -> Result<ReadBody, BegunBody> {
        let BodyLimits { largest, time, .. } = self.limits;
        let mut bytes = BytesMut::new();
        let is_too_large = |announced| announced > largest;
        let read = if usize::try_from(body.size_hint().lower()).is_ok_and(is_too_large) {
            Err(UnreadBody::TooLarge(largest))
        } else {
            let read = timeout(time, self.collect(&mut body, &mut bytes)).await;
            read.unwrap_or(Err(UnreadBody::Late(time)))
        };
        match read {
            Ok(part_of_budget) => Ok(ReadBody {
                bytes: bytes.freeze(),
                place: BodyPlace {
                    _part: part_of_budget.map(Arc::new),
                },
            }),
            Err(reason) => {
                if reason != UnreadBody::BrokenOff {
                    take_rest(body);
                }
                Err(BegunBody {
                    reason,
                    begun: bytes,
                })
            }
        }
    }

    /// Copies what comes: hyper hands out parts of its read buffer, and each keeps all of that, so
    /// a body of single bytes would take thousands of times its size.
    async fn collect(
        &self,
        body: &mut Body,
        bytes: &mut BytesMut,
    ) -> Result<Option<OwnedSemaphorePermit>, UnreadBody> {
        let mut part: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| UnreadBody::BrokenOff)?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let length = bytes.len() + data.len();
            if length > self.limits.largest {
                return Err(UnreadBody::TooLarge(self.limits.largest));
            }
            let counted = length.saturating_sub(self.limits.uncounted);
            let taken = part.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            if counted > taken {
                let more = self.take(counted - taken)?;
                match &mut part {
                    Some(part) => part.merge(more),
                    None => part = Some(more),
                }
            }
            bytes.extend_from_slice(&data);
        }
        Ok(part)
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, UnreadBody> {
        let bytes = u32::try_from(bytes).map_err(|_| UnreadBody::OverBudget)?;
        let budget = Arc::clone(&self.budget);
        budget
            .try_acquire_many_owned(bytes)
            .map_err(|_| UnreadBody::OverBudget)
    }
}

/// Takes what still comes of a body, for a while, beside the answer.
fn take_rest(mut body: Body) {
    let rest = async move { while let Some(Ok(_)) = body.frame().await {} };
    tokio::spawn(timeout(REST_TIME, rest));
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{StreamExt as _, stream};

    fn reader() -> BodyReader {
        BodyReader::new(BodyLimits {
            largest: 100,
            time: Duration::from_millis(50),
            uncounted: 10,
            budget: 100,
        })
    }

    fn pieces(
        sizes: &[usize],
    ) -> impl stream::Stream<Item = Result<Bytes, std::io::Error>> + use<> {
        let pieces: Vec<_> = sizes
            .iter()
            .map(|size| Ok(vec![b' '; *size].into()))
            .collect();
        stream::iter(pieces)
    }

    #[tokio::test]
    async fn it_refuses_a_body_that_is_never_complete() {
        let begun = Body::from_stream(pieces(&[50]).chain(stream::pending()));
        for body in [
            Body::from_stream(pieces(&[]).chain(stream::pending())),
            begun,
        ] {
            let reader = reader();
            let late = reader.read(body).await.expect_err("it never ends");
            assert_eq!(late.reason, UnreadBody::Late(Duration::from_millis(50)));
            assert_eq!(reader.budget.available_permits(), 100);
            let answer = late.end_connection(Response::default());
            assert_eq!(answer.headers()[CONNECTION], "close");
        }
    }

    #[tokio::test]
    async fn it_says_that_a_body_broke_off() {
        let broken = stream::iter([Err(std::io::Error::other("reset"))]);
        let body = Body::from_stream(pieces(&[5]).chain(broken));
        let broken = reader().read(body).await.expect_err("it broke off");
        assert_eq!(
            (broken.reason, &broken.begun[..]),
            (UnreadBody::BrokenOff, &[b' '; 5][..])
        );
    }

    #[tokio::test]
    async fn it_refuses_a_large_body_as_soon_as_it_is_announced_or_seen() {
        let seen = Body::from_stream(pieces(&[60, 41]).chain(stream::pending()));
        for body in [Body::from(vec![b' '; 101]), seen] {
            let refused = reader().read(body).await.expect_err("too large");
            assert_eq!(refused.reason, UnreadBody::TooLarge(100));
        }
        let whole = reader().read(Body::from_stream(pieces(&[60, 40]))).await;
        assert_eq!(whole.expect("as large as allowed").bytes.len(), 100);
    }

    #[tokio::test]
    async fn it_takes_the_rest_of_a_body_that_it_has_refused() {
        let (sender, mut taken) = tokio::sync::mpsc::unbounded_channel();
        let rest = pieces(&[60, 60, 60]).inspect(move |_| sender.send(()).expect("it is heard"));
        let refused = reader().read(Body::from_stream(rest)).await;
        assert_eq!(refused.expect_err("too large").begun.len(), 60);
        let mut count = 0;
        while taken.recv().await.is_some() {
            count += 1;
        }
        assert_eq!(count, 3);
    }

    #[tokio::test]
    async fn it_bounds_the_bytes_of_all_bodies_and_still_reads_small_ones() {
        let reader = reader();
        let large = reader.read(Body::from_stream(pieces(&[40, 40, 20]))).await;
        let large = large.expect("90 bytes of the budget");
        let refused = reader.read(Body::from_stream(pieces(&[15, 6]))).await;
        let refused = refused.expect_err("11 more");
        assert_eq!(refused.reason, UnreadBody::OverBudget);
        for _ in 0..20 {
            let small = reader.read(Body::from_stream(pieces(&[10]))).await;
            assert_eq!(small.expect("small").bytes.len(), 10);
        }
        let kept = large.place.clone();
        drop(large);
        let refused = reader.read(Body::from_stream(pieces(&[21]))).await;
        assert!(refused.is_err(), "somebody keeps what the body said");
        drop(kept);
        let read = reader.read(Body::from_stream(pieces(&[100]))).await;
        assert_eq!(read.expect("all was given back").bytes.len(), 100);
        assert_eq!(reader.budget.available_permits(), 100);
    }

    /// A read buffer, of which a body hands out one byte.
    struct Buffer {
        _alive: Arc<()>,
    }

    impl AsRef<[u8]> for Buffer {
        fn as_ref(&self) -> &[u8] {
            b" "
        }
    }

    #[tokio::test]
    async fn it_keeps_no_read_buffer_for_the_byte_that_came_in_it() {
        let alive = Arc::new(());
        let counted = Arc::clone(&alive);
        let bytes = stream::iter(0..100).map(move |_| {
            assert!(Arc::strong_count(&counted) <= 3, "buffers are kept");
            Ok::<_, std::io::Error>(Bytes::from_owner(Buffer {
                _alive: Arc::clone(&counted),
            }))
        });
        let read = reader().read(Body::from_stream(bytes)).await;
        assert_eq!(read.expect("a body").bytes.len(), 100);
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}
