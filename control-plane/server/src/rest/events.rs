//! `/api/v1/events`: what happens, as server-sent events, from where a reader left off.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event as SentEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, stream};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::problem::Problem;
use crate::gateway::{Event, Gateway, Newest, Overtaken};
use crate::timestamp::timestamp;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The events that are taken from the ring at once: more would be copies that wait for a reader.
const MOST_AT_ONCE: usize = 32;

/// How often a comment is sent while nothing happens: proxies close connections that are silent for
/// a minute, and a reader that is gone is found out.
const SILENCE: Duration = Duration::from_secs(15);

/// Streams events as they happen: `revision`, `rollout` (each step), `envoy` (comes or goes),
/// `ack`, `nack`, `server` and `endpoint` (up or down), `secret` (renewed, or not usable), `tool`
/// (withheld or released, changed, unreviewed, approved or rejected) and `denial` (what Envoys
/// refused in some seconds, by tool or kind of item and reason), each with its time and particulars
/// as JSON. Begins with `begin`, from where nothing is missed. With the id of an event in
/// `Last-Event-ID` it goes on after that; `lost` says that events between are no longer kept. Who
/// reads so slowly that events pass by is cut off after `lost`, and comes back.
#[utoipa::path(get, path = "/api/v1/events", operation_id = "stream_events", tag = "events",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event")),
    responses((status = 200, description = "The events", content_type = "text/event-stream",
        body = String)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let events = gateway.events();
    let place = events.take_place().ok_or_else(|| {
        Problem::busy(
            "too many follow the events at once",
            "try again later, and close streams that you no longer need",
        )
    })?;
    let news = events.newest();
    let now = news.borrow().number;
    let left_off = headers
        .get(LAST_EVENT_ID)
        .map(|id| id.to_str().unwrap_or_default());
    let mut reader = Reader {
        next: VecDeque::new(),
        after: now,
        news,
        is_cut: false,
        _place: place,
        gateway: Arc::clone(&gateway),
    };
    reader.begin(left_off);
    let keep_alive = KeepAlive::new().interval(SILENCE);
    Ok(Sse::new(stream_of(reader))
        .keep_alive(keep_alive)
        .into_response())
}

/// One who reads the events.
struct Reader {
    next: VecDeque<SentEvent>,
    /// The number of the last event that was taken.
    after: u64,
    news: watch::Receiver<Newest>,
    /// Whether it was too slow.
    is_cut: bool,
    _place: OwnedSemaphorePermit,
    gateway: Arc<Gateway>,
}

impl Reader {
    /// Finds the place where the reader left off.
    fn begin(&mut self, left_off: Option<&str>) {
        let events = self.gateway.events();
        let known = left_off.and_then(|id| {
            let (epoch, number) = id.split_once('-')?;
            let is_ours = epoch.parse() == Ok(events.epoch());
            is_ours.then(|| number.parse::<u64>().ok()).flatten()
        });
        match (left_off, known) {
            (None, _) => {}
            (Some(_), Some(number)) => match events.after(number, 1) {
                Ok(_) => self.after = number.min(self.after),
                Err(Overtaken { oldest }) => {
                    self.lose(oldest);
                    self.after = oldest - 1;
                }
            },
            // Of another process, or of nobody: everything that is kept may be new.
            (Some(_), None) => {
                self.after = 0;
                if let Err(Overtaken { oldest }) = events.after(0, 1) {
                    self.after = oldest - 1;
                }
                self.lose(self.after + 1);
            }
        }
        let begin = self.sent("begin", self.after, &json!({}));
        self.next.push_back(begin);
    }

    fn lose(&mut self, oldest: u64) {
        let lost = self.sent("lost", oldest - 1, &json!({"oldest": self.id(oldest)}));
        self.next.push_back(lost);
    }

    fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.gateway.events().epoch())
    }

    fn sent(&self, kind: &str, number: u64, data: &Value) -> SentEvent {
        let event = SentEvent::default().event(kind).id(self.id(number));
        event.data(data.to_string())
    }

    fn shown(&self, event: &Event) -> SentEvent {
        let mut data = event.data.clone();
        data["at"] = timestamp(event.at).into();
        self.sent(event.kind, event.number, &data)
    }

    /// Takes the next events, or waits for them. False when there will be none.
    async fn fill(&mut self) -> bool {
        loop {
            let newest = *self.news.borrow_and_update();
            match self.gateway.events().after(self.after, MOST_AT_ONCE) {
                Ok(events) if !events.is_empty() => {
                    self.after = events.last().map_or(self.after, |event| event.number);
                    let shown: Vec<SentEvent> =
                        events.iter().map(|event| self.shown(event)).collect();
                    self.next.extend(shown);
                    return true;
                }
                Ok(_) if newest.is_last => return false,
                Ok(_) => {
                    if self.news.changed().await.is_err() {
                        return false;
                    }
                }
                Err(_) if self.is_cut => return false,
                Err(Overtaken { oldest }) => {
                    self.is_cut = true;
                    self.lose(oldest);
                    return true;
                }
            }
        }
    }
}

fn stream_of(reader: Reader) -> impl Stream<Item = Result<SentEvent, Infallible>> {
    stream::unfold(reader, async |mut reader: Reader| {
        if reader.next.is_empty() && !reader.fill().await {
            return None;
        }
        let event = reader.next.pop_front()?;
        Some((Ok(event), reader))
    })
}
