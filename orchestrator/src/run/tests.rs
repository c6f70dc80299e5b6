//! The life of a run, event by event.

use std::time::Duration;

use serde_json::json;

use super::*;

const LEASE: Duration = Duration::from_secs(30);
const START: Moment = Moment(1_000_000);

fn plan(steps: &serde_json::Value) -> Vec<StepPlan> {
    let pipeline = serde_json::from_value(json!({"name": "p", "steps": steps}));
    let pipeline: PipelineDefinition = pipeline.expect("a definition");
    pipeline.check().expect("a whole definition");
    StepPlan::of(&pipeline)
}

fn after(seconds: u64) -> Moment {
    START.after(Duration::from_secs(seconds))
}

fn lease(run: &mut Run, plan: &[StepPlan], now: Moment) -> Option<Grant> {
    let event = Event::Lease {
        kinds: &["k"],
        length: LEASE,
    };
    let effects = run.apply(plan, now, event).expect("no lease is needed");
    effects.into_iter().find_map(|effect| match effect {
        Effect::Grant(grant) => Some(grant),
        _ => None,
    })
}

fn report(
    run: &mut Run,
    plan: &[StepPlan],
    now: Moment,
    grant: Grant,
    reported: Reported,
) -> Result<Vec<Effect>, Fenced> {
    let Grant { step, token, .. } = grant;
    let event = Event::Report {
        step,
        token,
        reported,
    };
    run.apply(plan, now, event)
}

fn states(run: &Run) -> Vec<&'static str> {
    run.steps.iter().map(|step| step.state.as_str()).collect()
}

#[test]
fn it_gives_parallel_branches_to_several_workers_and_joins_them() {
    let plan = plan(&json!([
        {"name": "join", "kind": "k", "after": ["left", "right"]},
        {"name": "left", "kind": "k", "after": ["first"]},
        {"name": "right", "kind": "k", "after": ["first"]},
        {"name": "first", "kind": "k"}
    ]));
    let mut run = Run::new(&plan, START);
    assert_eq!(run.state, RunState::Pending);
    let first = lease(&mut run, &plan, START).expect("the first is ready");
    assert_eq!(lease(&mut run, &plan, START), None);
    report(&mut run, &plan, START, first, Reported::Success).expect("it is theirs");
    let left = lease(&mut run, &plan, START).expect("two are ready");
    let right = lease(&mut run, &plan, START).expect("two are ready");
    assert_eq!(states(&run), ["waiting", "running", "running", "succeeded"]);
    report(&mut run, &plan, START, right, Reported::Success).expect("it is theirs");
    assert_eq!(lease(&mut run, &plan, START), None);
    report(&mut run, &plan, START, left, Reported::Success).expect("it is theirs");
    let join = lease(&mut run, &plan, START).expect("both are over");
    let effects = report(&mut run, &plan, START, join, Reported::Success).expect("it is theirs");
    assert_eq!(
        effects,
        [Effect::Changed(0), Effect::Ended(RunState::Succeeded)]
    );
}

#[test]
fn it_gives_a_lost_step_to_another_worker_and_hears_the_first_no_more() {
    let plan = plan(&json!([{"name": "a", "kind": "k"}]));
    let mut run = Run::new(&plan, START);
    let lost = lease(&mut run, &plan, START).expect("it is ready");
    assert_eq!(lease(&mut run, &plan, after(29)), None);
    let second = lease(&mut run, &plan, after(30)).expect("the lease has ended");
    assert!(second.token > lost.token);
    assert_eq!(second.attempt, 2);
    let unheard = report(&mut run, &plan, after(31), lost, Reported::Success);
    assert_eq!(unheard, Err(Fenced));
    report(&mut run, &plan, after(32), second, Reported::Success).expect("it is theirs");
    assert_eq!(run.state, RunState::Succeeded);
}

#[test]
fn it_hears_a_worker_that_was_silent_too_long_as_long_as_nobody_else_has_the_step() {
    let plan = plan(&json!([{"name": "a", "kind": "k"}]));
    let mut run = Run::new(&plan, START);
    let slow = lease(&mut run, &plan, START).expect("it is ready");
    report(&mut run, &plan, after(300), slow, Reported::Success).expect("nobody else has it");
    assert_eq!(run.state, RunState::Succeeded);
}

#[test]
fn it_fails_a_step_that_takes_its_process_down_with_it_each_time() {
    let plan = plan(&json!([{"name": "a", "kind": "k"}]));
    let mut run = Run::new(&plan, START);
    let leases = (0..100).filter(|round| lease(&mut run, &plan, after(round * 30)).is_some());
    assert_eq!(leases.count(), 5);
    assert_eq!(run.state, RunState::Failed);
    let failure = run.steps[0].failure.as_ref().expect("it says why");
    assert_eq!(failure.code, "lost");
}

#[test]
fn it_repeats_what_may_pass_after_a_pause_and_gives_up_what_lasts() {
    let plan = plan(&json!([
        {"name": "a", "kind": "k", "retry": {"attempts": 3, "backoff_s": 10}}
    ]));
    let down = || Reported::Failure(StepFailure::passing("down", "the service is down"));
    let mut run = Run::new(&plan, START);
    for (begins, too_early) in [(0, None), (10, Some(9)), (31, Some(29))] {
        if let Some(too_early) = too_early {
            assert_eq!(lease(&mut run, &plan, after(too_early)), None);
        }
        let grant = lease(&mut run, &plan, after(begins)).expect("the pause is over");
        report(&mut run, &plan, after(begins), grant, down()).expect("it is theirs");
    }
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(run.steps[0].attempts, 3);

    let mut run = Run::new(&plan, START);
    let grant = lease(&mut run, &plan, START).expect("it is ready");
    let wrong = Reported::Failure(StepFailure::lasting("wrong", "the statement is wrong"));
    report(&mut run, &plan, START, grant, wrong).expect("it is theirs");
    assert_eq!((run.state, run.steps[0].attempts), (RunState::Failed, 1));
}

#[test]
fn it_skips_an_optional_step_that_fails_and_goes_on() {
    let plan = plan(&json!([
        {"name": "a", "kind": "k", "required": false},
        {"name": "b", "kind": "k", "after": ["a"]}
    ]));
    let mut run = Run::new(&plan, START);
    let grant = lease(&mut run, &plan, START).expect("it is ready");
    let wrong = Reported::Failure(StepFailure::lasting("wrong", "the statement is wrong"));
    report(&mut run, &plan, START, grant, wrong).expect("it is theirs");
    assert_eq!(states(&run), ["skipped", "ready"]);
    let grant = lease(&mut run, &plan, START).expect("it is ready");
    report(&mut run, &plan, START, grant, Reported::Success).expect("it is theirs");
    assert_eq!(run.state, RunState::Succeeded);
}

#[test]
fn it_asks_what_runs_to_stop_and_ends_when_nothing_runs() {
    let plan = plan(&json!([
        {"name": "a", "kind": "k"},
        {"name": "b", "kind": "k"},
        {"name": "c", "kind": "k", "after": ["a", "b"]}
    ]));
    let mut run = Run::new(&plan, START);
    let a = lease(&mut run, &plan, START).expect("it is ready");
    let effects = run.apply(&plan, START, Event::Cancel).expect("no lease");
    assert_eq!(effects, [Effect::Changed(1), Effect::Changed(2)]);
    assert_eq!(lease(&mut run, &plan, START), None);
    let renew = Event::Renew {
        step: a.step,
        token: a.token,
        length: LEASE,
    };
    let effects = run.apply(&plan, START, renew).expect("it is theirs");
    assert!(effects.contains(&Effect::AskToStop));
    let effects = report(&mut run, &plan, START, a, Reported::Cancelled).expect("it is theirs");
    assert!(effects.contains(&Effect::Ended(RunState::Cancelled)));
    let again = run.apply(&plan, START, Event::Cancel).expect("no lease");
    assert_eq!(again, []);
}

#[test]
fn it_ends_a_cancelled_run_whose_worker_died_when_the_lease_does() {
    let plan = plan(&json!([{"name": "a", "kind": "k"}]));
    let mut run = Run::new(&plan, START);
    lease(&mut run, &plan, START).expect("it is ready");
    run.apply(&plan, START, Event::Cancel).expect("no lease");
    assert_eq!(run.state, RunState::Running);
    assert_eq!(lease(&mut run, &plan, after(30)), None);
    assert_eq!(run.state, RunState::Cancelled);
}

#[test]
fn it_renews_no_lease_far_beyond_the_deadline_of_the_attempt() {
    let plan = plan(&json!([{"name": "a", "kind": "k", "timeout_s": 60}]));
    let mut run = Run::new(&plan, START);
    let grant = lease(&mut run, &plan, START).expect("it is ready");
    for (now, until) in [(20, 50), (50, 80), (75, 90), (89, 90)] {
        let event = Event::Renew {
            step: grant.step,
            token: grant.token,
            length: LEASE,
        };
        let effects = run.apply(&plan, after(now), event).expect("it is theirs");
        let until = after(until);
        assert!(effects.contains(&Effect::Renewed { until }), "{effects:?}");
    }
    assert_eq!(lease(&mut run, &plan, after(90)), None);
    let failure = run.steps[0].failure.as_ref().expect("it says why");
    assert_eq!(
        (run.state, failure.code.as_str()),
        (RunState::Failed, "timeout")
    );
}

#[test]
fn it_takes_back_a_step_that_a_worker_gives_back_without_counting_an_attempt() {
    let plan = plan(&json!([{"name": "a", "kind": "k"}]));
    let mut run = Run::new(&plan, START);
    for _ in 0..20 {
        let Grant { step, token, .. } = lease(&mut run, &plan, START).expect("it is ready");
        let release = Event::Release { step, token };
        run.apply(&plan, START, release).expect("it is theirs");
    }
    assert_eq!((run.steps[0].attempts, run.steps[0].losses), (0, 0));
}
