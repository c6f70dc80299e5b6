//! Whether a test run is repeatable: property tests start from the seed in `.cargo/config.toml`.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngSeed, TestRunner};

#[test]
fn it_fixes_the_seed_of_property_tests() {
    // The environment wins over the file, which is how `make fuzz` brings fresh seeds.
    assert!(matches!(
        ProptestConfig::default().rng_seed,
        RngSeed::Fixed(_)
    ));
}

#[test]
fn it_draws_the_same_values_in_every_run() {
    let draw = || -> Vec<u64> {
        let mut runner = TestRunner::default();
        let mut next = || {
            any::<u64>()
                .new_tree(&mut runner)
                .map(|tree| tree.current())
        };
        (0..5).map(|_| next().expect("any number does")).collect()
    };
    assert_eq!(draw(), draw());
}
