//! How an Envoy's last stream ended, and whether it is on its way back.

use super::*;
use crate::{Departure, Ran};

const MINUTE: Duration = Duration::from_secs(60);
/// The first request of a process that ran before.
const RUNNING: FirstRequest = FirstRequest {
    reports_resources: true,
    ..FIRST
};

fn ran(name: &str, lasted: Duration) -> Option<Ran> {
    Some(Ran {
        generation: Generation::new(name),
        lasted,
        may_have_begun_earlier: false,
    })
}

#[test]
fn it_says_who_ended_a_stream_and_how_long_the_envoy_ran_what_it_had_acknowledged() {
    for by in [StreamEnd::ByEnvoy, StreamEnd::ByUs] {
        let mut table = Table::of(&generation("1"));
        let a = table.connect("a");
        table.now += MINUTE;
        table.work(&a, false);
        assert_eq!(table.summary("a").departure, None);
        table.now += MINUTE;
        table.lose(&a, by);
        let ran = ran("1", MINUTE);
        assert_eq!(table.summary("a").departure, Some(Departure { by, ran }));
        // Whatever others are given meanwhile, that is what it ran.
        let two = generation("2");
        table.distribute(&two, Newcomers::all(Arc::clone(&two)));
        let departure = table.summary("a").departure.expect("it is gone");
        assert_eq!(departure.ran.expect("it ran").lasted, MINUTE);
        table.connect("a");
        assert_eq!(table.summary("a").departure, None);
    }
}

#[test]
fn it_counts_no_time_for_an_envoy_that_has_not_acknowledged_what_it_was_given() {
    let mut table = Table::of(&generation("1"));
    let a = table.connect("a");
    table.now += MINUTE;
    table.lose(&a, StreamEnd::ByEnvoy);
    let departure = table.summary("a").departure.expect("it is gone");
    assert_eq!(departure.ran, None);
}

#[test]
fn it_counts_the_time_on_while_an_envoy_is_told_of_other_endpoints() {
    let mut table = Table::of(&generation("1"));
    let a = table.connect("a");
    table.work(&a, false);
    table.now += MINUTE;
    let same = generation("1");
    table.distribute(&same, Newcomers::all(Arc::clone(&same)));
    table.work(&a, false);
    table.now += MINUTE;
    table.lose(&a, StreamEnd::ByEnvoy);
    let departure = table.summary("a").departure.expect("it is gone");
    assert_eq!(departure.ran, ran("1", 2 * MINUTE));
}

#[test]
fn it_says_since_when_an_envoy_is_on_its_way_until_it_has_acknowledged() {
    let mut table = Table::of(&generation("1"));
    let a = table.connect("a");
    let first = Some(table.now);
    assert_eq!(table.summary("a").on_its_way_since, first);
    table.now += MINUTE;
    assert_eq!(table.summary("a").on_its_way_since, first);
    table.work(&a, false);
    assert_eq!(table.summary("a").on_its_way_since, None);
    table.lose(&a, StreamEnd::ByEnvoy);
    table.now += MINUTE;
    let came = table.now;
    // The second process is lost before it says anything, and the third one says all.
    for _ in 0..2 {
        let a = table.connect("a");
        assert_eq!(table.summary("a").on_its_way_since, Some(came));
        table.now += MINUTE;
        table.lose(&a, StreamEnd::ByEnvoy);
    }
    let a = table.connect_showing("a", RUNNING, "envoy 1.40.0");
    assert_eq!(table.summary("a").on_its_way_since, Some(came));
    table.work(&a, false);
    assert_eq!(table.summary("a").on_its_way_since, None);
    // What it had not acknowledged before is asked for like any change.
    table.lose(&a, StreamEnd::ByEnvoy);
    let two = generation("2");
    table.distribute(&two, Newcomers::all(Arc::clone(&two)));
    table.connect_showing("a", RUNNING, "envoy 1.40.0");
    assert_eq!(table.summary("a").on_its_way_since, None);
}

#[test]
fn it_says_since_when_an_envoy_is_back_whose_old_stream_has_not_ended() {
    let mut table = Table::of(&generation("1"));
    let old = table.connect("a");
    table.work(&old, false);
    table.now += MINUTE;
    let came = table.now;
    let new = table.connect("a");
    assert_eq!(table.summary("a").answer, NodeAnswer::Waiting);
    assert_eq!(table.summary("a").on_its_way_since, Some(came));
    table.work(&new, false);
    assert_eq!(table.summary("a").on_its_way_since, None);
    // The process that runs now is the new one.
    table.now += MINUTE;
    table.lose(&old, StreamEnd::ByEnvoy);
    table.lose(&new, StreamEnd::ByEnvoy);
    let departure = table.summary("a").departure.expect("it is gone");
    assert_eq!(departure.ran, ran("1", MINUTE));
}

#[test]
fn it_counts_the_time_of_a_process_on_over_its_streams_and_of_the_next_one_anew() {
    let (by_us, by_envoy) = (StreamEnd::ByUs, StreamEnd::ByEnvoy);
    // A network interruption, the end of a stream's age, and a process in place of another one.
    for (by, first, lasted) in [
        (by_envoy, RUNNING, 2 * MINUTE),
        (by_us, RUNNING, 2 * MINUTE),
        (by_us, FIRST, MINUTE),
        (by_envoy, FIRST, MINUTE),
    ] {
        let mut table = Table::of(&generation("1"));
        let a = table.connect("a");
        table.work(&a, false);
        table.now += MINUTE;
        table.lose(&a, by);
        let a = table.connect_showing("a", first, "envoy 1.40.0");
        table.work(&a, false);
        table.now += MINUTE;
        table.lose(&a, by_envoy);
        let departure = table.summary("a").departure.expect("it is gone");
        assert_eq!(departure.ran, ran("1", lasted), "{by:?} {first:?}");
    }
}

/// The names of those who came, went or were forgotten, with a letter for where they are by now.
fn news(table: &mut Table) -> Vec<String> {
    let envoys = table.fleet.attendance_news().envoys.into_iter();
    let envoys = envoys.map(|(id, presence)| match presence {
        Presence::Connected => format!("+{id}"),
        Presence::Away { departure, .. } => format!("-{id} {:?}", departure.by),
        Presence::Unknown => format!("?{id}"),
    });
    envoys.collect()
}

#[test]
fn it_says_that_an_envoy_may_have_run_what_it_acknowledged_before_it_came_to_this_process() {
    let earlier = |table: &Table| {
        let departure = table.summary("a").departure.expect("it is gone");
        departure.ran.expect("it ran").may_have_begun_earlier
    };
    for (first, is_earlier) in [(RUNNING, true), (FIRST, false)] {
        let mut table = Table::of(&generation("1"));
        let a = table.connect_showing("a", first, "envoy 1.40.0");
        table.work(&a, false);
        table.lose(&a, StreamEnd::ByEnvoy);
        assert_eq!(earlier(&table), is_earlier, "{first:?}");
        // Its process goes on, on another stream.
        let a = table.connect_showing("a", RUNNING, "envoy 1.40.0");
        table.work(&a, false);
        table.lose(&a, StreamEnd::ByUs);
        assert_eq!(earlier(&table), is_earlier, "{first:?}");
    }
    let of_before = || {
        let mut table = Table::of(&generation("1"));
        let a = table.connect_showing("a", RUNNING, "envoy 1.40.0");
        table.work(&a, false);
        (table, a)
    };
    // What it is given next begins here.
    let (mut table, a) = of_before();
    let two = generation("2");
    table.distribute(&two, Newcomers::all(Arc::clone(&two)));
    table.work(&a, false);
    table.lose(&a, StreamEnd::ByEnvoy);
    assert!(!earlier(&table));
    // So does the next process.
    let (mut table, a) = of_before();
    table.lose(&a, StreamEnd::ByEnvoy);
    let a = table.connect("a");
    table.work(&a, false);
    table.lose(&a, StreamEnd::ByEnvoy);
    assert!(!earlier(&table));
}

#[test]
fn it_tells_who_came_and_went_since_somebody_asked() {
    let mut table = Table::of(&generation("1"));
    let a = table.connect("a");
    let b = table.connect("b");
    assert_eq!(news(&mut table), ["+a", "+b"]);
    table.work(&a, false);
    let replacing = table.connect("a");
    table.lose(&a, StreamEnd::ByEnvoy);
    assert_eq!(news(&mut table), [""; 0], "it was there all the time");
    table.lose(&replacing, StreamEnd::ByEnvoy);
    table.lose(&b, StreamEnd::ByUs);
    assert_eq!(news(&mut table), ["-a ByEnvoy", "-b ByUs"]);
    table.connect("a");
    let attendance = table.fleet.attendance();
    assert_eq!((attendance.connected, attendance.envoys.len()), (1, 2));
    // Whoever has seen all of them has seen the news.
    assert_eq!(news(&mut table), [""; 0]);
}

#[test]
fn it_tells_of_all_where_too_many_came_and_went_and_of_those_that_it_forgets() {
    let mut table = Table::of(&generation("1"));
    table.fleet.attendance();
    for number in 0..20_000 {
        let one = table.connect(&number.to_string());
        table.lose(&one, StreamEnd::ByEnvoy);
        if number == 15_000 {
            let news = table.fleet.attendance_news();
            let forgotten = news.envoys.iter();
            let forgotten = forgotten.filter(|(_, presence)| *presence == Presence::Unknown);
            assert!(!news.is_whole);
            assert_eq!(news.envoys.len() - forgotten.count(), 1024);
            assert_eq!(news.envoys.len(), 15_001);
        }
    }
    for number in 0..20_000 {
        let one = table.connect(&format!("other {number}"));
        table.lose(&one, StreamEnd::ByEnvoy);
    }
    let news = table.fleet.attendance_news();
    assert!(news.is_whole);
    assert_eq!((news.connected, news.envoys.len()), (0, 1024));
}
