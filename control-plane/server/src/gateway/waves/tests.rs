//! Tables for the choice of a wave's Envoys, and for what follows from a judgement.

use gateway_document::{Format, parse};
use xds::NodeDescription;

use super::*;
use crate::gateway::acceptance::{EnvoyAnswer, Rejections};
use crate::gateway::connected_envoy::connected;

fn rollout(text: &str) -> Rollout {
    parse(&format!("rollout: {text}"), Format::Yaml)
        .unwrap()
        .rollout
}

fn waves(text: &str) -> Waves {
    Waves::of(&rollout(text)).unwrap()
}

/// A connected Envoy of that cluster that has acknowledged what it was given.
fn envoy(id: &str, cluster: &str) -> NodeSummary {
    NodeSummary {
        description: Arc::new(NodeDescription {
            cluster: cluster.to_owned(),
            ..NodeDescription::default()
        }),
        assigned_at: None,
        ..connected(id, "old", Instant::now())
    }
}

fn fleet(count: usize) -> Vec<NodeSummary> {
    (0..count)
        .map(|number| envoy(&format!("e{number:02}"), "edge"))
        .collect()
}

fn chosen(choice: Choice) -> BTreeSet<NodeId> {
    match choice {
        Choice::These(nodes) => nodes,
        Choice::Nobody => panic!("somebody is there"),
    }
}

fn choose(waves: &Waves, text: &str, generation: &str, envoys: &[NodeSummary]) -> Choice {
    let generation = Generation::new(generation);
    waves.choose(&rollout(text), &generation, envoys, &BTreeSet::new())
}

#[test]
fn it_has_no_waves_where_one_reaches_everyone_and_is_not_watched() {
    for text in ["{}", "{waves: [100%]}", "{waves: ['100%'], soak: 0s}"] {
        assert!(Waves::of(&rollout(text)).is_none(), "{text}");
    }
    for text in [
        "{soak: 1s}",
        "{waves: [1]}",
        "{waves: [{reach: 100%, soak: 1s}]}",
    ] {
        assert!(Waves::of(&rollout(text)).is_some(), "{text}");
    }
}

#[test]
fn it_counts_those_that_have_the_generation_into_a_number_and_a_share() {
    let text = "{waves: [2, 25%, 50%, 100%]}";
    let mut waves = waves(text);
    let envoys = fleet(10);
    let mut counts = Vec::new();
    loop {
        let nodes = chosen(choose(&waves, text, "new", &envoys));
        counts.push(nodes.len());
        waves.begin(nodes);
        if waves.is_last() {
            break;
        }
        waves.advance();
    }
    // A quarter of ten are three, two of which have it.
    assert_eq!(counts, [2, 1, 2, 5]);
    assert_eq!(waves.reached().collect::<BTreeSet<_>>().len(), 10);
}

#[test]
fn it_chooses_the_same_envoys_again_and_others_for_another_generation() {
    let text = "{waves: [3]}";
    let envoys = fleet(20);
    let reversed: Vec<NodeSummary> = envoys.iter().rev().cloned().collect();
    let of =
        |generation, envoys: &[NodeSummary]| chosen(choose(&waves(text), text, generation, envoys));
    assert_eq!(of("new", &envoys), of("new", &reversed));
    let choices: BTreeSet<_> = ["a", "b", "c", "d"]
        .into_iter()
        .map(|generation| of(generation, &envoys))
        .collect();
    assert!(choices.len() > 1);
}

#[test]
fn it_chooses_the_envoys_of_a_group_and_waits_where_none_is_connected() {
    let text = "{waves: [canary], groups: {canary: {cluster: canary}}}";
    let mut envoys = fleet(3);
    assert_eq!(choose(&waves(text), text, "new", &envoys), Choice::Nobody);
    let words = waves(text).missing();
    assert_eq!(words, "no connected Envoy is in the group `canary`");
    envoys.extend([envoy("c1", "canary"), envoy("c2", "canary")]);
    let nodes = chosen(choose(&waves(text), text, "new", &envoys));
    assert_eq!(nodes, ["c1", "c2"].map(NodeId::new).into());
    for envoy in &mut envoys {
        envoy.streams = 0;
    }
    for text in [text, "{waves: [1]}", "{waves: [50%]}"] {
        assert_eq!(choose(&waves(text), text, "new", &envoys), Choice::Nobody);
    }
    let text = "{soak: 1m}";
    assert_eq!(
        choose(&waves(text), text, "new", &envoys),
        Choice::These(BTreeSet::new())
    );
}

#[test]
fn it_chooses_envoys_that_are_well_as_long_as_there_is_one() {
    let text = "{waves: [2]}";
    let mut envoys = fleet(4);
    envoys[0].answer = NodeAnswer::Waiting;
    envoys[1].answer = NodeAnswer::Rejected;
    let suspect = envoys[2].id.clone();
    let suspects = BTreeSet::from([&suspect]);
    let choose = |envoys: &[NodeSummary]| {
        let generation = Generation::new("new");
        chosen(waves(text).choose(&rollout(text), &generation, envoys, &suspects))
    };
    assert_eq!(choose(&envoys), [envoys[3].id.clone()].into());
    assert_eq!(choose(&envoys[..3]).len(), 2);
    // One that waits for its first configuration is well.
    envoys[0].desired = None;
    assert_eq!(choose(&envoys[..3]), [envoys[0].id.clone()].into());
}

#[test]
fn it_passes_over_a_wave_that_reaches_nobody_new() {
    let text = "{waves: [2, 25%]}";
    let mut waves = waves(text);
    let envoys = fleet(4);
    waves.begin(chosen(choose(&waves, text, "new", &envoys)));
    waves.advance();
    let second = chosen(choose(&waves, text, "new", &envoys));
    assert_eq!(second, BTreeSet::new());
}

const SOAK: Duration = Duration::from_secs(60);

fn judgement(verdict: Verdict, answers: &[(EnvoyVerdict, bool)]) -> Judgement {
    let envoys = answers.iter().map(|(state, broken)| EnvoyAnswer {
        id: String::new(),
        state: *state,
        messages: Vec::new(),
        broken: *broken,
    });
    Judgement {
        verdict,
        envoys: envoys.collect(),
        rejections: Rejections::new(),
        unanswered: BTreeSet::new(),
    }
}

/// The consequence of each judgement in the first wave of two, and in the last.
#[test]
fn it_decides_by_the_judgement_and_by_whether_it_is_the_last_wave() {
    use EnvoyVerdict::{Acked, Pending, Silent};
    let now = Instant::now();
    let later = now + SOAK;
    let watch = Next::Watch { until: Some(later) };
    let waiting = Verdict::Waiting { until: later };
    let wait = Next::Wait { until: Some(later) };
    let rows: [(_, &[(EnvoyVerdict, bool)], _, _); 7] = [
        (Verdict::Accepted, &[(Acked, false)], watch, watch),
        (
            Verdict::Standing,
            &[(Acked, false), (Silent, true)],
            watch,
            watch,
        ),
        (
            Verdict::Standing,
            &[(Acked, false), (Silent, false)],
            Next::GoBack,
            watch,
        ),
        (waiting, &[(Pending, false)], wait, wait),
        (
            Verdict::Unanswered,
            &[(Silent, false)],
            Next::GoBack,
            Next::Pending,
        ),
        (
            Verdict::Unanswered,
            &[(Silent, true)],
            Next::GoBack,
            Next::Pending,
        ),
        (
            Verdict::NoEnvoys,
            &[],
            Next::Wait { until: None },
            Next::Pending,
        ),
    ];
    for (verdict, answers, in_the_first, in_the_last) in rows {
        let judgement = judgement(verdict, answers);
        let mut first = waves("{waves: [1, 100%], soak: 1m}");
        first.begin([NodeId::new("a")].into());
        let mut last = first.clone();
        last.advance();
        last.begin([NodeId::new("b")].into());
        let case = format!("{verdict:?}");
        assert_eq!(
            first.next(&judgement, true, now),
            in_the_first,
            "first: {case}"
        );
        assert_eq!(
            last.next(&judgement, true, now),
            in_the_last,
            "last: {case}"
        );
    }
}

#[test]
fn it_ends_a_wave_when_it_was_watched_for_long_enough_and_still_acknowledges() {
    let now = Instant::now();
    let accepted = judgement(Verdict::Accepted, &[(EnvoyVerdict::Acked, false)]);
    let waiting = judgement(
        Verdict::Waiting {
            until: now + 2 * SOAK,
        },
        &[],
    );
    let mut waves = waves("{waves: [1, 100%], soak: 1m}");
    waves.begin([NodeId::new("a")].into());
    assert_eq!(waves.soak_end(), None);
    waves.next(&accepted, true, now);
    assert_eq!(waves.soak_end(), Some(now + SOAK));
    let before = now + SOAK - Duration::from_millis(1);
    assert!(matches!(
        waves.next(&accepted, true, before),
        Next::Watch { .. }
    ));
    // It is sent something again, and has not answered.
    assert!(matches!(
        waves.next(&waiting, true, now + SOAK),
        Next::Wait { .. }
    ));
    assert_eq!(waves.next(&accepted, true, now + SOAK), Next::Advance);
    waves.advance();
    waves.begin(BTreeSet::new());
    assert_eq!(waves.next(&accepted, true, now + SOAK), Next::Accept);
}

#[test]
fn it_goes_on_by_the_word_of_an_operator_alone_while_it_is_paused() {
    let now = Instant::now();
    let accepted = judgement(Verdict::Accepted, &[(EnvoyVerdict::Acked, false)]);
    let mut waves = waves("{waves: [1, 100%]}");
    waves.is_paused = true;
    waves.begin([NodeId::new("a")].into());
    assert_eq!(
        waves.next(&accepted, true, now),
        Next::Watch { until: None }
    );
    waves.promote();
    assert_eq!(waves.next(&accepted, true, now), Next::Advance);
    waves.advance();
    waves.begin([NodeId::new("b")].into());
    assert_eq!(
        waves.next(&accepted, true, now),
        Next::Watch { until: None }
    );
    waves.is_paused = false;
    assert_eq!(waves.next(&accepted, true, now), Next::Accept);
}

#[test]
fn it_passes_over_a_promoted_wave_whose_envoys_are_all_gone_and_not_the_last_one() {
    let now = Instant::now();
    let nobody = judgement(Verdict::NoEnvoys, &[]);
    let mut waves = waves("{waves: [1, 100%]}");
    waves.begin([NodeId::new("a")].into());
    waves.promote();
    let wait = Next::Wait { until: None };
    assert_eq!(waves.next(&nobody, false, now), wait);
    assert_eq!(waves.next(&nobody, true, now), Next::Advance);
    waves.advance();
    waves.begin([NodeId::new("b")].into());
    waves.promote();
    assert_eq!(waves.next(&nobody, true, now), Next::Pending);
}

#[test]
fn it_goes_on_after_a_restart_with_the_envoys_that_it_had_and_watches_anew() {
    let nodes = |ids: &[&str]| -> Arc<BTreeSet<NodeId>> {
        ids.iter()
            .map(|id| NodeId::new(id))
            .collect::<BTreeSet<_>>()
            .into()
    };
    let fresh = || waves("{waves: [1, 50%, 100%], soak: 1m}");
    let resumed = fresh().resumed(1, [nodes(&["a"]), nodes(&["b"])], true);
    assert_eq!((resumed.at(), resumed.has_begun()), (1, true));
    assert!(resumed.is_paused && !resumed.has_passed());
    let reached: Vec<&str> = resumed.reached().map(NodeId::as_str).collect();
    assert_eq!(reached, ["a", "b"]);
    let not_begun = fresh().resumed(1, [nodes(&["a"]), nodes(&[])], false);
    assert!(!not_begun.has_begun());
}

#[test]
fn it_begins_the_time_of_a_wave_when_all_that_have_the_change_are_there_but_not_of_the_last_one() {
    let accepted = judgement(Verdict::Accepted, &[(EnvoyVerdict::Acked, false)]);
    let now = Instant::now();
    let mut waves = waves("{waves: [1, 100%], soak: 1m}");
    waves.begin([NodeId::new("a")].into());
    assert_eq!(
        waves.next(&accepted, false, now),
        Next::Wait { until: None }
    );
    assert!(!waves.has_passed());
    let until = Some(now + SOAK);
    assert_eq!(waves.next(&accepted, true, now), Next::Watch { until });
    waves.advance();
    waves.begin([NodeId::new("b")].into());
    let until = Some(now + SOAK);
    assert_eq!(waves.next(&accepted, false, now), Next::Watch { until });
}

#[test]
fn it_begins_a_promoted_wave_and_ends_it_when_it_is_promoted_once_more() {
    let now = Instant::now();
    let accepted = judgement(Verdict::Accepted, &[(EnvoyVerdict::Acked, false)]);
    let mut waves = waves("{waves: [1, 100%], soak: 60s}");
    waves.promote();
    waves.begin([NodeId::new("a")].into());
    let watched = Next::Watch {
        until: Some(now + SOAK),
    };
    assert_eq!(waves.next(&accepted, true, now), watched);
    waves.promote();
    assert_eq!(waves.next(&accepted, true, now), Next::Advance);
}
