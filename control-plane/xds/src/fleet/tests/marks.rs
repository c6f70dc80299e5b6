//! Endpoints that are marked, and those who have them.

use super::*;

/// A generation whose cluster has two endpoints.
fn balanced(name: &str) -> Arc<Snapshot> {
    let hosts = ["a:1", "b:1"].map(|host| LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            hostname: host.to_owned(),
            ..Endpoint::default()
        })),
        ..LbEndpoint::default()
    });
    let assignment = ClusterLoadAssignment {
        cluster_name: "c".to_owned(),
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: hosts.into(),
            ..LocalityLbEndpoints::default()
        }],
        ..ClusterLoadAssignment::default()
    };
    let assignment = Resource::encode(&assignment).expect("it is one");
    snapshot(name, [eds_cluster("c", 1), assignment])
}

fn without_a() -> EndpointMarks {
    let mut marks = EndpointMarks::default();
    marks.set("c", "a:1", EndpointMark::Out);
    marks
}

/// How many endpoints a stream is to give its Envoy.
fn endpoints_of(stream: &Stream) -> usize {
    let assignment = stream.admission.assignment.borrow();
    let snapshot = assignment
        .snapshot
        .as_ref()
        .or(assignment.supplies.as_ref());
    let snapshot = snapshot.expect("it has one");
    let resource = snapshot
        .get(ResourceType::Endpoints, "c")
        .expect("it has endpoints");
    let assignment = ClusterLoadAssignment::decode(resource.content());
    let localities = assignment.expect("they are endpoints").endpoints;
    localities.iter().map(|one| one.lb_endpoints.len()).sum()
}

#[test]
fn it_takes_a_marked_endpoint_from_every_envoy_whatever_generation_each_has() {
    let (one, two) = (balanced("1"), balanced("2"));
    let mut table = Table::of(&one);
    let (a, b) = (table.connect("a"), table.connect("b"));
    let canary = BTreeMap::from([(NodeId::new("b"), Arc::clone(&two))]);
    table.assign(canary, Newcomers::all(Arc::clone(&one)));
    assert_eq!((endpoints_of(&a), endpoints_of(&b)), (2, 2));
    assert!(table.fleet.mark_endpoints(without_a(), table.now));
    assert_eq!((endpoints_of(&a), endpoints_of(&b)), (1, 1));
    assert_eq!((a.given(), b.given()), (named("1"), named("2")));
    assert_eq!(endpoints_of(&table.connect("c")), 1);
    // Told again, nobody is woken; and the next generation does not bring it back.
    assert!(!table.fleet.mark_endpoints(without_a(), table.now));
    table.distribute(&balanced("3"), Newcomers::default());
    assert_eq!((endpoints_of(&a), a.given()), (1, named("3")));
    let unmarked = EndpointMarks::default();
    assert!(table.fleet.mark_endpoints(unmarked, table.now));
    assert_eq!(endpoints_of(&a), 2);
}

#[test]
fn it_gives_an_envoy_that_was_away_what_it_had_with_the_endpoints_of_today() {
    let one = balanced("1");
    let mut table = Table::of(&one);
    let a = table.connect("a");
    table.lose(&a, StreamEnd::ByUs);
    assert!(!table.fleet.mark_endpoints(without_a(), table.now));
    table.fleet.offer(Newcomers::default(), table.now);
    let back = table.connect("a");
    assert_eq!((endpoints_of(&back), back.given()), (1, named("1")));
}

#[test]
fn it_takes_a_marked_endpoint_from_an_envoy_that_waits_with_nothing() {
    let one = balanced("1");
    let mut table = Table::new();
    table.fleet.mark_endpoints(without_a(), table.now);
    let supplies = |snapshot: &Snapshot| Newcomers {
        supplies: Some(Arc::new(Snapshot::supplies_of(snapshot, snapshot))),
        ..Newcomers::default()
    };
    let early = table.connect("early");
    table.fleet.offer(supplies(&one), table.now);
    let late = table.connect("late");
    for waits in [&early, &late] {
        assert_eq!((endpoints_of(waits), waits.given()), (1, None));
    }
    assert!(
        table
            .fleet
            .mark_endpoints(EndpointMarks::default(), table.now)
    );
    assert_eq!((endpoints_of(&early), endpoints_of(&late)), (2, 2));
    // Told again, nobody is woken.
    let mut told = late.admission.assignment.clone();
    told.mark_unchanged();
    let again = table.fleet.newcomers.clone();
    table.fleet.offer(again, table.now);
    assert!(!told.has_changed().expect("open"));
    table.fleet.offer(Newcomers::all(one), table.now);
    assert_eq!([early.given(), late.given()], [named("1"), named("1")]);
    assert!(late.admission.assignment.borrow().supplies.is_none());
}
