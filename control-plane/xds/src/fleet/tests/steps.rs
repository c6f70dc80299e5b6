//! The work that a fleet makes, counted in steps.

use super::*;

/// The steps of the fleet that one Envoy causes, from its connection to its end, besides
/// `companions` others.
fn steps_of_one_envoy(companions: usize) -> u64 {
    let mut table = Table::of(&generation("1"));
    for number in 0..companions {
        let other = table.connect(&format!("other {number}"));
        table.work(&other, false);
    }
    let ((), steps) = step_count::taken_by(|| {
        let a = table.connect("a");
        table.work(&a, true);
        table.lose(&a, StreamEnd::ByEnvoy);
    });
    steps
}

#[test]
fn it_takes_no_more_steps_for_an_envoy_however_many_others_are_connected() {
    let alone = steps_of_one_envoy(0);
    assert!((1..40).contains(&alone), "{alone} steps");
    assert_eq!(steps_of_one_envoy(500), alone);
}

#[test]
fn it_looks_at_each_envoy_once_to_give_all_of_them_something_else() {
    let mut table = Table::of(&generation("1"));
    for number in 0..500 {
        let other = table.connect(&format!("other {number}"));
        table.work(&other, false);
    }
    let two = generation("2");
    let ((), steps) =
        step_count::taken_by(|| table.distribute(&two, Newcomers::all(Arc::clone(&two))));
    assert!((500..=5 * 500).contains(&steps), "{steps} steps");
}
