//! Tests of the queue: who is next, who may wait, and that nobody waits for ever.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const CALLERS: [&str; 4] = ["ada", "bob", "eve", "crowd"];

fn queue(count: usize) -> FairQueue<&'static str> {
    FairQueue::new("places", count)
}

/// A call that has a place, or waits for one.
struct Call {
    caller: &'static str,
    _turn: Turn<&'static str>,
    called: Option<oneshot::Receiver<()>>,
}

impl Call {
    fn of(queue: &FairQueue<&'static str>, caller: &'static str) -> Self {
        let (turn, called) = queue.join(&caller).expect("the line is long enough");
        Self {
            caller,
            _turn: turn,
            called,
        }
    }

    /// Whether it has a place.
    fn is_served(&mut self) -> bool {
        if let Some(called) = &mut self.called
            && called.try_recv().is_ok()
        {
            self.called = None;
        }
        self.called.is_none()
    }
}

/// How many of these calls have a place.
fn served(calls: &mut [Call]) -> usize {
    let served = calls.iter_mut().map(Call::is_served);
    served.filter(|is_served| *is_served).count()
}

fn calls(queue: &FairQueue<&'static str>, caller: &'static str, count: usize) -> Vec<Call> {
    (0..count).map(|_| Call::of(queue, caller)).collect()
}

#[test]
fn it_gives_one_caller_all_places_but_the_last_which_is_for_whoever_has_none() {
    for (count, caller, most) in [
        (1, "ada", 1),
        (2, "ada", 2),
        (3, "ada", 2),
        (10, "ada", 9),
        (10, "crowd", 10),
    ] {
        let queue = queue(count);
        let mut flood = calls(&queue, caller, count + 5);
        assert_eq!(served(&mut flood), most, "{caller} of {count}");
        let mut newcomer = Call::of(&queue, "bob");
        assert_eq!(newcomer.is_served(), most < count, "{caller} of {count}");
        drop(newcomer);
        assert_eq!(served(&mut flood), most, "{caller} of {count}");
    }
}

#[test]
fn it_gives_the_next_place_to_a_newcomer_however_many_calls_of_another_wait() {
    for count in [1, 2, 4] {
        let queue = queue(count);
        let mut flood = calls(&queue, "crowd", count + 100);
        let mut newcomer = Call::of(&queue, "bob");
        assert!(!newcomer.is_served());
        drop(flood.remove(0));
        assert!(newcomer.is_served(), "{count}");
        assert_eq!(served(&mut flood), count - 1);
        // And so the next place, once they have as many.
        let mut second = Call::of(&queue, "bob");
        drop(newcomer);
        assert_eq!(second.is_served(), count > 1, "{count}");
    }
}

#[test]
fn it_takes_turns_where_callers_have_equally_many() {
    let queue = queue(1);
    let mut now = Call::of(&queue, "ada");
    let mut waiting: Vec<_> = ["ada", "bob", "eve"]
        .into_iter()
        .flat_map(|caller| calls(&queue, caller, 3))
        .collect();
    let mut order = Vec::new();
    while !waiting.is_empty() {
        drop(now);
        let next = waiting.iter_mut().position(Call::is_served);
        now = waiting.remove(next.expect("somebody is next"));
        order.push(now.caller);
    }
    assert_eq!(order, ["bob", "eve", "ada"].repeat(3));
}

#[test]
fn it_lets_no_caller_fill_the_line() {
    let queue = queue(1);
    let _busy = Call::of(&queue, "eve");
    let wait = |caller: &'static str| -> Vec<_> {
        std::iter::from_fn(|| queue.join(&caller).ok()).collect()
    };
    let [ada, bob] = [wait("ada"), wait("bob")];
    assert_eq!((ada.len(), bob.len()), (1024, 512));
    assert_eq!(queue.waiting(), 1536);
    let refused = queue.join(&"ada").map(drop);
    assert_eq!(refused, Err(NoPlace::ShareTaken));
    drop(ada);
    assert_eq!(queue.waiting(), 512);
    assert!(queue.join(&"ada").is_ok());
    let crowd = wait("crowd");
    assert_eq!(crowd.len(), 1536);
    assert_eq!(queue.join(&"zoe").map(drop), Err(NoPlace::AllTaken));
}

#[tokio::test]
async fn it_says_why_a_call_has_no_place_and_what_to_do() {
    let queue = queue(3);
    let enter = async |caller: &'static str| {
        let entered = queue.enter(&caller, Duration::ZERO).await;
        entered.map_err(|none| (none.to_string(), none.remedy()))
    };
    let _ada = [enter("ada").await, enter("ada").await];
    let (said, remedy) = enter("ada").await.expect_err("the last is for others");
    assert_eq!(
        said,
        "this caller has 2 of the 3 places, and the last is for others; the call waited 0 s in the \
         queue, where 0 more wait"
    );
    assert!(remedy.contains("another call of this caller"), "{remedy}");
    let _bob = enter("bob").await.expect("the last");
    let (said, remedy) = enter("eve").await.expect_err("they are busy");
    let busy = "all 3 places are busy; the call waited 0 s in the queue, where 0 more wait";
    assert_eq!(said, busy);
    assert!(remedy.contains("in a few seconds"), "{remedy}");
    let (said, _) = enter("bob").await.expect_err("they are busy");
    assert_eq!(said, format!("{busy}; this caller has 1 of them"));
    assert_eq!(queue.waiting(), 0);
    let _line: Vec<_> = std::iter::from_fn(|| queue.join(&"ada").ok()).collect();
    let (said, remedy) = enter("ada").await.expect_err("her share waits");
    assert!(said.contains("its share of the 2048 calls"), "{said}");
    assert!(remedy.contains("fewer calls at once"), "{remedy}");
    let _line: Vec<_> = std::iter::from_fn(|| queue.join(&"crowd").ok()).collect();
    let (said, _) = enter("eve").await.expect_err("the line is full");
    assert!(said.contains("2048 calls wait for the 3 places"), "{said}");
}

#[tokio::test]
async fn it_gives_a_place_on_where_a_call_is_dropped_whether_or_not_it_was_told() {
    let queue = queue(1);
    let patience = Duration::from_secs(600);
    let busy = queue.enter(&"ada", patience).await.expect("it is free");
    let mut gone = Box::pin(queue.enter(&"bob", patience));
    let mut told = Box::pin(queue.enter(&"eve", patience));
    let mut last = Box::pin(queue.enter(&"zoe", patience));
    for waiting in [&mut gone, &mut told, &mut last] {
        let polled = futures::poll!(waiting);
        assert!(polled.is_pending());
    }
    drop(gone);
    assert_eq!(queue.waiting(), 2);
    drop(busy);
    // It has its place, and goes without having looked.
    assert_eq!(queue.waiting(), 1);
    drop(told);
    assert!(last.await.is_ok());
    assert_eq!(lock(&queue.line).free, 1);
}

/// One step of a history: a call comes, or one of those that are there goes.
#[derive(Debug, Clone)]
enum Step {
    Come(usize),
    Go(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..CALLERS.len()).prop_map(Step::Come),
        any::<prop::sample::Index>().prop_map(Step::Go),
    ];
    vec(step, 0..200)
}

/// The places that a caller has, and its calls that wait, of all these calls.
fn standing(calls: &[Call], caller: &str) -> (usize, usize) {
    let own = calls.iter().filter(|call| call.caller == caller);
    let (waiting, held): (Vec<_>, Vec<_>) = own.partition(|call| call.called.is_some());
    (held.len(), waiting.len())
}

/// Of the calls that wait, the one that was told just now.
fn told(calls: &mut [Call]) -> Vec<usize> {
    let waiting = calls.iter_mut().enumerate();
    let waiting = waiting.filter(|(_, call)| call.called.is_some());
    let told = waiting.filter_map(|(at, call)| call.is_served().then_some(at));
    told.collect()
}

proptest! {
    #[test]
    fn it_leaves_no_place_idle_and_lets_nobody_starve(count in 1..6_usize, steps in steps()) {
        let queue = queue(count);
        let kept = usize::from(count >= ENOUGH_TO_KEEP_ONE);
        let mut calls: Vec<Call> = Vec::new();
        // How often each was served while a caller waited who had nothing.
        let mut passed: HashMap<(&str, &str), usize> = HashMap::new();
        for step in steps {
            match step {
                Step::Come(caller) => calls.push(Call::of(&queue, CALLERS[caller])),
                Step::Go(_) if calls.is_empty() => {}
                Step::Go(which) => drop(calls.remove(which.index(calls.len()))),
            }
            let before = CALLERS.map(|caller| standing(&calls, caller));
            let told = told(&mut calls);
            prop_assert!(told.len() <= 1);
            if let Some(at) = told.first() {
                let caller = calls[*at].caller;
                let which = CALLERS.iter().position(|one| *one == caller);
                let (held, _) = before[which.expect("one of them")];
                let waiting = before.iter().filter(|(_, waiting)| *waiting > 0);
                // Whoever has fewer may not have the last place, or would have been next.
                let fewest = waiting.map(|(held, _)| *held).min();
                prop_assert!(Some(held) == fewest || caller == "crowd");
                let earlier = calls[..*at].iter();
                let mut earlier = earlier.filter(|call| call.caller == caller);
                prop_assert!(earlier.all(|call| call.called.is_none()));
                for other in CALLERS {
                    *passed.entry((other, caller)).or_default() += 1;
                }
            }
            let now = CALLERS.map(|caller| standing(&calls, caller));
            let free = count - now.iter().map(|(held, _)| held).sum::<usize>();
            for (caller, (held, waiting)) in CALLERS.into_iter().zip(now) {
                let is_crowd = caller == "crowd";
                prop_assert!(is_crowd || held <= count - kept);
                let may_have_one = free > kept || (free > 0 && (held == 0 || is_crowd));
                prop_assert!(waiting == 0 || !may_have_one);
                match (held, waiting) {
                    (0, 1..) => {
                        let others = CALLERS.map(|other| passed.get(&(caller, other)));
                        prop_assert!(others.into_iter().flatten().all(|times| *times <= 1));
                    }
                    _ => passed.retain(|(who, _), _| *who != caller),
                }
            }
        }
        calls.clear();
        let line = lock(&queue.line);
        prop_assert!(line.free == count && line.waiting.of_all() == 0);
        prop_assert!(line.callers.is_empty() && line.next.is_empty());
    }
}
