//! Carries out what the request path says, by calls to the proxy. It decides nothing.

use std::rc::Rc;
use std::time::Duration;

use policy_engine::settlement::Stored;
use policy_engine::slots::{SlotIndex, SlotVersion};
use proxy_host::{
    Answering, Clock, Conflict, Metrics, RequestBody, RequestHeaders, SharedData, StreamId, Version,
};
use request_path::{Effect, Effects, Event, HeaderValue, Next, RequestPath};

use crate::access_notes::{ALLOWED, NotedDecision};
use crate::plugin::Plugin;

/// All that the request path asks of the proxy.
pub trait Host: RequestHeaders + RequestBody + Answering + SharedData + Metrics + Clock {}

impl<T: RequestHeaders + RequestBody + Answering + SharedData + Metrics + Clock> Host for T {}

/// Whether a request goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The bytes that the proxy has buffered may go on to the next filter.
    Continue,
    /// They stay buffered; or the request has been answered.
    Wait,
}

/// A request on its way.
pub struct Request<'h, H> {
    host: &'h H,
    plugin: Option<Rc<Plugin>>,
    stream: StreamId,
    path: RequestPath,
}

impl<'h, H: Host> Request<'h, H> {
    /// A request that has just arrived, of this number at the proxy. Without a plugin it will be
    /// refused.
    pub fn new(host: &'h H, plugin: Option<Rc<Plugin>>, stream: StreamId) -> Self {
        let settings = plugin.as_ref().map(|plugin| Rc::clone(&plugin.settings));
        Self {
            host,
            plugin,
            stream,
            path: RequestPath::new(settings, stream),
        }
    }

    /// The headers are there; `end` if nothing follows them.
    pub fn on_headers(&mut self, end: bool) -> Flow {
        let pairs = self.host.header_pairs();
        self.carry(Event::Headers { pairs: &pairs, end })
    }

    /// More of the body is there: `size` bytes are buffered now; `end` if they are the last.
    pub fn on_body(&mut self, size: usize, end: bool) -> Flow {
        let wanted = self.path.wanted(size);
        let fresh = if wanted.is_empty() {
            Vec::new()
        } else {
            self.host.body(wanted.start, wanted.len())
        };
        self.carry(Event::Body { size, fresh, end })
    }

    /// The body was followed by trailers.
    pub fn on_trailers(&mut self) -> Flow {
        self.carry(Event::Trailers)
    }

    /// Hands an event in, and carries out what comes of it, until the request goes on or waits for
    /// what only the proxy's next callback can bring.
    fn carry(&mut self, event: Event<'_>) -> Flow {
        let mut effects = Effects::new();
        let mut begun = None;
        let mut next = self.path.on(event, &mut effects);
        loop {
            for effect in effects.drain(..) {
                self.carry_out(effect, &mut begun);
            }
            let stored;
            let answer = match next {
                Next::Go => return Flow::Continue,
                Next::Hold => return Flow::Wait,
                Next::Decide(tool) => {
                    let plugin = self.plugin.as_ref();
                    begun = plugin.and_then(|plugin| {
                        let policy = plugin.policy();
                        plugin.statistics.begin(self.host, policy, tool)
                    });
                    Event::Decide
                }
                Next::TimeOfDay => Event::TimeOfDay(self.host.now()),
                Next::Monotonic => Event::Monotonic(self.host.monotonic()),
                Next::Read(slot) => {
                    stored = self.host.read(slot.key().as_str());
                    Event::Slot {
                        bytes: &stored.bytes,
                        version: SlotVersion(stored.version.0),
                    }
                }
                Next::Write {
                    slot,
                    bytes,
                    version,
                } => Event::Written(self.write(slot, &bytes, version)),
            };
            next = self.path.on(answer, &mut effects);
        }
    }

    fn write(&self, slot: SlotIndex, bytes: &[u8], version: SlotVersion) -> Stored {
        let version = Version(version.0);
        match self
            .host
            .compare_and_set(slot.key().as_str(), bytes, version)
        {
            Ok(()) => Stored::Yes,
            Err(Conflict) => Stored::No,
        }
    }

    fn carry_out(&self, effect: Effect, begun: &mut Option<Duration>) {
        match effect {
            Effect::SetHeader { name, value } => self.set_header(name, value),
            Effect::RemoveHeader(name) => self.host.remove_header(&name),
            Effect::ReplaceBody(reply) => self.host.replace_body(reply.message().as_bytes()),
            Effect::Note { name, value } => self.host.note(name, &value),
            Effect::Warn(text) => log::error!("{text}"),
            Effect::Answer(reply) => reply.write(|reply| self.host.reply(reply)),
            Effect::AnswerOther { stream, reply } => {
                if let Some(plugin) = &self.plugin {
                    let reason = reply.answer().reason();
                    let policy = plugin.policy();
                    plugin.statistics.refused(self.host, policy, None, reason);
                }
                reply.write(|reply| self.host.reply_to(stream, self.stream, reply));
            }
            told => {
                if let Some(plugin) = &self.plugin {
                    self.tell(plugin, told, begun);
                }
            }
        }
    }

    /// Counts and notes what happens to the request.
    fn tell(&self, plugin: &Plugin, effect: Effect, begun: &mut Option<Duration>) {
        let (statistics, policy) = (&plugin.statistics, plugin.policy());
        match effect {
            Effect::Called(item) => {
                statistics.decided(self.host, policy, &item, begun.take());
            }
            Effect::Shadowed { tool, .. } => statistics.shadowed(self.host, policy, tool),
            Effect::Passed { item, rule } => {
                let noted = NotedDecision {
                    decision: ALLOWED,
                    item: item.as_ref(),
                    rule: rule.map(|rule| policy.rule_name(rule)),
                };
                plugin.access_notes.note(self.host, policy, noted);
            }
            Effect::Refused { item, reason, rule } => {
                statistics.refused(self.host, policy, item.as_ref(), reason);
                let noted = NotedDecision {
                    decision: reason,
                    item: item.as_ref(),
                    rule: rule.as_deref(),
                };
                plugin.access_notes.note(self.host, policy, noted);
            }
            _ => {}
        }
    }

    fn set_header(&self, name: &str, value: HeaderValue) {
        // An empty name is no cluster's; the client's own must not stay.
        let policy = self.plugin.as_ref().map(|plugin| plugin.policy());
        let milliseconds;
        let text = match value {
            HeaderValue::Cluster(target) => policy.map_or("", |policy| policy.cluster(target)),
            HeaderValue::Path(target) => policy.map_or("", |policy| policy.path(target)),
            HeaderValue::Milliseconds(time) => {
                milliseconds = time.as_millis().to_string();
                &milliseconds
            }
            HeaderValue::Text(text) => text,
        };
        self.host.set_header(name, text);
    }
}
