//! Subscriptions: the resources that a client watches, and how it hears that they changed.
//!
//! A change is found by looking: what changes a job or a pipeline is as often another process as
//! this one. A look costs one small query for each watched resource.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{ErrorData, SubscriptionFilter};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};

use super::audit::{Line, NoResult};
use super::server::McpServer;
use super::subscriptions::Subscription;
use super::{ChangeListener, Incoming, WayBack};
use crate::call::Call;
use crate::quotes::shorten_name;

/// How often the watched resources are looked at: a person who waits for a job notices no more, and
/// the registry is updated no oftener.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Resources that one subscription watches; of more, the first are accepted.
const MOST_RESOURCES: usize = 32;

/// Resources of a kind by whose URIs a change of the list is found: a person looks through no more,
/// and every look of every subscription costs as much.
const MOST_LISTED: usize = 500;

/// Something that a client watches and that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    /// The resource of this URI.
    Resource(String),
    /// The list of resources.
    List,
}

/// The watched things of one subscription, and how they were at the last look.
struct Watch {
    server: McpServer,
    call: Call,
    resources: BTreeMap<String, Option<String>>,
    /// The URIs of each kind of resource that could be listed yet.
    list: Option<BTreeMap<&'static str, Vec<String>>>,
}

impl Watch {
    fn new(server: &McpServer, call: Call, filter: &SubscriptionFilter) -> Self {
        let uris = filter.resource_subscriptions.iter().flatten();
        Self {
            server: server.clone(),
            call,
            resources: uris.map(|uri| (uri.clone(), None)).collect(),
            list: (filter.resources_list_changed == Some(true)).then(BTreeMap::new),
        }
    }

    /// Looks at everything; gives what is not as it was at the look before. What cannot be looked
    /// at stays as it was.
    async fn look(&mut self) -> Vec<Change> {
        let (registry, services) = (&self.server.catalogue.resources, &self.server.services);
        let mut changes = Vec::new();
        for (uri, last) in &mut self.resources {
            let Some(state) = registry.state(services, &self.call, uri).await else {
                continue;
            };
            let before = last.replace(state);
            if before.is_some() && before != *last {
                changes.push(Change::Resource(uri.clone()));
            }
        }
        if let Some(last) = &mut self.list {
            let listed = registry.listed_uris(services, &self.call, MOST_LISTED);
            let mut has_changed = false;
            for (kind, uris) in listed.await {
                let is_new = last.get(kind).is_none_or(|before| *before != uris);
                let before = is_new.then(|| last.insert(kind, uris)).flatten();
                has_changed |= before.is_some();
            }
            if has_changed {
                changes.push(Change::List);
            }
        }
        changes
    }

    /// Tells of changes until nobody hears of them any more, or the server stops.
    async fn tell(mut self, context: &SubscriptionContext) {
        loop {
            for change in self.look().await {
                let told = match change {
                    Change::Resource(uri) => context.sink().notify_resource_updated(uri).await,
                    Change::List => context.sink().notify_resource_list_changed().await,
                };
                if told.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.call.cancelled.cancelled() => return,
            }
        }
    }
}

impl McpServer {
    /// The part of a client's wishes that this server can fulfil.
    pub(super) fn watchable(&self, requested: &SubscriptionFilter) -> SubscriptionFilter {
        let mut accepted = SubscriptionFilter::new();
        accepted.resources_list_changed = requested.resources_list_changed;
        accepted.resource_subscriptions = requested.resource_subscriptions.as_ref().map(|uris| {
            let watched = uris
                .iter()
                .filter(|uri| self.catalogue.resources.is_watched(uri));
            watched.take(MOST_RESOURCES).cloned().collect()
        });
        accepted
    }

    /// Tells the client of changes until it ends its request, or the server stops.
    pub(super) async fn tell_changes(
        &self,
        context: &SubscriptionContext,
    ) -> Result<(), ErrorData> {
        let request = context.request_context();
        let incoming = self.incoming(request);
        let line = Line::begin(&incoming, "subscriptions/listen");
        let told = async {
            let _place = self.subscriptions.listen(incoming.claimant.clone())?;
            let (call, _guards) = self.receive(incoming.clone(), request);
            Watch::new(self, call, context.accepted())
                .tell(context)
                .await;
            Ok(())
        };
        line.end_request(told.await)
    }

    /// Begins to tell a client of an older revision when a resource changes.
    ///
    /// # Errors
    /// The resource is none that is watched, the client cannot be told, or there is no place.
    pub(super) async fn begin_subscription(
        &self,
        uri: &str,
        context: &RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let incoming = self.incoming(context);
        let listener = incoming.way_back.clone().listener(&context.peer);
        let listener = listener.ok_or_else(needs_session)?;
        let line = Line::begin(&incoming, "resources/subscribe");
        let (call, guards) = self.receive(incoming.clone(), context);
        let subscription = subscription(uri, &incoming);
        let begun = self.subscribe_to(subscription, call, listener).await;
        drop(guards);
        line.end_request(begun)
    }

    async fn subscribe_to(
        &self,
        subscription: Subscription,
        mut call: Call,
        listener: Arc<dyn ChangeListener>,
    ) -> Result<(), NoResult> {
        self.check_is_watched(&subscription.uri)?;
        let filter = SubscriptionFilter::builder()
            .resource_subscriptions([&subscription.uri])
            .build();
        let caller = call.claimant.clone();
        let Some((place, end)) = self.subscriptions.begin(subscription, caller)? else {
            return Ok(());
        };
        // The subscription outlives the request that began it.
        let ended = end.clone().drop_guard();
        call.cancelled = end.clone();
        let mut watch = Watch::new(self, call, &filter);
        // What changes from now on is told.
        watch.look().await;
        let stopping = self.stopping.clone();
        tokio::spawn(async move {
            let _until_it_ends = (place, ended);
            loop {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    () = end.cancelled() => return,
                    () = stopping.cancelled() => return,
                }
                if listener.has_gone() {
                    return;
                }
                for change in watch.look().await {
                    if let Change::Resource(uri) = change
                        && listener.tell(uri).await.is_err()
                    {
                        return;
                    }
                }
            }
        });
        Ok(())
    }

    /// Ends what [`McpServer::begin_subscription`] began; a subscription that has ended already
    /// stays so.
    ///
    /// # Errors
    /// Nobody can have subscribed to such a resource.
    pub(super) fn end_subscription(
        &self,
        uri: &str,
        context: &RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let incoming = self.incoming(context);
        if matches!(incoming.way_back, WayBack::None) {
            return Err(needs_session());
        }
        let line = Line::begin(&incoming, "resources/unsubscribe");
        let is_watched = self.check_is_watched(uri);
        if is_watched.is_ok() {
            self.subscriptions.end(&subscription(uri, &incoming));
        }
        line.end_request(is_watched)
    }

    fn check_is_watched(&self, uri: &str) -> Result<(), NoResult> {
        if self.catalogue.resources.is_watched(uri) {
            return Ok(());
        }
        let message = format!(
            "`{}` is no resource whose changes this server tells of; it does of jobs and of \
             active pipelines",
            shorten_name(uri)
        );
        let error = ErrorData::resource_not_found(message, None);
        Err(NoResult::Unknown(error))
    }
}

fn needs_session() -> ErrorData {
    let message = "changes are told in a session: send `initialize`, and its session's id with \
                   each request";
    ErrorData::invalid_request(message, None)
}

fn subscription(uri: &str, incoming: &Incoming) -> Subscription {
    Subscription {
        session: incoming.session.clone().unwrap_or_default(),
        uri: uri.to_owned(),
    }
}
