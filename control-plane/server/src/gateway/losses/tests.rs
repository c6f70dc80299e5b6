//! Who is waited for, and whose end counts, on a simulated clock.

use xds::{Attendance, NodeSummary, Presence, Ran};

use super::*;
use crate::gateway::connected_envoy::connected;

const PATIENCE: Duration = Duration::from_secs(5);
const SECOND: Duration = Duration::from_secs(1);

/// Envoys of which some have the generation `new`, and the clock.
struct Fleet {
    began: Instant,
    now: Instant,
    members: BTreeSet<NodeId>,
    envoys: Vec<NodeSummary>,
    resumed_at: Option<Instant>,
    excused: BTreeMap<NodeId, Instant>,
}

impl Fleet {
    /// Connected Envoys with the generation, and without.
    fn new(with: &[&str], without: &[&str]) -> Self {
        let began = Instant::now();
        let envoys = with.iter().chain(without);
        let envoys = envoys.map(|id| connected(id, "new", began));
        Self {
            began,
            now: began,
            members: with.iter().map(|id| NodeId::new(id)).collect(),
            envoys: envoys.collect(),
            resumed_at: None,
            excused: BTreeMap::new(),
        }
    }

    fn envoy(&mut self, id: &str) -> &mut NodeSummary {
        let mut envoys = self.envoys.iter_mut();
        envoys.find(|envoy| envoy.id.as_str() == id).unwrap()
    }

    /// An Envoy goes, having run the generation of that name for so long.
    fn lose(&mut self, id: &str, by: StreamEnd, ran: Option<(&str, Duration)>) {
        let now = self.now;
        let envoy = self.envoy(id);
        envoy.streams = 0;
        envoy.since = now;
        envoy.departure = Some(Departure {
            by,
            ran: ran.map(|(name, lasted)| Ran {
                generation: Generation::new(name),
                lasted,
                may_have_begun_earlier: false,
            }),
        });
    }

    /// An Envoy goes that ran the generation of that name for a second, and came with it.
    fn lose_running(&mut self, id: &str, name: &str) {
        self.lose(id, DYING, Some((name, SECOND)));
        let departure = self.envoy(id).departure.as_mut().unwrap();
        departure.ran.as_mut().unwrap().may_have_begun_earlier = true;
    }

    /// An Envoy is back.
    fn bring_back(&mut self, id: &str) {
        let now = self.now;
        let envoy = self.envoy(id);
        envoy.streams = 1;
        envoy.since = now;
        envoy.departure = None;
    }

    fn attendance(&self) -> Attendance {
        let there = self.envoys.iter().filter(|envoy| envoy.streams > 0);
        Attendance {
            connected: there.count(),
            is_whole: true,
            envoys: self.envoys.iter().map(presence).collect(),
        }
    }

    fn roll(&self) -> Roll {
        Roll::new(self.members.clone(), self.attendance())
    }

    fn losses(&self, roll: &Roll) -> Losses {
        let members = Members {
            generation: &Generation::new("new"),
            patience: PATIENCE,
            resumed_at: self.resumed_at,
            excused: &self.excused,
        };
        losses(members, roll, self.now)
    }

    fn at(&mut self, after: Duration) -> Losses {
        self.now = self.began + after;
        let roll = self.roll();
        let mut losses = self.losses(&roll);
        self.excused.clone_from(&losses.excused);
        let forgotten = roll.unknown.iter().filter(|id| losses.has_left(id, &roll));
        losses.left = losses.left.iter().chain(forgotten).cloned().collect();
        losses
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

fn presence(envoy: &NodeSummary) -> (NodeId, Presence) {
    let presence = match envoy.departure.clone() {
        Some(departure) => Presence::Away {
            since: envoy.since,
            departure,
        },
        None => Presence::Connected,
    };
    (envoy.id.clone(), presence)
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
fn it_blames_nothing_for_the_end_of_an_envoy_that_came_running_what_an_earlier_process_gave_it() {
    // Whether the rollout goes on from an earlier process, what the Envoy ran, and who is lost.
    for (is_resumed, name, lost) in [(true, "new", ""), (false, "new", "a"), (true, "old", "a")] {
        let mut fleet = Fleet::new(&["a", "b"], &["c"]);
        fleet.resumed_at = is_resumed.then_some(fleet.began);
        fleet.lose_running("a", name);
        let left = if lost.is_empty() { "a" } else { "" };
        assert_eq!(fleet.look(BACK_WITHIN), those("", lost, left), "{name}");
    }
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
        // Whenever somebody looks again.
        for minutes in [2, 3, 30] {
            assert_eq!(fleet.look(minutes * BACK_WITHIN), expected, "{others}");
        }
    }
    // All with it die: one without it that goes as well is no excuse.
    let mut fleet = Fleet::new(&with, &without);
    for id in with.iter().chain(&["e"]) {
        fleet.lose(id, DYING, None);
    }
    assert_eq!(fleet.look(BACK_WITHIN), those("", "a b c d", ""));
}

#[test]
fn it_judges_an_end_once_whatever_becomes_of_the_envoys_without_the_change_later() {
    let mut fleet = Fleet::new(&["a", "b"], &["c", "d"]);
    fleet.lose("a", DYING, None);
    fleet.lose("c", DYING, None);
    assert_eq!(fleet.look(BACK_WITHIN), those("", "", "a"));
    fleet.bring_back("c");
    assert_eq!(fleet.look(3 * BACK_WITHIN), those("", "", "a"));
    // Another end of the same Envoy is another matter.
    fleet.bring_back("a");
    assert_eq!(fleet.look(3 * BACK_WITHIN), those("", "", ""));
    assert_eq!(fleet.excused, BTreeMap::new());
    fleet.lose("a", DYING, None);
    assert_eq!(fleet.look(4 * BACK_WITHIN), those("", "a", ""));
}

#[test]
fn it_compares_with_those_that_went_at_the_same_time_alone() {
    for (apart, expected) in [
        (AT_ONCE, those("", "", "a")),
        // `b` went long before.
        (AT_ONCE + SECOND, those("", "a", "")),
    ] {
        let mut fleet = Fleet::new(&["a", "x"], &["b", "c"]);
        fleet.lose("b", DYING, None);
        fleet.at(apart);
        fleet.lose("a", DYING, None);
        assert_eq!(fleet.look(apart + BACK_WITHIN), expected, "{apart:?}");
        // Nobody has looked meanwhile: its wave waited for Envoys.
        fleet.excused.clear();
        assert_eq!(fleet.look(apart + 9 * BACK_WITHIN), expected, "{apart:?}");
    }
    let mut fleet = Fleet::new(&["a", "x"], &["b", "c"]);
    fleet.lose("a", DYING, None);
    fleet.at(AT_ONCE + SECOND);
    fleet.lose("b", DYING, None);
    assert_eq!(
        fleet.look(9 * BACK_WITHIN),
        those("", "a", ""),
        "`b` went long after"
    );
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
    assert_eq!(losses.unseen, Some((NodeId::new("unseen"), 1)));
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

#[test]
fn it_calls_the_same_roll_by_news_as_by_a_look_at_everybody() {
    let names = ["a", "b", "c", "d", "e", "f"];
    for resumed in [false, true] {
        let mut fleet = Fleet::new(&names[..3], &names[3..]);
        fleet.resumed_at = resumed.then_some(fleet.began);
        let mut roll = fleet.roll();
        for step in 0..400_u32 {
            // Each of them goes in each way and comes back, in ever other orders.
            let name = names[(step * 7 + step / 12) as usize % names.len()];
            match (step * 5 + step / 8) % 4 {
                0 => fleet.lose(name, DYING, None),
                1 => fleet.lose(name, StreamEnd::ByUs, Some(("new", TRIED))),
                _ => fleet.bring_back(name),
            }
            let mut news = presence(fleet.envoy(name));
            // Now and then one is forgotten.
            let is_forgotten = step % 9 == 0 && news.1 != Presence::Connected;
            if is_forgotten {
                news.1 = Presence::Unknown;
            }
            let mut whole = fleet.attendance();
            whole.envoys.retain(|(id, _)| *id != news.0);
            whole.envoys.push(news.clone());
            let by_news = Attendance {
                is_whole: false,
                envoys: vec![news],
                ..whole
            };
            assert!(roll.take_in(by_news));
            if is_forgotten {
                fleet.bring_back(name);
                let back = presence(fleet.envoy(name));
                roll.take_in(Attendance {
                    is_whole: false,
                    envoys: vec![back],
                    ..fleet.attendance()
                });
            }
            assert_eq!(fleet.losses(&roll), fleet.losses(&fleet.roll()), "{step}");
            fleet.now += Duration::from_secs(u64::from(step % 4) * 9);
            assert_eq!(fleet.losses(&roll), fleet.losses(&fleet.roll()), "{step}");
        }
    }
}

#[test]
fn it_looks_at_nobody_but_who_comes_and_who_is_gone_however_many_are_there() {
    const MANY: usize = 2_000;
    let mut fleet = Fleet::new(&[], &[]);
    fleet.members = (0..MANY).map(|id| NodeId::new(&id.to_string())).collect();
    fleet.resumed_at = Some(fleet.began);
    let mut roll = fleet.roll();
    let ((), steps) = step_count::taken_by(|| {
        for (number, id) in fleet.members.iter().enumerate() {
            roll.take_in(Attendance {
                connected: number + 1,
                is_whole: false,
                envoys: vec![(id.clone(), Presence::Connected)],
            });
            let losses = fleet.losses(&roll);
            assert_eq!(losses.is_complete(), number + 1 == MANY);
        }
    });
    assert!(steps <= 2 * MANY as u64, "{steps} steps");
}
