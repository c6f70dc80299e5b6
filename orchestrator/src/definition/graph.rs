//! The graph of steps: every edge has both ends, and no step waits for itself.

use std::collections::BTreeMap;

use super::{InvalidPipeline, StepDefinition};

/// Looks for edges without an end, and for circles.
pub(super) fn check(steps: &[StepDefinition]) -> Result<(), InvalidPipeline> {
    let places = places(steps);
    for (number, step) in steps.iter().enumerate() {
        if let Some(name) = step
            .after
            .iter()
            .find(|name| !places.contains_key(name.as_str()))
        {
            return Err(InvalidPipeline::Dangling {
                step: number,
                name: crate::bounds::cut(name.clone(), crate::bounds::NAME_LETTERS),
            });
        }
    }
    match circle(&dependencies(steps)) {
        None => Ok(()),
        Some(circle) => {
            let name = |place: &usize| steps.get(*place).map(|step| step.name.clone());
            Err(InvalidPipeline::Circle(
                circle.iter().filter_map(name).collect(),
            ))
        }
    }
}

/// For each step the places of those that it waits for, each once.
pub(super) fn dependencies(steps: &[StepDefinition]) -> Vec<Vec<usize>> {
    let places = places(steps);
    let of = |step: &StepDefinition| {
        let found = step
            .after
            .iter()
            .filter_map(|name| places.get(name.as_str()));
        let mut found: Vec<usize> = found.copied().collect();
        found.sort_unstable();
        found.dedup();
        found
    };
    steps.iter().map(of).collect()
}

fn places(steps: &[StepDefinition]) -> BTreeMap<&str, usize> {
    let named = steps.iter().enumerate();
    named
        .map(|(place, step)| (step.name.as_str(), place))
        .collect()
}

/// The steps of a circle, the first one again at its end, if there is one.
fn circle(dependencies: &[Vec<usize>]) -> Option<Vec<usize>> {
    // What can be done is taken away; in what remains every step waits for another one.
    let mut remaining: Vec<bool> = vec![true; dependencies.len()];
    let waits = |remaining: &[bool], step: usize| {
        let before = dependencies.get(step)?;
        before.iter().copied().find(|&place| remaining[place])
    };
    while let Some(done) =
        (0..dependencies.len()).find(|&step| remaining[step] && waits(&remaining, step).is_none())
    {
        remaining[done] = false;
    }
    let mut path = vec![remaining.iter().position(|&remains| remains)?];
    loop {
        let next = waits(&remaining, *path.last()?)?;
        let seen = path.iter().position(|&step| step == next);
        path.push(next);
        if let Some(first) = seen {
            return Some(path.split_off(first));
        }
    }
}
