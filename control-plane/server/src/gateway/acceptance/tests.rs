//! The judge on a simulated clock.

use envoy_types::pb::envoy::config::listener::v3::Listener;
use xds::{Crashes, Generation, RejectedContent, Resource};

use super::*;
use crate::gateway::connected_envoy::connected;

const ACK_DEADLINE: Duration = Duration::from_secs(5);
const BACK_WITHIN: Duration = Duration::from_secs(60);

/// A generation of one listener `l`, whose content is the generation's name.
fn generation(name: &str) -> Snapshot {
    let listener = Resource::encode(&Listener {
        name: "l".to_owned(),
        stat_prefix: name.to_owned(),
        ..Default::default()
    });
    let builder = Snapshot::builder(Generation::new(name));
    builder.with(listener.unwrap()).build().unwrap()
}

fn rejection_of(name: &str) -> RejectedContent {
    let snapshot = generation(name);
    let listener = snapshot.get(ResourceType::Listener, "l").unwrap();
    RejectedContent {
        resource_type: ResourceType::Listener,
        name: "l".into(),
        version: listener.version().clone(),
        message: " port in use\n".into(),
        run_on: None,
    }
}

/// Generation `new` on trial after `old` was accepted, and the Envoys that are to have it.
struct Court {
    began: Instant,
    now: Instant,
    new: Snapshot,
    old: Option<Snapshot>,
    marks: Marks,
    envoys: Vec<NodeSummary>,
    is_watched: bool,
}

impl Court {
    fn new(answers: &[(&str, NodeAnswer)]) -> Self {
        let began = Instant::now();
        let envoys = answers.iter().map(|(id, answer)| NodeSummary {
            answer: *answer,
            rejections: match answer {
                NodeAnswer::Rejected => vec![rejection_of("new")],
                _ => Vec::new(),
            },
            ..connected(id, "new", began)
        });
        Self {
            began,
            now: began,
            new: generation("new"),
            old: Some(generation("old")),
            marks: Marks::default(),
            envoys: envoys.collect(),
            is_watched: false,
        }
    }

    fn envoy(&mut self, id: &str) -> &mut NodeSummary {
        let mut envoys = self.envoys.iter_mut();
        envoys.find(|envoy| envoy.id.as_str() == id).unwrap()
    }

    fn after(mut self, time: Duration) -> Self {
        self.now = self.began + time;
        self
    }

    fn judgement(&self) -> Judgement {
        let trial = Trial {
            snapshot: &self.new,
            began: self.began,
            is_watched: self.is_watched,
            back_within: self.is_watched.then_some(BACK_WITHIN),
            ack_deadline: ACK_DEADLINE,
            accepted: self.old.as_ref(),
            marks: &self.marks,
        };
        judge(&trial, &self.envoys, self.now)
    }

    fn verdict(&self) -> Verdict {
        self.judgement().verdict
    }

    /// The ids of those whose rejection counts.
    fn against(&self) -> Vec<String> {
        let rejections = self.judgement().rejections;
        rejections.keys().map(ToString::to_string).collect()
    }
}

const ACK: NodeAnswer = NodeAnswer::Acknowledged;
const NACK: NodeAnswer = NodeAnswer::Rejected;
const SILENCE: NodeAnswer = NodeAnswer::Waiting;

#[test]
fn it_judges_by_what_every_envoy_answered_and_by_the_deadline() {
    let soon = ACK_DEADLINE - Duration::from_millis(1);
    // What is answered, and the judgement before the deadline (none: it waits) and from the
    // deadline on.
    let rows: [(&[NodeAnswer], Option<Verdict>, Verdict); 8] = [
        (&[], Some(Verdict::NoEnvoys), Verdict::NoEnvoys),
        (&[ACK], Some(Verdict::Accepted), Verdict::Accepted),
        (&[ACK, ACK], Some(Verdict::Accepted), Verdict::Accepted),
        (&[ACK, SILENCE], None, Verdict::Standing),
        (&[SILENCE], None, Verdict::Unanswered),
        (&[NACK], Some(Verdict::Rejected), Verdict::Rejected),
        // It acts at once, not when the slowest has answered.
        (
            &[ACK, SILENCE, NACK],
            Some(Verdict::Rejected),
            Verdict::Rejected,
        ),
        (
            &[SILENCE, SILENCE, NACK],
            Some(Verdict::Rejected),
            Verdict::Rejected,
        ),
    ];
    for (answers, before, at_the_deadline) in rows {
        let named: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .zip(answers.iter().copied())
            .collect();
        let court = Court::new(&named).after(soon);
        let until = court.began + ACK_DEADLINE;
        let before = before.unwrap_or(Verdict::Waiting { until });
        assert_eq!(court.verdict(), before, "{answers:?}");
        assert_eq!(
            court.after(ACK_DEADLINE).verdict(),
            at_the_deadline,
            "{answers:?}"
        );
    }
}

#[test]
fn it_gives_an_envoy_that_is_on_its_way_to_what_is_watched_more_time_than_for_a_change() {
    for (is_watched, deadline) in [(true, BACK_WITHIN), (false, ACK_DEADLINE)] {
        let mut court = Court::new(&[("good", ACK), ("starting", SILENCE)]);
        court.is_watched = is_watched;
        let until = court.began + deadline;
        court.envoy("starting").on_its_way_since = Some(court.began);
        let court = court.after(deadline - Duration::from_millis(1));
        assert_eq!(court.verdict(), Verdict::Waiting { until });
        assert_eq!(court.after(deadline).verdict(), Verdict::Standing);
    }
}

#[test]
fn it_lets_no_envoy_that_is_broken_in_itself_decide_for_others() {
    // It rejects what Envoys have accepted before.
    let mut court = Court::new(&[("good", ACK), ("sick", NACK)]);
    court.envoy("sick").rejections.push(rejection_of("old"));
    assert_eq!(court.verdict(), Verdict::Standing);
    assert_eq!(court.against(), [""; 0]);
    assert!(court.judgement().envoys[1].broken);
    // Nobody waits for it either.
    court.envoy("sick").answer = SILENCE;
    assert_eq!(court.verdict(), Verdict::Standing);
    // Until another has answered, nothing is decided.
    court.envoy("sick").answer = NACK;
    court.envoy("good").answer = SILENCE;
    assert!(matches!(court.verdict(), Verdict::Waiting { .. }));
    // A healthy one that rejects decides as ever.
    court.envoy("good").answer = NACK;
    court.envoy("good").rejections = vec![rejection_of("new")];
    assert_eq!(court.verdict(), Verdict::Rejected);
    assert_eq!(court.against(), ["good"]);
}

#[test]
fn it_remembers_who_is_broken_until_it_takes_a_generation_in_full() {
    let mut court = Court::new(&[("good", ACK), ("sick", NACK)]);
    let (new, old) = (generation("new"), generation("old"));
    court.envoy("sick").rejections = vec![rejection_of("old")];
    let mut marks = Marks::default();
    marks.note_broken(&new, Some(&old), &court.envoys);
    // By now it has rejected something else, and only that is known of it.
    court.envoy("sick").rejections = vec![rejection_of("new")];
    court.marks = marks.clone();
    assert_eq!(court.verdict(), Verdict::Standing);
    court.envoy("sick").answer = ACK;
    court.envoy("sick").rejections.clear();
    marks.note_broken(&new, Some(&old), &court.envoys);
    assert_eq!(marks.broken, BTreeSet::new());
}

#[test]
fn it_asks_broken_envoys_where_there_is_nobody_else() {
    let mut court = Court::new(&[("sick", NACK)]);
    court.envoy("sick").rejections.push(rejection_of("old"));
    assert_eq!(court.verdict(), Verdict::Rejected);
    assert_eq!(court.against(), ["sick"]);
}

#[test]
fn it_takes_nothing_back_from_others_because_one_was_lost_before_it_answered_anything() {
    let unheard = Crashes {
        generation: Generation::new("new"),
        count: 2,
        is_kept_from_it: true,
        was_heard: false,
    };
    let mut court = Court::new(&[("good", ACK), ("lost", SILENCE)]);
    court.envoy("lost").crashes = Some(unheard.clone());
    assert_eq!(court.verdict(), Verdict::Standing);
    let mut court = Court::new(&[("lost", SILENCE)]);
    court.envoy("lost").crashes = Some(unheard);
    assert_eq!(court.verdict(), Verdict::Rejected);
}

#[test]
fn it_waits_for_broken_envoys_where_there_is_nobody_else() {
    let mut court = Court::new(&[("sick", SILENCE)]);
    court.marks.broken.insert(NodeId::new("sick"));
    let until = court.began + ACK_DEADLINE;
    assert_eq!(court.verdict(), Verdict::Waiting { until });
    assert_eq!(court.after(ACK_DEADLINE).verdict(), Verdict::Unanswered);
    // Where another one has taken it, nobody waits for the broken one.
    let mut court = Court::new(&[("good", ACK), ("sick", SILENCE)]);
    court.marks.broken.insert(NodeId::new("sick"));
    assert_eq!(court.verdict(), Verdict::Standing);
}

#[test]
fn it_takes_an_envoy_for_broken_that_alone_rejected_two_changes_in_a_row() {
    let mut court = Court::new(&[("good", ACK), ("picky", NACK)]);
    for (count, verdict) in [(1, Verdict::Rejected), (2, Verdict::Standing)] {
        court
            .marks
            .lone_rejections
            .insert(NodeId::new("picky"), count);
        assert_eq!(court.verdict(), verdict, "after {count}");
    }
}

#[test]
fn it_still_hears_those_that_were_late_when_the_generation_was_accepted() {
    let mut court = Court::new(&[("prompt", ACK), ("late", NACK), ("newcomer", NACK)]);
    // The generation is the accepted one by now: whoever comes later and rejects it is broken.
    court.old = Some(generation("new"));
    assert_eq!(court.verdict(), Verdict::Standing);
    court.marks.late.insert(NodeId::new("late"));
    assert_eq!(court.verdict(), Verdict::Rejected);
    assert_eq!(court.against(), ["late"]);
}

#[test]
fn it_accepts_the_first_generation_for_those_that_take_it() {
    let mut court = Court::new(&[("good", SILENCE), ("sick", NACK)]);
    court.old = None;
    assert_eq!(court.verdict(), Verdict::Rejected);
    court.envoy("good").answer = ACK;
    assert_eq!(court.verdict(), Verdict::Standing);
}

#[test]
fn it_counts_a_crash_loop_against_the_generation_and_one_with_everything_against_the_envoy() {
    let crashed_with = |name: &str| {
        Some(Crashes {
            generation: Generation::new(name),
            count: 2,
            is_kept_from_it: true,
            was_heard: true,
        })
    };
    let mut court = Court::new(&[("good", ACK), ("crashing", SILENCE)]);
    court.envoy("crashing").crashes = crashed_with("new");
    // It is kept from it, and not to have it any more.
    court.envoy("crashing").desired = None;
    assert_eq!(court.verdict(), Verdict::Rejected);
    assert_eq!(court.against(), ["crashing"]);
    court
        .marks
        .crashed_with
        .insert(NodeId::new("crashing"), Generation::new("older"));
    assert_eq!(court.verdict(), Verdict::Standing);
    court.envoy("crashing").crashes = crashed_with("older");
    assert_eq!(court.verdict(), Verdict::Accepted);
}

#[test]
fn it_does_not_hear_envoys_that_are_gone_or_are_to_have_something_else() {
    let mut court = Court::new(&[("good", ACK), ("gone", NACK), ("other", NACK)]);
    court.envoy("gone").streams = 0;
    court.envoy("other").desired = Some(Generation::new("old"));
    assert_eq!(court.verdict(), Verdict::Accepted);
    assert_eq!(court.judgement().envoys.len(), 1);
}

#[test]
fn it_gives_an_envoy_that_is_handed_the_generation_later_a_deadline_of_its_own() {
    let mut court = Court::new(&[("later", SILENCE)]).after(ACK_DEADLINE);
    let handed = court.began + Duration::from_secs(3);
    court.envoy("later").assigned_at = Some(handed);
    let until = handed + ACK_DEADLINE;
    assert_eq!(court.verdict(), Verdict::Waiting { until });
}

#[test]
fn it_forgets_envoys_that_the_fleet_has_forgotten() {
    let mut marks = Marks::default();
    for number in 0..10 {
        let id = NodeId::new(&format!("invented {number}"));
        marks.broken.insert(id.clone());
        marks.late.insert(id.clone());
        marks.lone_rejections.insert(id.clone(), 1);
        marks.crashed_with.insert(id, Generation::new("old"));
    }
    let court = Court::new(&[("invented 3", NACK)]);
    marks.note_broken(&court.new, None, &court.envoys);
    let left = [
        marks.broken.len(),
        marks.late.len(),
        marks.lone_rejections.len(),
        marks.crashed_with.len(),
    ];
    assert_eq!(left, [1; 4]);
}

#[test]
fn it_gives_an_envoy_that_comes_back_while_it_is_watched_its_time_to_answer_again() {
    let mut court = Court::new(&[("a", SILENCE)]).after(3 * ACK_DEADLINE);
    court.envoy("a").since = court.began + 3 * ACK_DEADLINE;
    assert_eq!(court.verdict(), Verdict::Unanswered);
    court.is_watched = true;
    let until = court.began + 4 * ACK_DEADLINE;
    assert_eq!(court.verdict(), Verdict::Waiting { until });
}
