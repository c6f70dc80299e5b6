//! One conversation with an Envoy, from its first message to its end: on one stream, or on several.

use std::{collections::BTreeSet, time::Duration};

use futures::{
    StreamExt as _,
    stream::{BoxStream, SelectAll},
};
use tokio::sync::mpsc;
use tonic::Status;

use super::{
    convert::{self, Asked},
    ending::Ending,
    message::{EncodedMessage, Message},
    nested_source::NestedSource,
    recall::Recall,
    strands::{Event, Strand, Strands, StreamKey},
    stream::{OpenedStream, StreamIsClosed},
    unknown_types::UnknownTypes,
};
use crate::{
    NodeId, Publisher, StreamEnd,
    fleet::{Admission, FirstRequest, Identity, TooManyStreams, lock},
    session::{DeltaResponse, Standing, TooManyNames},
};

/// How long after a stream's end those of the others are waited for. If all of them end their
/// connection is lost, and everything is remembered as it was; in one process that takes a moment.
/// An Envoy that ended one of them has given up what it asked for there.
const OTHER_ENDS: Duration = Duration::from_millis(100);

/// A stream and its first message.
pub(super) struct Joining {
    pub(super) opened: OpenedStream,
    pub(super) first: EncodedMessage,
}

/// The facts about an Envoy with which a conversation begins.
pub(super) struct NewEnvoy {
    pub(super) identity: Identity,
    pub(super) shows: FirstRequest,
}

/// A message that came in on a stream; none when the Envoy ended the stream, or is gone.
type Arrival = (StreamKey, Option<Message>);

/// Holds the conversation that `joining` begins, until the Envoy has ended its last stream; others
/// come by `more`. At its `ending` the Envoy is to open its streams anew, so that it may find
/// another server. An error is to be told to the Envoy on the first stream.
pub(super) async fn hold(
    publisher: &Publisher,
    NewEnvoy { identity, shows }: NewEnvoy,
    joining: Joining,
    more: Option<mpsc::Receiver<Joining>>,
    ending: Ending,
) -> Result<(), Status> {
    let id = identity.id.clone();
    let user_agent = identity.user_agent.clone();
    let admission = publisher
        .connect(identity, shows)
        .map_err(|TooManyStreams| {
            Status::resource_exhausted(
                "too many streams are open under this `node.id`: give each Envoy a `node.id` of \
                 its own in its bootstrap",
            )
        })?;
    tracing::info!(node = %id, user_agent, "envoy connected");
    let mut conversation = Conversation {
        publisher,
        admission,
        id: id.clone(),
        strands: Strands::default(),
        arrivals: SelectAll::new(),
        next_key: 0,
        more,
        ending,
        recall: Recall::of(publisher),
        unknown_types: UnknownTypes::default(),
        reported: None,
        end: StreamEnd::ByEnvoy,
    };
    let outcome = conversation.run(joining).await;
    match &outcome {
        Ok(()) => tracing::info!(node = %id, "envoy disconnected"),
        Err(status) => {
            tracing::info!(node = %id, reason = status.message(), "stream ended");
            conversation.strands.refuse(status);
        }
    }
    conversation.turn_the_rest_away().await;
    Ok(())
}

struct Conversation<'a> {
    publisher: &'a Publisher,
    admission: Admission,
    id: NodeId,
    strands: Strands,
    arrivals: SelectAll<BoxStream<'static, Arrival>>,
    next_key: u64,
    more: Option<mpsc::Receiver<Joining>>,
    ending: Ending,
    recall: Recall,
    /// Of the aggregated stream: the others are about one type that is known.
    unknown_types: UnknownTypes,
    reported: Option<Standing>,
    end: StreamEnd,
}

/// The Envoy counts as gone however the conversation ends, be it by a panic.
impl Drop for Conversation<'_> {
    fn drop(&mut self) {
        self.publisher
            .disconnect(&self.id, self.admission.stream, self.end);
    }
}

impl Conversation<'_> {
    /// Whatever happens, the session takes it in and says what goes out.
    async fn run(&mut self, first: Joining) -> Result<(), Status> {
        self.take_assignment();
        self.join(first)?;
        loop {
            let (due, standing, deadline) = {
                let mut session = lock(&self.admission.session);
                let due = session.poll(self.publisher.clock().now());
                (due, session.standing().clone(), session.next_deadline())
            };
            self.report(standing);
            let mut is_to_be_polled = false;
            for response in due {
                is_to_be_polled |= self.send(response).await?;
            }
            if is_to_be_polled {
                continue;
            }
            let wake_at = deadline.into_iter().chain(self.recall.at).min();
            tokio::select! {
                Some(arrival) = self.arrivals.next() => self.take(arrival)?,
                joining = next(&mut self.more) => self.join(joining)?,
                changed = self.admission.assignment.changed() => match changed {
                    Ok(()) => self.take_assignment(),
                    Err(_) => return Ok(()),
                },
                () = self.publisher.clock().wait_until(wake_at) => self.check_recall()?,
                () = self.recall.changed() => self.recall.plan(self.publisher.clock().now()),
                () = tokio::time::sleep(OTHER_ENDS), if self.strands.has_ended() => {
                    let events = self.strands.settle_ended();
                    self.take_events(events)?;
                }
                words = self.ending.come() => {
                    self.end = StreamEnd::ByUs;
                    return Err(words);
                }
            }
            if self.strands.is_empty() {
                return Ok(());
            }
        }
    }

    fn take_assignment(&mut self) {
        let assigned = self.admission.assignment.borrow_and_update().clone();
        let mut session = lock(&self.admission.session);
        match (assigned.snapshot, assigned.supplies) {
            (Some(snapshot), _) => {
                session.assign(snapshot, assigned.ack_deadline, assigned.number);
            }
            (None, Some(supplies)) => session.supply(supplies, assigned.ack_deadline),
            (None, None) => {}
        }
    }

    /// Takes in a stream, and its first message.
    fn join(&mut self, joining: Joining) -> Result<(), Status> {
        let key = StreamKey(self.next_key);
        self.next_key += 1;
        let OpenedStream {
            only,
            requests,
            responses,
            authority,
            ..
        } = joining.opened;
        let variant = joining.first.variant;
        let arrivals = requests
            .map(|request| request.and_then(|request| request.read()).ok())
            .take_while(|message| futures::future::ready(message.is_some()))
            .map(move |message| (key, message));
        let end = futures::stream::iter([(key, None)]);
        self.arrivals.push(arrivals.chain(end).boxed());
        let strand = Strand {
            only,
            responses,
            source: only
                .and(authority)
                .map(|authority| NestedSource::new(&authority, variant)),
            names: BTreeSet::new(),
        };
        let events = self.strands.add(key, strand);
        self.take_events(events)?;
        self.take_message(key, joining.first.read()?)
    }

    fn take(&mut self, (key, message): Arrival) -> Result<(), Status> {
        match message {
            Some(message) if self.strands.get(key).is_some() => self.take_message(key, message),
            // A stream of the same type has taken its place.
            Some(_) => Ok(()),
            None => {
                let events = self.strands.end(key);
                self.take_events(events)
            }
        }
    }

    fn take_message(&mut self, key: StreamKey, message: Message) -> Result<(), Status> {
        let only = self.strands.get(key).and_then(|strand| strand.only);
        let Some(resource_type) = convert::resource_type(&message, only)? else {
            if let Some(type_url) = self.unknown_types.first_seen(message.type_url()) {
                tracing::warn!(node = %self.id, type_url, "envoy asked for a type that is not \
                     distributed");
            }
            return Ok(());
        };
        let asked = convert::asked(message, resource_type)?;
        if self.recall.is_frozen() && self.reports_others(&asked) {
            self.end = StreamEnd::ByUs;
            return Err(Recall::leave_it_alone());
        }
        let answer = asked.answer();
        if let Some(message) = answer.and_then(|answer| answer.rejection.as_ref()) {
            tracing::warn!(
                node = %self.id,
                resource_type = %asked.resource_type(),
                message,
                "envoy rejected a response"
            );
        }
        let events = self.strands.take(key, asked);
        self.take_events(events)
    }

    /// Whether the Envoy has other contents than it would be given here.
    fn reports_others(&self, asked: &Asked) -> bool {
        let session = lock(&self.admission.session);
        match asked {
            Asked::Incremental(request) => session.reports_other_contents(request),
            Asked::World(request) => session.reports_another_set(request),
        }
    }

    fn take_events(&self, events: Vec<Event>) -> Result<(), Status> {
        let now = self.publisher.clock().now();
        let mut session = lock(&self.admission.session);
        for event in events {
            match event {
                Event::Asked(Asked::Incremental(request)) => session.request(request, now),
                Event::Asked(Asked::World(request)) => session.world_request(request, now),
                Event::Left(resource_type) => {
                    session.leave(resource_type);
                    Ok(())
                }
            }
            .map_err(|TooManyNames| {
                Status::resource_exhausted(
                    "the stream asks for more names than this control plane keeps for one envoy",
                )
            })?;
        }
        Ok(())
    }

    fn report(&mut self, standing: Standing) {
        if self.reported.as_ref() == Some(&standing) {
            self.publisher.tell_change();
        } else {
            self.publisher
                .report(&self.id, self.admission.stream, standing.clone());
            self.reported = Some(standing);
        }
    }

    /// Waits for the transport if the Envoy is slow; that holds up this conversation and no other.
    /// Tells whether the session has taken something in meanwhile.
    async fn send(&mut self, response: DeltaResponse) -> Result<bool, Status> {
        let (parts, event) = self.strands.route(response);
        for (key, part) in parts {
            let Some(strand) = self.strands.get(key) else {
                continue;
            };
            tokio::select! {
                sent = strand.send(part) => match sent {
                    Err(StreamIsClosed) if strand.only.is_none() => {
                        return Err(Status::cancelled("the envoy has left"));
                    }
                    // Its end is about to be read.
                    Err(StreamIsClosed) | Ok(()) => {}
                },
                words = self.ending.come() => {
                    self.end = StreamEnd::ByUs;
                    return Err(words);
                }
            }
        }
        let has_event = event.is_some();
        self.take_events(event.into_iter().collect())?;
        Ok(has_event)
    }

    /// Ends the conversation if the server is frozen and its time has come; a deadline is the
    /// session's own matter.
    fn check_recall(&mut self) -> Result<(), Status> {
        let now = self.publisher.clock().now();
        match self.recall.due(now) {
            Some(recalled) => {
                self.end = StreamEnd::ByUs;
                Err(recalled)
            }
            None => Ok(()),
        }
    }

    /// Has those open their streams anew that were about to join.
    async fn turn_the_rest_away(&mut self) {
        if let Some(more) = &mut self.more {
            more.close();
            while let Some(joining) = more.recv().await {
                let status = Status::unavailable("the conversation has ended: reconnect");
                joining.opened.responses.refuse(status);
            }
        }
    }
}

/// The next stream that joins; never, where none can.
async fn next(more: &mut Option<mpsc::Receiver<Joining>>) -> Joining {
    if let Some(more) = more
        && let Some(joining) = more.recv().await
    {
        return joining;
    }
    std::future::pending().await
}
