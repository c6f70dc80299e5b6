//! Who is waited for, and whose end counts, on a simulated clock.

use std::sync::Arc;

use xds::{NodeAnswer, Ran};

use super::*;

const PATIENCE: Duration = Duration::from_secs(5);
const SECOND: Duration = Duration::from_secs(1);

/// Envoys of which some have the generation `new`, and the clock.
struct Fleet {
    began: Instant,
    now: Instant,
    members: BTreeSet<NodeId>,
    envoys: Vec<NodeSummary>,
    resumed_at: Option<Instant>,
}

impl Fleet {
    /// Connected Envoys with the generation, and without.
    fn new(with: &[&str], without: &[&str]) -> Self {
        let began = Instant::now();
        let envoys = with.iter().chain(without).map(|id| NodeSummary {
            id: NodeId::new(id),
            description: Arc::default(),
            streams: 1,
            since: began,
            desired: Some(Generation::new("new")),
            assigned_at: Some(began),
            answer: NodeAnswer::Acknowledged,
            rejections: Vec::new(),
            crashes: None,
            departure: None,
            back_since: None,
        });
        Self {
            began,
            now: began,
            members: with.iter().map(|id| NodeId::new(id)).collect(),
            envoys: envoys.collect(),
            resumed_at: None,
        }
    }

    /// An Envoy goes, having run the generation of that name for so long.
    fn lose(&mut self, id: &str, by: StreamEnd, ran: Option<(&str, Duration)>) {
        let mut envoys = self.envoys.iter_mut();
        let envoy = envoys.find(|envoy| envoy.id.as_str() == id).unwrap();
        envoy.streams = 0;
        envoy.since = self.now;
        envoy.departure = Some(Departure {
            by,
            ran: ran.map(|(name, lasted)| Ran {
                generation: Generation::new(name),
                lasted,
            }),
        });
    }

    fn at(&mut self, after: Duration) -> Losses {
        self.now = self.began + after;
        let members = Members {
            ids: &self.members,
            generation: &Generation::new("new"),
            patience: PATIENCE,
            resumed_at: self.resumed_at,
        };
        losses(members, &self.envoys, self.now)
    }

    /// The names of those who are awaited, are lost, and have left.
    fn look(&mut self, after: Duration) -> [String; 3] {
        let losses = self.at(after);
        [losses.awaited, losses.lost, losses.left].map(|envoys| {
            let names: Vec<String> = envoys.iter().map(ToString::to_string).collect();
            names.join(" ")
        })
    }
}

fn those(awaited: &str, lost: &str, left: &str) -> [String; 3] {
    [awaited.to_owned(), lost.to_owned(), left.to_owned()]
}

const DYING: StreamEnd = StreamEnd::ByEnvoy;

#[test]
fn it_waits_a_minute_for_an_envoy_that_ends_soon_after_it_took_the_change_and_then_blames_that() {
    for ran in [
        None,
        Some(("new", TRIED - SECOND)),
        Some(("old", 9 * TRIED)),
    ] {
        let mut fleet = Fleet::new(&["a", "b"], &["c"]);
        assert_eq!(fleet.look(Duration::ZERO), those("", "", ""));
        fleet.lose("a", DYING, ran);
        assert_eq!(fleet.look(Duration::ZERO), those("a", "", ""));
        let until = fleet.at(BACK_WITHIN - SECOND).until;
        assert_eq!(until, Some(fleet.began + BACK_WITHIN));
        assert_eq!(fleet.look(BACK_WITHIN - SECOND), those("a", "", ""));
        assert_eq!(fleet.look(BACK_WITHIN), those("", "a", ""));
        let reason = fleet.at(BACK_WITHIN).reason();
        assert!(reason.contains("1 of the 2 Envoys that have it, and 0 of 1 others"));
    }
}

#[test]
fn it_blames_nothing_for_the_end_of_an_envoy_that_has_run_the_change_for_a_minute() {
    let mut fleet = Fleet::new(&["a", "b"], &["c"]);
    fleet.lose("a", DYING, Some(("new", TRIED)));
    assert_eq!(fleet.look(Duration::ZERO), those("", "", ""));
    assert_eq!(
        fleet.at(Duration::ZERO).until,
        Some(fleet.began + PATIENCE),
        "it may be opening its stream anew"
    );
    assert_eq!(fleet.look(PATIENCE), those("", "", "a"));
    assert_eq!(fleet.look(2 * BACK_WITHIN), those("", "", "a"));
}

#[test]
fn it_blames_nothing_for_a_stream_that_the_control_plane_ended() {
    let mut fleet = Fleet::new(&["a", "b"], &["c"]);
    fleet.lose("a", StreamEnd::ByUs, None);
    assert_eq!(fleet.look(BACK_WITHIN), those("", "", "a"));
}

#[test]
fn it_tells_a_fleet_that_shrinks_from_envoys_that_die_of_the_change() {
    let with = ["a", "b", "c", "d"];
    let without = ["e", "f", "g", "h"];
    // One of four with it, and so many of four without it.
    for (others, is_blamed) in [(0, true), (1, false), (4, false)] {
        let mut fleet = Fleet::new(&with, &without);
        fleet.lose("a", DYING, None);
        for id in &without[..others] {
            fleet.lose(id, DYING, None);
        }
        let expected = match is_blamed {
            true => those("", "a", ""),
            false => those("", "", "a"),
        };
        assert_eq!(fleet.look(BACK_WITHIN), expected, "{others}");
    }
    // All with it die: one without it that goes as well is no excuse.
    let mut fleet = Fleet::new(&with, &without);
    for id in with.iter().chain(&["e"]) {
        fleet.lose(id, DYING, None);
    }
    assert_eq!(fleet.look(BACK_WITHIN), those("", "a b c d", ""));
}

#[test]
fn it_compares_with_those_that_went_at_the_same_time_alone() {
    let mut fleet = Fleet::new(&["a"], &["b", "c"]);
    fleet.lose("b", DYING, None);
    fleet.at(TRIED + SECOND);
    fleet.lose("a", DYING, None);
    let end = TRIED + SECOND + BACK_WITHIN;
    assert_eq!(fleet.look(end), those("", "a", ""), "`b` went long before");
    // Where everyone has it, nobody tells of anything else.
    let mut fleet = Fleet::new(&["a", "b"], &[]);
    fleet.lose("a", DYING, None);
    assert_eq!(fleet.look(BACK_WITHIN), those("", "a", ""));
}

#[test]
fn it_does_not_wait_for_an_envoy_that_the_fleet_has_forgotten() {
    let mut fleet = Fleet::new(&["a"], &["b"]);
    fleet.members.insert(NodeId::new("forgotten"));
    assert_eq!(fleet.look(Duration::ZERO), those("", "", "forgotten"));
}

#[test]
fn it_waits_a_minute_for_the_envoys_of_an_earlier_process_and_blames_none_that_does_not_come() {
    let mut fleet = Fleet::new(&["a", "b"], &["c"]);
    fleet.resumed_at = Some(fleet.began);
    fleet.members.insert(NodeId::new("unseen"));
    let losses = fleet.at(BACK_WITHIN - SECOND);
    assert_eq!(losses.unseen, [NodeId::new("unseen")].into());
    assert_eq!(losses.left, BTreeSet::new());
    assert_eq!(losses.until, Some(fleet.began + BACK_WITHIN));
    assert!(!losses.is_complete());
    let words = losses.wait().unwrap();
    assert!(
        words.contains("`unseen` has not come back since"),
        "{words}"
    );
    assert_eq!(fleet.look(BACK_WITHIN), those("", "", "unseen"));
    let losses = fleet.at(BACK_WITHIN);
    assert!(losses.is_complete());
    assert_eq!((losses.until, losses.wait()), (None, None));
    // One that has come and gone is no stranger any more.
    fleet.lose("a", DYING, None);
    fleet.members.remove(&NodeId::new("unseen"));
    assert_eq!(fleet.look(BACK_WITHIN), those("a", "", ""));
}
