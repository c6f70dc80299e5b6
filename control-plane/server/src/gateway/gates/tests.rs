//! The gates of a wave, by what its Envoys report.

use std::time::Instant;

use super::*;

const LABEL: &str = "listener.mcp";

/// Envoys that report, and the keeper of the gates of a generation whose configuration is 7.
struct Fleet {
    keeper: GateKeeper,
    reported: BTreeMap<NodeId, EnvoyNumbers>,
    wave: BTreeSet<NodeId>,
    left: BTreeSet<NodeId>,
    has_passed: bool,
    is_last: bool,
}

impl Fleet {
    fn new(gates: &str) -> Self {
        let gates = serde_json::from_str(gates).unwrap();
        Self {
            keeper: GateKeeper::new(gates, [(LABEL.to_owned(), 7)].into()),
            reported: BTreeMap::new(),
            wave: BTreeSet::new(),
            left: BTreeSet::new(),
            has_passed: false,
            is_last: false,
        }
    }

    /// A report in which an Envoy has answered so many more requests, of which so many failed, with
    /// this configuration.
    fn report(&mut self, id: &str, (requests, failed): (u64, u64), configuration: u64) {
        let numbers = self
            .reported
            .entry(NodeId::new(id))
            .or_insert_with(|| EnvoyNumbers {
                heard_at: Instant::now(),
                reports: 0,
                counts: TrafficCounts::default(),
                lately: TrafficCounts::default(),
                configurations: BTreeMap::new(),
            });
        numbers.reports += 1;
        numbers.counts.requests += requests;
        numbers.counts.failed_answers += failed;
        numbers.counts.refusals += failed;
        numbers.lately = numbers.counts;
        numbers
            .configurations
            .insert(LABEL.to_owned(), configuration);
    }

    /// Begins a wave with these Envoys.
    fn begin(&mut self, ids: &[&str]) {
        self.wave = ids.iter().map(|id| NodeId::new(id)).collect();
        self.has_passed = false;
        let Self {
            keeper,
            reported,
            wave,
            ..
        } = self;
        keeper.give(wave, |id| reported.get(id).cloned());
    }

    fn pass(&mut self) -> GateVerdict {
        self.has_passed = true;
        self.look()
    }

    fn look(&mut self) -> GateVerdict {
        let wave = GatedWave {
            nodes: &self.wave,
            has_passed: self.has_passed,
            is_last: self.is_last,
            has_left: &|id| self.left.contains(id),
        };
        let reported = &self.reported;
        self.keeper.look(wave, |id| reported.get(id).cloned())
    }

    fn is_closed(&mut self, words: &str) -> bool {
        matches!(self.look(), GateVerdict::Closed(why) if why.contains(words))
    }

    fn is_breached(&mut self, words: &str) -> bool {
        matches!(self.look(), GateVerdict::Breached(why) if why.contains(words))
    }
}

#[test]
fn it_opens_once_each_envoy_says_it_runs_the_change_and_enough_requests_were_answered() {
    let mut fleet = Fleet::new(r#"{"error_rate": "1%", "min_requests": 10}"#);
    fleet.report("a", (100, 0), 6);
    fleet.begin(&["a"]);
    fleet.report("a", (100, 0), 7);
    assert!(
        fleet.is_closed("0 of the 1 Envoys"),
        "its wave has not acknowledged"
    );
    fleet.pass();
    fleet.report("a", (100, 0), 6);
    assert!(
        fleet.is_closed("0 of the 1 Envoys"),
        "a worker runs what was before"
    );
    fleet.report("a", (100, 0), 7);
    assert!(
        fleet.is_closed("answered 0 of the 10 requests"),
        "it counts from here"
    );
    fleet.report("a", (9, 0), 7);
    assert!(fleet.is_closed("answered 9 of the 10 requests"));
    fleet.report("a", (1, 0), 7);
    assert_eq!(fleet.look(), GateVerdict::Open);
}

#[test]
fn it_does_not_count_what_was_before_against_the_change() {
    let mut fleet = Fleet::new(r#"{"error_rate": "1%", "min_requests": 10}"#);
    fleet.begin(&["a"]);
    fleet.pass();
    fleet.report("a", (100, 100), 6);
    fleet.look();
    fleet.report("a", (100, 100), 7);
    fleet.look();
    fleet.report("a", (100, 0), 7);
    assert_eq!(fleet.look(), GateVerdict::Open);
}

#[test]
fn it_is_breached_by_shares_that_grow_beyond_what_was_usual_and_the_limit() {
    // What failed of 100 requests before, with the change, and whether that is too much for 5%.
    let rows = [
        (0, 5, false),
        (0, 6, true),
        (20, 25, false),
        (20, 26, true),
        (20, 0, false),
    ];
    for gate in ["error_rate", "refusals"] {
        for (before, with, is_breach) in rows {
            let mut fleet = Fleet::new(&format!(r#"{{"{gate}": "5%", "min_requests": 100}}"#));
            fleet.report("a", (100, before), 6);
            fleet.begin(&["a"]);
            fleet.pass();
            fleet.report("a", (0, 0), 7);
            fleet.look();
            fleet.report("a", (100, with), 7);
            let case = format!("{gate}: {before} before, {with} with the change");
            assert_eq!(fleet.is_breached(gate), is_breach, "{case}");
            assert_eq!(fleet.look() == GateVerdict::Open, !is_breach, "{case}");
        }
    }
}

#[test]
fn it_finds_one_envoy_that_fails_among_many_and_many_that_each_answer_little() {
    let running = |requests: u64, failed: &[u64]| {
        let mut fleet = Fleet::new(r#"{"error_rate": "10%", "min_requests": 100}"#);
        let names: Vec<String> = (0..failed.len())
            .map(|number| format!("e{number}"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        fleet.begin(&names);
        for reports in [true, true, false] {
            for (name, failed) in names.iter().zip(failed) {
                let counts = if reports { (0, 0) } else { (requests, *failed) };
                fleet.report(name, counts, 7);
            }
            fleet.pass();
        }
        fleet
    };
    assert!(running(100, &[0, 0, 0, 11, 0]).is_breached("Envoy `e3` failed 11.00%"));
    assert!(running(25, &[3, 3, 3, 3, 3]).is_breached("together failed 12.00%"));
    assert_eq!(running(100, &[10; 5]).look(), GateVerdict::Open);
}

#[test]
fn it_waits_for_numbers_that_do_not_come_unless_the_document_says_otherwise() {
    for (without, is_open) in [("wait", false), ("open", true)] {
        let mut fleet = Fleet::new(&format!(r#"{{"without_numbers": "{without}"}}"#));
        fleet.begin(&["silent"]);
        fleet.pass();
        assert_eq!(fleet.look() == GateVerdict::Open, is_open, "{without}");
    }
}

#[test]
fn it_waits_for_no_numbers_in_the_last_wave_and_is_breached_there_all_the_same() {
    let mut fleet = Fleet::new(r#"{"error_rate": "1%", "min_requests": 1}"#);
    fleet.begin(&["a"]);
    fleet.pass();
    for _ in 0..2 {
        fleet.report("a", (10, 0), 7);
        fleet.look();
    }
    fleet.begin(&["b"]);
    fleet.is_last = true;
    assert_eq!(fleet.pass(), GateVerdict::Open);
    fleet.report("b", (0, 0), 7);
    fleet.look();
    fleet.report("b", (10, 10), 7);
    assert!(fleet.is_breached("Envoy `b`"));
}

#[test]
fn it_goes_on_with_what_an_earlier_process_gave_and_what_was_usual_then() {
    for (is_stored, with, is_breach) in [(true, 24, false), (true, 26, true), (false, 6, true)] {
        let mut fleet = Fleet::new(r#"{"error_rate": "5%", "min_requests": 100}"#);
        fleet.report("a", (100, 20), 6);
        fleet.begin(&["a"]);
        let usual = fleet.keeper.usual();
        // The next process hears of them for the first time.
        let mut next = Fleet::new(r#"{"error_rate": "5%", "min_requests": 100}"#);
        next.wave = [NodeId::new("a")].into();
        let usual = if is_stored { usual } else { BTreeMap::new() };
        next.keeper.resume(next.wave.iter(), &usual);
        next.report("a", (1_000, 1_000), 7);
        assert!(matches!(next.pass(), GateVerdict::Closed(_)), "unmeasured");
        next.report("a", (0, 0), 7);
        assert!(next.is_closed("answered 0 of the 100 requests"));
        next.report("a", (100, with), 7);
        let case = format!("{with} with the change, stored: {is_stored}");
        assert_eq!(next.is_breached("error_rate"), is_breach, "{case}");
        assert_eq!(next.look() == GateVerdict::Open, !is_breach, "{case}");
    }
}

#[test]
fn it_watches_the_envoys_of_earlier_waves_after_a_restart_too() {
    let mut fleet = Fleet::new(r#"{"error_rate": "5%", "min_requests": 10}"#);
    let all = [NodeId::new("a"), NodeId::new("b")];
    fleet.keeper.resume(all.iter(), &BTreeMap::new());
    fleet.wave = [NodeId::new("b")].into();
    for _ in 0..2 {
        fleet.report("a", (10, 0), 7);
        fleet.pass();
    }
    fleet.report("a", (10, 10), 7);
    assert!(fleet.is_breached("Envoy `a`"));
}

#[test]
fn it_waits_for_none_that_has_left_while_another_one_measures() {
    let mut fleet = Fleet::new(r#"{"error_rate": "5%", "min_requests": 10}"#);
    fleet.begin(&["a", "b"]);
    fleet.pass();
    fleet.report("a", (0, 0), 7);
    assert!(fleet.is_closed("1 of the 2 Envoys"));
    fleet.left = [NodeId::new("b")].into();
    assert!(fleet.is_closed("answered 0 of the 10 requests"));
    fleet.report("a", (10, 0), 7);
    assert_eq!(fleet.look(), GateVerdict::Open);
    fleet.left.insert(NodeId::new("a"));
    assert!(fleet.is_closed("every Envoy of the wave has left"));
}

#[test]
fn it_names_those_that_have_still_to_report_and_what_they_may_lack() {
    let mut fleet = Fleet::new(r#"{"error_rate": "5%"}"#);
    fleet.begin(&["a", "b", "c", "d", "e"]);
    fleet.report("a", (1, 0), 6);
    fleet.pass();
    assert!(fleet.is_closed(
        "0 of the 5 Envoys of the wave have reported that they run the change; `a` does not yet, \
         `b` reports nothing, for which its bootstrap needs the statistics sink, `c` reports"
    ));
    assert!(fleet.is_closed("sink, and 2 others"));
}
