//! The events of a control plane, as they happen.

use std::pin::Pin;

use anyhow::{Context, bail};
use futures::{Stream, StreamExt};
use serde_json::Value;
use sse_stream::SseStream;

use crate::control_plane::ControlPlane;
use crate::exit::NobodyAnswers;

/// Something that happened to the gateway.
#[derive(Debug)]
pub(crate) struct Event {
    /// The kind of event, such as `ack`.
    pub(crate) kind: String,
    /// The particulars of the event.
    pub(crate) data: Value,
}

/// A stream of events that goes on until the control plane ends it.
pub(crate) struct Events {
    stream: Pin<Box<dyn Stream<Item = Option<Event>>>>,
}

impl Events {
    /// Follows the events from now on; returns when nothing is missed any more.
    pub(crate) async fn of(control_plane: &ControlPlane) -> anyhow::Result<Self> {
        let url = format!("{}/events", control_plane.base);
        let answer = control_plane.client.get(&url).send().await;
        let answer = answer
            .map_err(reqwest::Error::without_url)
            .with_context(|| NobodyAnswers { url: url.clone() })?;
        if !answer.status().is_success() {
            bail!("{url} answers {}", answer.status());
        }
        let stream = SseStream::from_bytes_stream(answer.bytes_stream()).map(|sent| {
            let sent = sent.ok()?;
            let data = serde_json::from_str(&sent.data.unwrap_or_default());
            let kind = sent.event.unwrap_or_default();
            Some(Event {
                kind,
                data: data.unwrap_or_default(),
            })
        });
        let stream = Box::pin(stream);
        let mut events = Self { stream };
        // It begins with `begin`.
        events.next().await.context("the events end at once")?;
        Ok(events)
    }

    /// The next event; none where the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        self.stream.next().await.flatten()
    }
}
