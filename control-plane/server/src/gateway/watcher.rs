//! Keeps asking the document's servers for their lists.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gateway_document::{Server, ServerName};
use store::ListHash;
use tokio::task::JoinHandle;

use super::Gateway;
use crate::catalogue::{Listing, with_causes};

/// How often servers are asked.
#[derive(Debug, Clone, Copy)]
pub struct RelistSchedule {
    /// Time between an answer and the next question.
    pub after_answer: Duration,
    /// After the first failure; each further one doubles it.
    pub first_retry: Duration,
    /// The longest wait after a failure.
    pub longest_retry: Duration,
}

impl RelistSchedule {
    fn after_failure(self, wait: Option<Duration>) -> Duration {
        wait.map_or(self.first_retry, |wait| wait * 2)
            .min(self.longest_retry)
    }
}

/// How often in a row a server has listed something else than before: every list that is new is a
/// generation for all Envoys, so a server that changes its list all the time is asked ever less
/// often.
#[derive(Debug, Default)]
struct Unrest {
    last: Option<ListHash>,
    changes: u32,
}

/// A server is asked at least every 32 times [`RelistSchedule::after_answer`]: five minutes.
const MOST_DOUBLINGS: u32 = 5;

impl Unrest {
    /// Takes note of a list; tells after which time the next one may come. One change costs
    /// nothing; from the second one in a row on each doubles the time, and each list that is the
    /// same halves it.
    fn after(&mut self, listing: &Listing, schedule: RelistSchedule) -> Duration {
        let mut tools = listing.tools.clone();
        tools.sort_by(|one, other| one.json.cmp(&other.json));
        let hash = Some(ListHash::of(&tools));
        let is_new = self.last.is_some() && self.last != hash;
        self.last = hash;
        self.changes = if is_new {
            (self.changes + 1).min(MOST_DOUBLINGS + 1)
        } else {
            self.changes.saturating_sub(1)
        };
        schedule.after_answer * 2_u32.pow(self.changes.saturating_sub(1))
    }
}

/// Asks every server of the document in force, each in its own time, whenever it is due. Never
/// returns.
pub async fn watch(gateway: Arc<Gateway>, schedule: RelistSchedule) {
    let mut documents = gateway.documents();
    let mut watched: BTreeMap<ServerName, (Server, Watching)> = BTreeMap::new();
    loop {
        let document = Arc::clone(&documents.borrow_and_update());
        watched.retain(|name, (server, _)| document.servers.get(name) == Some(server));
        for (name, server) in &document.servers {
            watched.entry(name.clone()).or_insert_with(|| {
                let task =
                    watch_server(Arc::clone(&gateway), name.clone(), server.clone(), schedule);
                (server.clone(), Watching(tokio::spawn(task)))
            });
        }
        if documents.changed().await.is_err() {
            return;
        }
    }
}

/// A task that ends when this is dropped.
pub(super) struct Watching(pub(super) JoinHandle<()>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn watch_server(
    gateway: Arc<Gateway>,
    name: ServerName,
    server: Server,
    schedule: RelistSchedule,
) {
    let mut wait = None;
    let mut unrest = Unrest::default();
    loop {
        let well_first = gateway.with_well_endpoints_first(&name, &server);
        let listing = async {
            let client = gateway.client_towards(&server).await?;
            client.list(&well_first).await
        };
        match listing.await {
            Ok(listing) => {
                wait = None;
                let rest = unrest.after(&listing, schedule);
                observe(&gateway, &name, listing).await;
                tokio::time::sleep(rest).await;
            }
            Err(error) => {
                gateway.observe_failure(&name, &server, with_causes(&error));
                let delay = schedule.after_failure(wait);
                wait = Some(delay);
                tokio::time::sleep(delay).await;
            }
        }
    }
}

/// In a task of its own: a change that is begun must be finished, also when the document that it
/// came from is replaced meanwhile and this task ends.
async fn observe(gateway: &Arc<Gateway>, name: &ServerName, listing: Listing) {
    let (gateway, name) = (Arc::clone(gateway), name.clone());
    let observed = tokio::spawn(async move { gateway.observe(&name, listing).await });
    if let Err(error) = observed.await {
        tracing::error!(%error, "a server's list was not taken in");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: RelistSchedule = RelistSchedule {
        after_answer: Duration::from_secs(10),
        first_retry: Duration::from_millis(250),
        longest_retry: Duration::from_secs(2),
    };

    #[test]
    fn it_asks_a_server_less_often_that_lists_something_else_each_time() {
        let listing = |names: &[&str]| Listing {
            endpoint: String::new(),
            protocol: String::new(),
            about: gateway_document::ServerAbout::default(),
            tools: names
                .iter()
                .map(|name| store::RawTool {
                    name: (*name).to_owned(),
                    json: format!("{{\"name\":\"{name}\"}}"),
                })
                .collect(),
        };
        let mut unrest = Unrest::default();
        let mut after = |names: &[&str]| unrest.after(&listing(names), SCHEDULE).as_secs();
        assert_eq!(after(&["a", "b"]), 10);
        assert_eq!(after(&["b", "a"]), 10, "another order is the same list");
        assert_eq!(after(&["c"]), 10, "one change costs nothing");
        assert_eq!(after(&["c"]), 10);
        let restless = ["d", "e", "f", "g", "h", "i", "j", "k"].map(|name| after(&[name]));
        assert_eq!(restless, [10, 20, 40, 80, 160, 320, 320, 320]);
        let calm = [(); 7].map(|()| after(&["k"]));
        assert_eq!(calm, [160, 80, 40, 20, 10, 10, 10]);
    }

    #[test]
    fn it_waits_twice_as_long_after_each_failure_up_to_the_longest() {
        let mut wait = None;
        let waits: Vec<u128> = std::iter::repeat_with(|| {
            let next = SCHEDULE.after_failure(wait);
            wait = Some(next);
            next.as_millis()
        })
        .take(6)
        .collect();
        assert_eq!(waits, [250, 500, 1_000, 2_000, 2_000, 2_000]);
    }
}
