//! Clocks do not change answers that have been given, and what is asked of one costs one.

use futures::FutureExt as _;

use super::*;
use crate::{
    ResourceType,
    fixtures::{cluster, snapshot},
};

fn connect(publisher: &Publisher, name: &str) {
    let identity = Identity {
        id: NodeId::new(name),
        description: Arc::default(),
        user_agent: String::new(),
    };
    let first = FirstRequest {
        resource_type: ResourceType::Cluster,
        reports_resources: false,
    };
    let _admission = publisher.connect(identity, first).expect("few are there");
}

#[test]
fn it_tells_the_same_time_of_an_event_at_every_look() {
    let publisher = Publisher::new();
    connect(&publisher, "one");
    let looks: Vec<_> = (0..100).map(|_| publisher.nodes()).collect();
    assert!(looks.iter().all(|look| *look == looks[0]));
}

#[test]
fn it_works_out_those_envoys_alone_that_are_asked_for() {
    let publisher = Publisher::new();
    for name in ["one", "other"] {
        connect(&publisher, name);
    }
    let named = publisher.nodes_named(&BTreeSet::from([NodeId::new("other")]));
    let all = publisher.nodes();
    assert_eq!((named.len(), all.len()), (1, 2));
    assert!(all.contains(&named[0]) && named[0].id.as_str() == "other");
}

#[tokio::test]
async fn it_wakes_nobody_by_an_offer_that_gives_no_envoy_anything() {
    let publisher = Publisher::new();
    let offered = snapshot("one", [cluster("c", 1)]);
    let mut standings = publisher.standings();
    publisher.offer(Newcomers::all(Arc::clone(&offered)));
    assert_eq!(standings.changed().now_or_never(), None);
    publisher.offer(Newcomers::default());
    connect(&publisher, "waiting");
    assert_eq!(standings.changed().now_or_never(), Some(()));
    publisher.offer(Newcomers::all(Arc::clone(&offered)));
    assert_eq!(standings.changed().now_or_never(), Some(()));
    publisher.offer(Newcomers::all(offered));
    assert_eq!(standings.changed().now_or_never(), None);
}
