//! The table hands out what it is told, and reports facts.

mod crashes;
mod gone;
mod identities;
mod marks;
mod runs;
mod secrets;
mod steps;

use std::time::Duration;

use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint::HostIdentifier,
};
use prost::Message as _;

use super::*;
use crate::{
    Assignments, DeliveryState, Distribution, NodeDescription, NodeSelector, NodeSummary,
    RejectedContent, Resource, SecretTable,
    fixtures::{cluster, eds_cluster, extension, snapshot},
    session::{Answer, DeltaRequest, DeltaResponse},
};

const ACK_DEADLINE: Duration = Duration::from_secs(5);
const FIRST: FirstRequest = FirstRequest {
    resource_type: ResourceType::Cluster,
    reports_resources: false,
};

/// A fleet, and the clock.
struct Table {
    fleet: Fleet,
    now: Instant,
}

/// An Envoy's open stream.
struct Stream {
    id: NodeId,
    admission: Admission,
}

impl Table {
    fn new() -> Self {
        Self {
            fleet: Fleet::default(),
            now: Instant::now(),
        }
    }

    /// A table that gives everyone `snapshot`.
    fn of(snapshot: &Arc<Snapshot>) -> Self {
        let mut table = Self::new();
        table.distribute(snapshot, Newcomers::all(Arc::clone(snapshot)));
        table
    }

    fn distribute(&mut self, snapshot: &Arc<Snapshot>, newcomers: Newcomers) {
        let distribution = Distribution {
            connected: Assignments::Everyone(Arc::clone(snapshot)),
            newcomers,
            ack_deadline: ACK_DEADLINE,
        };
        self.fleet.distribute(distribution, self.now);
    }

    fn assign(&mut self, table: BTreeMap<NodeId, Arc<Snapshot>>, newcomers: Newcomers) {
        let distribution = Distribution {
            connected: Assignments::ByNode(table),
            newcomers,
            ack_deadline: ACK_DEADLINE,
        };
        self.fleet.distribute(distribution, self.now);
    }

    fn connect(&mut self, id: &str) -> Stream {
        self.connect_showing(id, FIRST, "envoy 1.40.0")
    }

    fn connect_of(&mut self, cluster: &str, id: &str) -> Stream {
        let description = NodeDescription {
            cluster: cluster.to_owned(),
            ..NodeDescription::default()
        };
        self.connect_as(id, Arc::new(description), FIRST, "envoy 1.40.0")
    }

    fn connect_showing(&mut self, id: &str, first: FirstRequest, user_agent: &str) -> Stream {
        self.connect_as(id, Arc::default(), first, user_agent)
    }

    fn connect_as(
        &mut self,
        id: &str,
        description: Arc<NodeDescription>,
        first: FirstRequest,
        user_agent: &str,
    ) -> Stream {
        let identity = Identity {
            id: NodeId::new(id),
            description,
            user_agent: user_agent.to_owned(),
        };
        let admission = self.fleet.connect(identity, first, self.now);
        let admission = admission.expect("few streams have its name");
        Stream {
            id: NodeId::new(id),
            admission,
        }
    }

    /// Asks for clusters and extension `e`, and answers all that comes: rejects the extension if
    /// told so.
    fn work(&mut self, stream: &Stream, rejects_extensions: bool) {
        let assignment = stream.admission.assignment.borrow().clone();
        let mut session = lock(&stream.admission.session);
        if let Some(snapshot) = assignment.snapshot {
            session.assign(snapshot, ACK_DEADLINE, assignment.number);
        }
        for (resource_type, names) in [
            (ResourceType::Cluster, vec![]),
            (ResourceType::ExtensionConfig, vec!["e".into()]),
        ] {
            session
                .request(asking(resource_type, names), self.now)
                .expect("few names");
        }
        let mut due = session.poll(self.now);
        while !due.is_empty() {
            for response in std::mem::take(&mut due) {
                let rejects =
                    rejects_extensions && response.resource_type == ResourceType::ExtensionConfig;
                session
                    .request(answering(&response, rejects), self.now)
                    .expect("few names");
                due.extend(session.poll(self.now));
            }
        }
        let standing = session.standing().clone();
        drop(session);
        self.fleet
            .report(&stream.id, stream.admission.stream, standing, self.now);
    }

    fn lose(&mut self, stream: &Stream, end: StreamEnd) {
        self.fleet
            .disconnect(&stream.id, stream.admission.stream, end, self.now);
    }

    fn tally(&self, generation: &str) -> [usize; 3] {
        let tally = self.fleet.tally(&Generation::new(generation));
        [tally.waiting, tally.acknowledged, tally.rejected]
    }

    fn summary(&self, id: &str) -> NodeSummary {
        let briefs = self.fleet.briefs();
        let summaries: Vec<_> = briefs.into_iter().map(Brief::into_summary).collect();
        let mut mine = summaries
            .into_iter()
            .filter(|summary| summary.id.as_str() == id);
        mine.next().expect("it is known")
    }
}

impl Stream {
    fn given(&self) -> Option<String> {
        let assignment = self.admission.assignment.borrow();
        let snapshot = assignment.snapshot.as_ref();
        snapshot.map(|snapshot| snapshot.generation().to_string())
    }
}

fn asking(resource_type: ResourceType, subscribe: Vec<Arc<str>>) -> DeltaRequest {
    DeltaRequest {
        subscribe,
        ..DeltaRequest::nothing(resource_type)
    }
}

fn answering(response: &DeltaResponse, rejects: bool) -> DeltaRequest {
    DeltaRequest {
        answer: Some(Answer {
            nonce: response.nonce.clone(),
            rejection: rejects.then(|| "garbage".to_owned()),
        }),
        ..asking(response.resource_type, Vec::new())
    }
}

/// A generation whose extension says its name.
fn generation(name: &str) -> Arc<Snapshot> {
    snapshot(name, [cluster("a", 1), extension("e", name)])
}

fn named(name: &str) -> Option<String> {
    Some(name.to_owned())
}

#[test]
fn it_gives_connected_envoys_and_newcomers_what_it_is_told() {
    let (one, two) = (generation("1"), generation("2"));
    let mut table = Table::new();
    let a = table.connect("a");
    assert_eq!(a.given(), None);
    table.distribute(&one, Newcomers::all(Arc::clone(&one)));
    assert_eq!(a.given(), named("1"));
    let newcomers = Newcomers {
        first: Some(Arc::clone(&two)),
        ..Newcomers::all(one)
    };
    table.distribute(&two, newcomers);
    let [b, c] = [table.connect("b"), table.connect("c")];
    assert_eq!(
        [a.given(), b.given(), c.given()],
        [named("2"), named("2"), named("1")]
    );
}

#[test]
fn it_lets_newcomers_wait_until_there_is_something_for_them() {
    let two = generation("2");
    let mut table = Table::new();
    table.distribute(&two, Newcomers::default());
    let [a, b] = [table.connect("a"), table.connect("b")];
    assert_eq!([a.given(), b.given()], [None, None]);
    table.fleet.offer(
        Newcomers {
            first: Some(two),
            ..Newcomers::default()
        },
        table.now,
    );
    assert_eq!([a.given(), b.given()], [named("2"), None]);
}

#[test]
fn it_gives_some_envoys_another_snapshot_and_leaves_the_others_alone() {
    let (one, two) = (generation("1"), generation("2"));
    let mut table = Table::of(&one);
    let (a, b) = (table.connect("a"), table.connect("b"));
    table.work(&b, false);
    let before = b.admission.assignment.borrow().number;
    let members = BTreeMap::from([(NodeId::new("a"), Arc::clone(&two))]);
    let newcomers = Newcomers {
        by_node: members.clone(),
        ..Newcomers::all(Arc::clone(&one))
    };
    table.assign(members, newcomers);
    assert_eq!([a.given(), b.given()], [named("2"), named("1")]);
    assert_eq!(b.admission.assignment.borrow().number, before);
    assert_eq!(table.tally("1"), [0, 1, 0]);
    table.lose(&a, StreamEnd::ByEnvoy);
    table.lose(&b, StreamEnd::ByEnvoy);
    let [a, b] = [table.connect("a"), table.connect("b")];
    assert_eq!([a.given(), b.given()], [named("2"), named("1")]);
}

#[test]
fn it_gives_newcomers_what_is_said_of_them_or_of_their_group_or_of_all() {
    let (one, two, three) = (generation("1"), generation("2"), generation("3"));
    let edge = NodeSelector {
        cluster: Some("edge".to_owned()),
        ..NodeSelector::default()
    };
    let mut table = Table::new();
    let waiting = table.connect_of("edge", "waiting");
    let newcomers = Newcomers {
        by_node: BTreeMap::from([(NodeId::new("known"), Arc::clone(&three))]),
        by_group: vec![(edge, two)],
        ..Newcomers::all(one)
    };
    table.assign(BTreeMap::new(), newcomers);
    let known = table.connect_of("edge", "known");
    let of_group = table.connect_of("edge", "of-group");
    let other = table.connect_of("core", "other");
    assert_eq!(
        [
            known.given(),
            waiting.given(),
            of_group.given(),
            other.given()
        ],
        [named("3"), named("2"), named("2"), named("1")]
    );
}

#[test]
fn it_gives_an_envoy_that_comes_back_what_it_had_unless_others_have_been_given_something_else() {
    let (one, two) = (generation("1"), generation("2"));
    let mut table = Table::of(&one);
    let a = table.connect("a");
    table.distribute(&two, Newcomers::all(Arc::clone(&one)));
    table.lose(&a, StreamEnd::ByEnvoy);
    let a = table.connect("a");
    assert_eq!(a.given(), named("2"));
    table.lose(&a, StreamEnd::ByEnvoy);
    table.distribute(&one, Newcomers::all(Arc::clone(&one)));
    assert_eq!(table.connect("a").given(), named("1"));
}

#[test]
fn it_counts_an_envoy_that_was_not_handed_its_assignment_yet_as_waiting() {
    let (one, two) = (generation("1"), generation("2"));
    let mut table = Table::of(&one);
    let a = table.connect("a");
    assert_eq!(table.tally("1"), [1, 0, 0]);
    table.work(&a, false);
    assert_eq!(table.tally("1"), [0, 1, 0]);
    table.distribute(&two, Newcomers::all(Arc::clone(&two)));
    assert_eq!((table.tally("1"), table.tally("2")), ([0, 0, 0], [1, 0, 0]));
    // What it still says about the older one does not count.
    let stale = Standing {
        answer: NodeAnswer::Acknowledged,
        assignment: 1,
        ..Standing::default()
    };
    table
        .fleet
        .report(&a.id, a.admission.stream, stale, table.now);
    assert_eq!(table.tally("2"), [1, 0, 0]);
    table.work(&a, true);
    assert_eq!(table.tally("2"), [0, 0, 1]);
    table.lose(&a, StreamEnd::ByEnvoy);
    assert_eq!(table.tally("2"), [0, 0, 0]);
}

#[test]
fn it_counts_two_envoys_of_one_name_as_one_that_has_taken_what_both_took() {
    let one = generation("1");
    let mut table = Table::of(&one);
    let [first, second] = [table.connect("twin"), table.connect("twin")];
    assert_eq!(table.summary("twin").streams, 2);
    table.work(&second, false);
    assert_eq!(table.tally("1"), [1, 0, 0]);
    table.work(&first, true);
    assert_eq!(table.tally("1"), [0, 0, 1]);
    table.lose(&first, StreamEnd::ByEnvoy);
    assert_eq!(table.summary("twin").streams, 1);
    assert_eq!(table.tally("1"), [0, 1, 0]);
}

#[test]
fn it_tells_of_each_rejection_once_and_when_it_no_longer_matters() {
    let (one, two) = (generation("1"), generation("2"));
    let mut table = Table::of(&one);
    let a = table.connect("a");
    table.work(&a, false);
    table.distribute(&two, Newcomers::all(Arc::clone(&one)));
    table.work(&a, true);
    let content = RejectedContent {
        resource_type: ResourceType::ExtensionConfig,
        name: "e".into(),
        version: extension("e", "2").version().clone(),
        message: "garbage".into(),
        run_on: Some(extension("e", "1").version().clone()),
    };
    let rejected = RejectionChange::Rejected {
        node: a.id.clone(),
        content: content.clone(),
    };
    assert_eq!(table.fleet.take_changes(), [rejected]);
    assert_eq!(table.summary("a").rejections, [content]);
    table.distribute(&one, Newcomers::all(Arc::clone(&one)));
    table.work(&a, false);
    let ended = RejectionChange::Ended {
        node: a.id.clone(),
        resource_type: ResourceType::ExtensionConfig,
        name: "e".into(),
    };
    assert_eq!(table.fleet.take_changes(), [ended]);
}

#[test]
fn it_remembers_rejections_from_before_this_process_started() {
    let one = generation("1");
    let mut table = Table::of(&one);
    let mut first = Table::of(&one);
    let before = first.connect("a");
    first.work(&before, true);
    let stored = (*lock(&before.admission.session).standing().rejections).clone();
    table.fleet.remember(NodeId::new("a"), stored);
    let a = table.connect("a");
    // It acknowledges the same bytes now, as Envoy does without looking.
    table.work(&a, false);
    assert_eq!(table.tally("1"), [0, 0, 1]);
    let positions = lock(&a.admission.session).positions();
    assert!(
        positions
            .iter()
            .any(|one| matches!(one.state, DeliveryState::Rejected { .. }))
    );
}
