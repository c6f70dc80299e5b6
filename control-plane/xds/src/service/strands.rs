//! The streams of one Envoy: one for everything, or one for each type, and even for each name.
//!
//! Where an Envoy asks the services one by one it opens a stream for all its clusters, one for all
//! its listeners, and one for each set of endpoints, route configuration and extension
//! configuration. All of them are one session: what it sends is shared out here, and the answers
//! are brought together.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

mod holders;

use holders::Holders;
use tonic::Status;

use super::{
    convert::{Asked, MOST_MESSAGE_BYTES, shortened},
    nested_source::NestedSource,
    stream::{Responses, StreamIsClosed},
};
use crate::{
    ResourceType,
    session::{Answer, DeltaRequest, DeltaResponse},
};

/// How many responses that wait for answers of several streams are remembered: as many of each type
/// as a session remembers.
const FANS_KEPT: usize = 64;

/// Tells the streams of one conversation apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StreamKey(pub(super) u64);

/// One of the streams that an Envoy has opened.
pub(super) struct Strand {
    /// The one type that the stream is about; none where it is about everything.
    pub(super) only: Option<ResourceType>,
    pub(super) responses: Responses,
    /// The source of nested resources, where it is not the stream itself.
    pub(super) source: Option<NestedSource>,
    /// The names that were asked for on this stream, if it shares its type with others.
    pub(super) names: BTreeSet<Arc<str>>,
}

impl Strand {
    pub(super) async fn send(&self, response: DeltaResponse) -> Result<(), StreamIsClosed> {
        self.responses.send(response, self.source.as_ref()).await
    }
}

/// A response that was shared out among streams.
struct Fan {
    nonce: String,
    /// The streams that have not answered, and whether their part holds resources.
    waiting: BTreeMap<StreamKey, Part>,
    /// The words on the rejections so far, as many as are kept of one.
    rejection: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Resources,
    RemovalsOnly,
}

/// The place of a stream that is gone, in a response that it would have been sent a part of.
const NOBODY: StreamKey = StreamKey(u64::MAX);

/// Something that a session has to take in.
#[derive(Debug)]
pub(super) enum Event {
    Asked(Asked),
    /// No stream of this type is left.
    Left(ResourceType),
}

/// All streams of one Envoy that belong together.
#[derive(Default)]
pub(super) struct Strands {
    open: BTreeMap<StreamKey, Strand>,
    fans: VecDeque<Fan>,
    /// The types that the session knows of.
    begun: BTreeSet<ResourceType>,
    holders: Holders,
    /// Streams that have ended, as long as nothing else has happened: if all have, they were one
    /// connection, and what the Envoy has is remembered as it was.
    ended: Vec<(StreamKey, Strand)>,
}

impl Strands {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn get(&self, key: StreamKey) -> Option<&Strand> {
        self.open.get(&key)
    }

    /// Adds a stream. One of clusters or listeners replaces the one before it.
    pub(super) fn add(&mut self, key: StreamKey, strand: Strand) -> Vec<Event> {
        let mut events = self.settle_ended();
        if let Some(only) = strand.only.filter(|only| only.is_sent_whole()) {
            let replaced: Vec<_> = self.of_type(only).map(|(key, _)| key).collect();
            for key in replaced {
                if let Some(old) = self.close(key) {
                    old.responses.refuse(Status::aborted(
                        "another stream of this type has taken the place of this one",
                    ));
                    self.ended.push((key, old));
                }
            }
            events.extend(self.settle_ended());
        }
        self.open.insert(key, strand);
        events
    }

    /// Works out what the session has to take in because of a request on a stream.
    pub(super) fn take(&mut self, key: StreamKey, asked: Asked) -> Vec<Event> {
        let mut events = self.settle_ended();
        let resource_type = asked.resource_type();
        let shares = |strand: &Strand| strand.only.is_some_and(|only| !only.is_sent_whole());
        if !self.open.get(&key).is_some_and(shares) {
            self.begun.insert(resource_type);
            events.push(Event::Asked(asked));
            return events;
        }
        let asked = match asked {
            Asked::World(request) if !self.begun.contains(&resource_type) => {
                self.change_names(key, &request.names, &[]);
                Asked::World(request)
            }
            Asked::World(request) => {
                let names: BTreeSet<_> = request.names.into_iter().collect();
                let (subscribe, given_up) = self.differences(key, &names);
                Asked::Incremental(DeltaRequest {
                    resource_type,
                    unsubscribe: self.change_names(key, &subscribe, &given_up),
                    subscribe,
                    initial_versions: BTreeMap::new(),
                    answer: self.sum_up(key, request.answer),
                })
            }
            Asked::Incremental(request) => Asked::Incremental(DeltaRequest {
                unsubscribe: self.change_names(key, &request.subscribe, &request.unsubscribe),
                answer: self.sum_up(key, request.answer),
                ..request
            }),
        };
        self.begun.insert(resource_type);
        events.push(Event::Asked(asked));
        events
    }

    /// Shares a response out among the streams that asked for its parts, and says what the session
    /// has to take in because nobody is to answer.
    pub(super) fn route(
        &mut self,
        response: DeltaResponse,
    ) -> (Vec<(StreamKey, DeltaResponse)>, Option<Event>) {
        let resource_type = response.resource_type;
        let sole = self.open.iter().find(|(_, strand)| {
            strand.only.is_none()
                || (strand.only == Some(resource_type) && resource_type.is_sent_whole())
        });
        if let Some((key, _)) = sole {
            return (vec![(*key, response)], None);
        }
        let mut parts = Vec::new();
        let mut waiting = BTreeMap::new();
        let mut reached: BTreeSet<Arc<str>> = BTreeSet::new();
        for (key, strand) in self.of_type(resource_type) {
            let resources: Vec<_> = response
                .resources
                .iter()
                .filter(|resource| strand.names.contains(resource.name()))
                .map(Arc::clone)
                .collect();
            let removed: Vec<_> = response
                .removed
                .iter()
                .filter(|name| strand.names.contains(*name))
                .map(Arc::clone)
                .collect();
            if resources.is_empty() && removed.is_empty() {
                continue;
            }
            reached.extend(resources.iter().map(|resource| Arc::clone(resource.name())));
            let part = match resources.is_empty() {
                true => Part::RemovalsOnly,
                false => Part::Resources,
            };
            waiting.insert(key, part);
            let part = DeltaResponse {
                resources,
                removed,
                ..response.clone()
            };
            parts.push((key, part));
        }
        if response
            .resources
            .iter()
            .any(|one| !reached.contains(one.name()))
        {
            waiting.insert(NOBODY, Part::Resources);
        }
        if self.fans.len() == FANS_KEPT {
            self.fans.pop_front();
        }
        let is_answered = waiting.is_empty();
        let answer = Answer {
            nonce: response.nonce.clone(),
            rejection: None,
        };
        self.fans.push_back(Fan {
            nonce: response.nonce,
            waiting,
            rejection: None,
        });
        let event = is_answered.then(|| answered(resource_type, answer));
        (parts, event)
    }

    /// Takes in that a stream has ended.
    pub(super) fn end(&mut self, key: StreamKey) -> Vec<Event> {
        let Some(strand) = self.close(key) else {
            return Vec::new();
        };
        // An Envoy that removed a cluster closes the stream of its endpoints, and answers no more.
        let events = match strand.only {
            Some(only) => self.wait_no_more(only, key, |part| part == Part::RemovalsOnly),
            None => Vec::new(),
        };
        self.ended.push((key, strand));
        events
    }

    /// Has the session forget what only streams asked for that have ended.
    pub(super) fn settle_ended(&mut self) -> Vec<Event> {
        let ended = std::mem::take(&mut self.ended);
        let mut events = Vec::new();
        for (key, strand) in ended {
            let Some(only) = strand.only else {
                continue;
            };
            if self.of_type(only).next().is_none() {
                if self.begun.remove(&only) {
                    events.push(Event::Left(only));
                }
                continue;
            }
            let unsubscribe = self.holders.held_by_none(only, strand.names.iter());
            if !unsubscribe.is_empty() {
                events.push(Event::Asked(Asked::Incremental(DeltaRequest {
                    unsubscribe,
                    ..DeltaRequest::nothing(only)
                })));
            }
            // Nothing of its names is kept any more, so nothing is believed because of this.
            events.extend(self.wait_no_more(only, key, |_| true));
        }
        events
    }

    /// Whether a stream has ended whose names the session still has.
    pub(super) fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    /// Takes the part of a stream that has ended for answered, where it is one that `is_meant`.
    fn wait_no_more(
        &mut self,
        only: ResourceType,
        key: StreamKey,
        is_meant: impl Fn(Part) -> bool,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        for fan in &mut self.fans {
            if fan.waiting.get(&key).is_some_and(|part| is_meant(*part)) {
                fan.waiting.remove(&key);
                if fan.waiting.is_empty() {
                    events.push(answered(only, fan.answer()));
                }
            }
        }
        events
    }

    /// Ends every stream with a status.
    pub(super) fn refuse(&self, status: &Status) {
        for strand in self.open.values() {
            strand.responses.refuse(status.clone());
        }
    }

    fn of_type(&self, only: ResourceType) -> impl Iterator<Item = (StreamKey, &Strand)> {
        self.open
            .iter()
            .inspect(|_| step_count::count(1))
            .filter(move |(_, strand)| strand.only == Some(only))
            .map(|(key, strand)| (*key, strand))
    }

    /// The names that a stream asks for from now on and did not before, and those that it gives up.
    fn differences(
        &self,
        key: StreamKey,
        names: &BTreeSet<Arc<str>>,
    ) -> (Vec<Arc<str>>, Vec<Arc<str>>) {
        let nothing = BTreeSet::new();
        let before = self.open.get(&key).map_or(&nothing, |strand| &strand.names);
        (
            names.difference(before).map(Arc::clone).collect(),
            before.difference(names).map(Arc::clone).collect(),
        )
    }

    /// Has a stream ask for names, and give others up; which of these no other stream asks for.
    fn change_names(
        &mut self,
        key: StreamKey,
        subscribe: &[Arc<str>],
        unsubscribe: &[Arc<str>],
    ) -> Vec<Arc<str>> {
        let Some(strand) = self.open.get_mut(&key) else {
            return Vec::new();
        };
        let Some(only) = strand.only else {
            return Vec::new();
        };
        for name in subscribe {
            if strand.names.insert(Arc::clone(name)) {
                self.holders.hold(only, name);
            }
        }
        for name in unsubscribe {
            if strand.names.remove(name) {
                self.holders.release(only, name);
            }
        }
        self.holders.held_by_none(only, unsubscribe.iter())
    }

    /// Takes a stream out of those that are open; nobody asks for its names by it any more.
    fn close(&mut self, key: StreamKey) -> Option<Strand> {
        let strand = self.open.remove(&key)?;
        if let Some(only) = strand.only {
            for name in &strand.names {
                self.holders.release(only, name);
            }
        }
        Some(strand)
    }

    /// The answer to a response as a whole, once all streams have answered that were sent a part.
    fn sum_up(&mut self, key: StreamKey, answer: Option<Answer>) -> Option<Answer> {
        let answer = answer?;
        // One that is forgotten says nothing: others may have rejected their parts of it.
        let fan = self.fans.iter_mut().find(|fan| fan.nonce == answer.nonce)?;
        fan.waiting.remove(&key)?;
        if let Some(words) = answer.rejection {
            fan.add(&words);
        }
        fan.waiting.is_empty().then(|| fan.answer())
    }
}

impl Fan {
    /// Takes in another stream's words on a rejection.
    fn add(&mut self, words: &str) {
        let all = match self.rejection.take() {
            // Words that were cut are not cut again.
            Some(before) if before.len() > MOST_MESSAGE_BYTES => before,
            Some(before) => shortened(&format!("{before}; {words}"), MOST_MESSAGE_BYTES),
            None => words.to_owned(),
        };
        self.rejection = Some(all);
    }

    fn answer(&self) -> Answer {
        Answer {
            nonce: self.nonce.clone(),
            rejection: self.rejection.clone(),
        }
    }
}

fn answered(resource_type: ResourceType, answer: Answer) -> Event {
    Event::Asked(Asked::Incremental(DeltaRequest {
        answer: Some(answer),
        ..DeltaRequest::nothing(resource_type)
    }))
}

#[cfg(test)]
mod tests;
