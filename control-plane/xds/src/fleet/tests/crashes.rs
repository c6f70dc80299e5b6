//! Envoys that are lost soon after they were sent something.

use super::*;

/// Sends an Envoy what it is to have, and loses it `after` that.
fn crash(table: &mut Table, stream: &Stream, after: Duration) {
    table.work(stream, false);
    table.now += after;
    table.lose(stream, StreamEnd::ByEnvoy);
}

#[test]
fn it_keeps_a_generation_from_an_envoy_that_crashed_with_it_twice() {
    let (one, two) = (generation("1"), generation("2"));
    let mut table = Table::of(&two);
    let soon = Duration::from_secs(10);
    let a = table.connect("a");
    crash(&mut table, &a, soon);
    let a = table.connect("a");
    assert_eq!(a.given(), named("2"));
    crash(&mut table, &a, soon);
    let a = table.connect("a");
    assert_eq!(a.given(), None);
    let crashes = table.summary("a").crashes.expect("crashes");
    assert_eq!((crashes.count, crashes.is_kept_from_it), (2, true));
    table.distribute(&one, Newcomers::all(Arc::clone(&one)));
    assert_eq!(a.given(), named("1"));
    // It is not given it again, until somebody says that it may be tried.
    table.distribute(&two, Newcomers::all(Arc::clone(&two)));
    assert_eq!(a.given(), named("1"));
    table.fleet.forgive_crashes();
    table.distribute(&two, Newcomers::all(Arc::clone(&two)));
    assert_eq!(a.given(), named("2"));
}

/// Has an Envoy connect, be sent something, and leave without having answered anything.
fn die_unheard(table: &mut Table) -> Stream {
    let stream = table.connect("a");
    {
        let assignment = stream.admission.assignment.borrow().clone();
        let mut session = lock(&stream.admission.session);
        if let Some(snapshot) = assignment.snapshot {
            session.assign(snapshot, ACK_DEADLINE, assignment.number);
        }
        session
            .request(asking(ResourceType::Cluster, vec![]), table.now)
            .expect("few names");
        session.poll(table.now);
    }
    table.now += Duration::from_secs(1);
    table.lose(&stream, StreamEnd::ByEnvoy);
    stream
}

#[test]
fn it_keeps_a_generation_from_an_envoy_that_dies_before_it_answers_anything() {
    let mut table = Table::of(&generation("1"));
    die_unheard(&mut table);
    die_unheard(&mut table);
    let a = table.connect("a");
    assert_eq!(a.given(), None);
    let crashes = table.summary("a").crashes.expect("crashes");
    assert_eq!(
        (crashes.count, crashes.is_kept_from_it, crashes.was_heard),
        (2, true, false)
    );
    // One that was sent nothing has crashed with nothing.
    let mut table = Table::new();
    for _ in 0..3 {
        die_unheard(&mut table);
    }
    assert_eq!(table.summary("a").crashes, None);
}

#[test]
fn it_counts_no_restart_that_the_generation_has_nothing_to_do_with() {
    let soon = Duration::from_secs(10);
    let late = Duration::from_secs(61);
    let reporting = FirstRequest {
        reports_resources: true,
        ..FIRST
    };
    let restarts: [fn(&mut Table, &Stream, Duration) -> Stream; 4] = [
        // The connection was lost, and the Envoy is the same process.
        |table, stream, soon| {
            crash(table, stream, soon);
            table.connect_showing(
                "a",
                FirstRequest {
                    reports_resources: true,
                    ..FIRST
                },
                "envoy 1.40.0",
            )
        },
        // It was replaced by another version.
        |table, stream, soon| {
            crash(table, stream, soon);
            let version = format!("envoy {:?}", table.now);
            table.connect_showing("a", FIRST, &version)
        },
        // It was replaced while it ran.
        |table, stream, soon| {
            table.work(stream, false);
            table.now += soon;
            let next = table.connect("a");
            table.lose(stream, StreamEnd::ByEnvoy);
            next
        },
        // We ended the stream.
        |table, stream, soon| {
            table.work(stream, false);
            table.now += soon;
            table.lose(stream, StreamEnd::ByUs);
            table.connect("a")
        },
    ];
    for restart in restarts {
        let mut table = Table::of(&generation("1"));
        let mut a = table.connect("a");
        for _ in 0..4 {
            a = restart(&mut table, &a, soon);
            assert_eq!(a.given(), named("1"));
        }
    }
    let mut table = Table::of(&generation("1"));
    let mut a = table.connect("a");
    for after in [soon, late, soon, late] {
        crash(&mut table, &a, after);
        a = table.connect("a");
        assert_eq!(a.given(), named("1"));
    }
    assert!(reporting.reports_resources);
}
