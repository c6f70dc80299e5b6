//! Decides what an Envoy gets that connects now, from facts alone.
//!
//! It gets what Envoys have accepted, never what they rejected. While a generation is being judged
//! whose predecessor may allow more, it waits; where nobody is left to judge, the first to come
//! becomes the judge.

use std::sync::Arc;

use xds::{Newcomers, Snapshot};

use super::super::state::Stage;

/// The facts that decide about newcomers.
pub(super) struct Situation<'a> {
    /// The snapshot that the connected Envoys are meant to have.
    pub(super) current: &'a Arc<Snapshot>,
    /// The snapshot that Envoys accepted last.
    pub(super) accepted: Option<&'a Arc<Snapshot>>,
    pub(super) stage: Stage,
    /// Whether a connected Envoy is still looking at `current`, within its deadline.
    pub(super) has_judge: bool,
    /// Whether every Envoy acknowledged `current`, and they are watched now.
    pub(super) has_passed: bool,
    /// Whether `accepted` may allow what `current` refuses.
    pub(super) accepted_may_allow_more: bool,
}

/// Decides what newcomers get in this situation.
pub(super) fn newcomers(situation: &Situation<'_>) -> Newcomers {
    let Situation {
        current, accepted, ..
    } = *situation;
    let Some(accepted) = accepted else {
        return Newcomers::all(Arc::clone(current));
    };
    let others = (!situation.accepted_may_allow_more).then(|| Arc::clone(accepted));
    match situation.stage {
        Stage::Accepted => Newcomers::all(Arc::clone(current)),
        Stage::Kept => Newcomers::default(),
        _ if accepted.generation() == current.generation() => Newcomers::all(Arc::clone(current)),
        Stage::Rejected => Newcomers {
            others,
            ..Newcomers::default()
        },
        Stage::Open if situation.has_passed => Newcomers::all(Arc::clone(current)),
        Stage::Open => Newcomers {
            first: (!situation.has_judge).then(|| Arc::clone(current)),
            others,
            ..Newcomers::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xds::Generation;

    fn snapshot(name: &str) -> Arc<Snapshot> {
        let builder = Snapshot::builder(Generation::new(name));
        Arc::new(builder.build().unwrap())
    }

    /// Tells what the first newcomer gets, and the second.
    fn get(stage: Stage, has_judge: bool, accepted_may_allow_more: bool) -> (String, String) {
        get_of(stage, has_judge, false, accepted_may_allow_more)
    }

    fn get_of(
        stage: Stage,
        has_judge: bool,
        has_passed: bool,
        accepted_may_allow_more: bool,
    ) -> (String, String) {
        let (current, accepted) = (snapshot("new"), snapshot("old"));
        let newcomers = newcomers(&Situation {
            current: &current,
            accepted: Some(&accepted),
            stage,
            has_judge,
            has_passed,
            accepted_may_allow_more,
        });
        let name = |snapshot: Option<&Arc<Snapshot>>| {
            snapshot.map_or("nothing".to_owned(), |snapshot| {
                snapshot.generation().to_string()
            })
        };
        let Newcomers { first, others, .. } = newcomers;
        (
            name(first.as_ref().or(others.as_ref())),
            name(others.as_ref()),
        )
    }

    #[test]
    fn it_gives_newcomers_what_was_accepted_and_lets_them_wait_rather_than_allow_more() {
        let rows = [
            (Stage::Open, true, false, ("old", "old")),
            (Stage::Open, true, true, ("nothing", "nothing")),
            (Stage::Open, false, false, ("new", "old")),
            (Stage::Open, false, true, ("new", "nothing")),
            (Stage::Accepted, false, true, ("new", "new")),
            (Stage::Kept, false, true, ("nothing", "nothing")),
        ];
        for (stage, has_judge, allows_more, (first, second)) in rows {
            let expected = (first.to_owned(), second.to_owned());
            let case = format!("{stage:?}, judge {has_judge}, allows more {allows_more}");
            assert_eq!(get(stage, has_judge, allows_more), expected, "{case}");
        }
    }

    #[test]
    fn it_gives_newcomers_what_every_envoy_has_acknowledged_and_is_watched_with() {
        for allows_more in [false, true] {
            let given = get_of(Stage::Open, true, true, allows_more);
            assert_eq!(given, ("new".to_owned(), "new".to_owned()));
        }
    }

    #[test]
    fn it_gives_everyone_the_first_generation_there_is() {
        let current = snapshot("new");
        for stage in [Stage::Open, Stage::Rejected] {
            let given = newcomers(&Situation {
                current: &current,
                accepted: None,
                stage,
                has_judge: true,
                has_passed: false,
                accepted_may_allow_more: false,
            });
            assert_eq!(given, Newcomers::all(Arc::clone(&current)));
        }
    }
}
