//! The tonic adapter: Envoy's streams in, sessions driven, responses out.

mod authority;
mod client_status;
mod conversation;
mod convert;
mod ending;
mod message;
mod methods;
mod nested_source;
mod recall;
mod response_body;
mod strands;
mod stream;
mod transit;
mod unknown_types;
mod wire;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

pub(crate) use authority::keep_authority;
pub(crate) use client_status::MOST_QUESTION_BYTES as MOST_STATUS_QUESTION_BYTES;
use conversation::{Joining, NewEnvoy, hold};
use ending::{Ending, stopping};
use futures::{Stream, StreamExt as _};
use message::Variant;
pub(crate) use stream::MOST_MESSAGE_BYTES;
use stream::OpenedStream;
use tokio::sync::mpsc;
use tonic::{Status, body::Body, codegen::http};
pub(crate) use transit::keep_until_sent;

use crate::{NodeId, Publisher, ResourceType, connections::ConnectionHandle, fleet::lock};

/// How many streams may wait for their conversation to take them in. Each waits for its turn in a
/// task of its own, so a few are enough.
const STREAMS_JOINING: usize = 16;

/// The discovery services of a [`Publisher`]: the aggregated one, and one for each type.
#[derive(Clone, Debug)]
pub struct DiscoveryServices {
    publisher: Publisher,
    /// How long an Envoy may keep its streams open, at least; a tenth more at most.
    stream_age: Duration,
    conversations: Arc<Mutex<BTreeMap<ConversationKey, mpsc::Sender<Joining>>>>,
}

/// Which streams belong together: those of one Envoy's connection. Of two Envoys that share a
/// `node.id`, or take turns in a hot restart, each has its own.
type ConversationKey = (NodeId, Option<SocketAddr>);

impl DiscoveryServices {
    pub(crate) fn new(publisher: Publisher, stream_age: Duration) -> Self {
        Self {
            publisher,
            stream_age,
            conversations: Arc::default(),
        }
    }

    /// Serves a stream in a task of its own.
    fn open(
        &self,
        only: Option<ResourceType>,
        variant: Variant,
        request: http::Request<Body>,
    ) -> http::Response<Body> {
        let (opened, response) = OpenedStream::new(only, variant, request);
        let services = self.clone();
        tokio::spawn(async move {
            let way_back = opened.responses.clone();
            if let Err(status) = services.serve(opened).await {
                way_back.refuse(status);
            }
        });
        response
    }

    /// Reads a stream's first message, and finds the conversation that it belongs to, or begins
    /// one. An error is to be told to the Envoy.
    async fn serve(&self, mut opened: OpenedStream) -> Result<(), Status> {
        let mut closing = self.publisher.closing();
        let first = tokio::select! {
            first = opened.requests.next() => first,
            stopping = stopping(&mut closing) => return Err(stopping),
        };
        let Some(first) = first.transpose()? else {
            return Ok(());
        };
        let (identity, shows) = {
            let first = first.read()?;
            let identity = convert::identity(first.node())?;
            (identity, convert::first_request(&first, opened.only)?)
        };
        // From its first message on an Envoy counts as a user of its connection.
        let _user = opened.connection.as_ref().map(ConnectionHandle::user);
        let is_one_of_several = opened.only.is_some();
        let key = (identity.id.clone(), opened.peer());
        let mut joining = Joining { opened, first };
        if !is_one_of_several {
            let new = NewEnvoy { identity, shows };
            return hold(&self.publisher, new, joining, None, self.ending()).await;
        }
        loop {
            let place = {
                let mut conversations = lock(&self.conversations);
                match conversations.get(&key) {
                    Some(open) => Place::Join(open.clone()),
                    None => {
                        let (sender, receiver) = mpsc::channel(STREAMS_JOINING);
                        conversations.insert(key.clone(), sender);
                        Place::Begin(receiver)
                    }
                }
            };
            match place {
                Place::Begin(more) => {
                    let _entry = ConversationEntry {
                        services: self,
                        key: &key,
                    };
                    let new = NewEnvoy { identity, shows };
                    let (more, ending) = (Some(more), self.ending());
                    return hold(&self.publisher, new, joining, more, ending).await;
                }
                Place::Join(conversation) => match conversation.send(joining).await {
                    Ok(()) => return Ok(()),
                    // It has just ended; its entry goes away before it turns others away.
                    Err(returned) => {
                        joining = returned.0;
                        tokio::task::yield_now().await;
                    }
                },
            }
        }
    }

    fn ending(&self) -> Ending {
        Ending::of(&self.publisher, self.stream_age)
    }
}

enum Place {
    Begin(mpsc::Receiver<Joining>),
    Join(mpsc::Sender<Joining>),
}

/// A conversation in the list; it leaves the list however it ends, be it by a panic.
struct ConversationEntry<'a> {
    services: &'a DiscoveryServices,
    key: &'a ConversationKey,
}

impl Drop for ConversationEntry<'_> {
    fn drop(&mut self) {
        lock(&self.services.conversations).remove(self.key);
    }
}

/// The messages on a stream of a generated service.
type ResponseStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
