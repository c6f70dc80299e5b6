//! A queue for places that callers use for a while: whoever has the fewest of them is next.
//!
//! Nobody waits while a place is free, but for the last one: a caller who is one leaves it to those
//! who have none. So a newcomer waits for no slow call of the one who was there, and the price is
//! one place that is idle while nobody else comes. A place that comes free goes to the caller who
//! has the fewest, of several to the one who has waited longest since it gave one back, and there
//! to the call that came first. The line is bounded, and no caller may have more than its share.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::{NoPlace, Shares, Taker, lock};

/// Calls that wait for one kind of place, of all callers: as many as the data server serves
/// connections by default. One caller may have half of them, which is more than the thousand
/// sessions of one name that a load test opens; a waiting call takes some kilobytes.
const MOST_WAITING: u64 = 2048;

/// Where there are so many places, the last one is for callers who have none. Of two places it
/// would be half of them that lies idle while one caller works.
const ENOUGH_TO_KEEP_ONE: usize = 3;

/// Some places, and the line of those who wait for one. Clones share them.
#[derive(Debug)]
pub struct FairQueue<Caller> {
    /// The things that the places are, in the words of a refusal.
    things: Arc<str>,
    count: usize,
    line: Arc<Mutex<Line<Caller>>>,
}

impl<Caller> Clone for FairQueue<Caller> {
    fn clone(&self) -> Self {
        Self {
            things: Arc::clone(&self.things),
            count: self.count,
            line: Arc::clone(&self.line),
        }
    }
}

/// A place in use, given back when this is dropped. One that is dropped while its call still waits
/// leaves the line.
#[derive(Debug)]
pub struct Turn<Caller: Taker> {
    line: Arc<Mutex<Line<Caller>>>,
    caller: Caller,
    /// The number under which the call waited; zero where it did not.
    number: u64,
}

/// Why a call has no place. [`NoTurn::remedy`] is what its caller can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct NoTurn {
    things: Arc<str>,
    count: usize,
    /// The places that the caller has itself.
    own: usize,
    /// The places that nobody has.
    free: usize,
    /// The calls of all callers that wait.
    waiting: u64,
    reason: Reason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// No place came free while the call waited for so long.
    Late(Duration),
    /// The call may not wait.
    MayNotWait(NoPlace),
}

/// The places, the callers who have some, and those who wait.
#[derive(Debug)]
struct Line<Caller> {
    free: usize,
    /// The places that are left to callers who have none.
    kept: usize,
    /// The last number that was given.
    last: u64,
    callers: HashMap<Caller, Standing>,
    waiting: Shares<Caller>,
    /// The callers who wait, in the order in which places go to them: by how many they have, then
    /// by their numbers.
    next: BTreeMap<(usize, u64), Caller>,
}

/// The standing of one caller: it has a place, or waits for one, or both.
#[derive(Debug, Default)]
struct Standing {
    held: usize,
    /// When it began to wait, or gave back a place while it waited: whoever comes meanwhile passes
    /// it at most once.
    number: u64,
    /// Its calls that wait, in the order in which they came.
    calls: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A turn, and how its call hears that it has come where it has to wait.
type Joined<Caller> = (Turn<Caller>, Option<oneshot::Receiver<()>>);

impl<Caller: Taker> FairQueue<Caller> {
    /// A queue for `count` places, of which none is taken. `things` are their name in refusals,
    /// such as `connections`.
    pub fn new(things: impl Into<Arc<str>>, count: usize) -> Self {
        let line = Line {
            free: count,
            kept: usize::from(count >= ENOUGH_TO_KEEP_ONE),
            last: 0,
            callers: HashMap::new(),
            waiting: Shares::default(),
            next: BTreeMap::new(),
        };
        Self {
            things: things.into(),
            count,
            line: Arc::new(Mutex::new(line)),
        }
    }

    /// A place for a call of this caller, as soon as it is its turn. Dropping the future leaves the
    /// line.
    ///
    /// # Errors
    /// No place came free within `patience`, or there is none in the line ([`NoTurn`]).
    pub async fn enter(&self, caller: &Caller, patience: Duration) -> Result<Turn<Caller>, NoTurn> {
        let joined = self.join(caller);
        let (turn, called) =
            joined.map_err(|none| self.no_turn(caller, Reason::MayNotWait(none)))?;
        if let Some(called) = called
            && timeout(patience, called).await.is_err()
        {
            drop(turn);
            return Err(self.no_turn(caller, Reason::Late(patience)));
        }
        Ok(turn)
    }

    /// How many calls wait.
    pub fn waiting(&self) -> usize {
        usize::try_from(lock(&self.line).waiting.of_all()).unwrap_or(usize::MAX)
    }

    fn join(&self, caller: &Caller) -> Result<Joined<Caller>, NoPlace> {
        let waits = lock(&self.line).join(caller)?;
        let (number, called) = waits.unzip();
        let turn = Turn {
            line: Arc::clone(&self.line),
            caller: caller.clone(),
            number: number.unwrap_or_default(),
        };
        Ok((turn, called))
    }

    fn no_turn(&self, caller: &Caller, reason: Reason) -> NoTurn {
        let line = lock(&self.line);
        NoTurn {
            things: Arc::clone(&self.things),
            count: self.count,
            own: line.held_by(caller),
            free: line.free,
            waiting: line.waiting.of_all(),
            reason,
        }
    }
}

impl<Caller: Taker> Drop for Turn<Caller> {
    fn drop(&mut self) {
        lock(&self.line).leave(&self.caller, self.number);
    }
}

impl<Caller: Taker> Line<Caller> {
    fn held_by(&self, caller: &Caller) -> usize {
        self.callers.get(caller).map_or(0, |own| own.held)
    }

    /// Whether a caller who has `held` places may have a free one.
    fn may_have_one(&self, caller: &Caller, held: usize) -> bool {
        let may_have_the_last = held == 0 || caller.is_crowd();
        self.free > self.kept || (self.free > 0 && may_have_the_last)
    }

    /// Takes a place for a call, or puts it into the line: nobody who waits may have the free
    /// places that there are.
    fn join(&mut self, caller: &Caller) -> Result<Option<(u64, oneshot::Receiver<()>)>, NoPlace> {
        if self.may_have_one(caller, self.held_by(caller)) {
            self.free -= 1;
            self.callers.entry(caller.clone()).or_default().held += 1;
            return Ok(None);
        }
        self.waiting.check_room(caller, 1, MOST_WAITING)?;
        self.waiting.add(caller.clone(), 1);
        self.last += 1;
        let own = self.callers.entry(caller.clone()).or_default();
        if own.calls.is_empty() {
            own.number = self.last;
            self.next.insert((own.held, own.number), caller.clone());
        }
        let (call, called) = oneshot::channel();
        own.calls.insert(self.last, call);
        Ok(Some((self.last, called)))
    }

    /// Takes a call out of the line, or its place back where it had its turn.
    fn leave(&mut self, caller: &Caller, number: u64) {
        let Some(own) = self.callers.get_mut(caller) else {
            return;
        };
        let order = (own.held, own.number);
        let waited = own.calls.remove(&number).is_some();
        match waited {
            true => self.waiting.remove(caller, 1),
            false => {
                own.held = own.held.saturating_sub(1);
                self.free += 1;
                self.last += 1;
                own.number = self.last;
            }
        }
        let still_waits = !own.calls.is_empty();
        if waited || still_waits {
            let known = self.next.remove(&order);
            let known = known.filter(|_| still_waits);
            self.next
                .extend(known.map(|known| ((own.held, own.number), known)));
        }
        if own.held == 0 && !still_waits {
            self.callers.remove(caller);
        }
        while self.serve_one() {}
    }

    /// Gives a free place to whoever is next; whether somebody was.
    fn serve_one(&mut self) -> bool {
        if self.free == 0 {
            return false;
        }
        // Those who have none come first: no more are passed over than have a place.
        let mut waiting = self.next.iter();
        let first = waiting.find(|((held, _), caller)| self.may_have_one(caller, *held));
        let first = first.map(|(order, _)| *order);
        let Some(caller) = first.and_then(|first| self.next.remove(&first)) else {
            return false;
        };
        let Some(own) = self.callers.get_mut(&caller) else {
            return false;
        };
        let Some((_, call)) = own.calls.pop_first() else {
            return false;
        };
        self.waiting.remove(&caller, 1);
        self.free -= 1;
        own.held += 1;
        if !own.calls.is_empty() {
            self.next.insert((own.held, own.number), caller);
        }
        // Whoever has just gone gives the place back with its turn.
        let _ = call.send(());
        true
    }
}

impl NoTurn {
    fn sentence(&self) -> String {
        let Self {
            things,
            count,
            own,
            free,
            waiting,
            reason,
        } = self;
        match reason {
            Reason::Late(patience) => {
                let waited = patience.as_secs();
                let queue =
                    format!("the call waited {waited} s in the queue, where {waiting} more wait");
                match (own, free) {
                    (0, _) => format!("all {count} {things} are busy; {queue}"),
                    (_, 0) => format!(
                        "all {count} {things} are busy; {queue}; this caller has {own} of them"
                    ),
                    _ => format!(
                        "this caller has {own} of the {count} {things}, and the last is for \
                         others; {queue}"
                    ),
                }
            }
            Reason::MayNotWait(NoPlace::AllTaken) => {
                format!("{waiting} calls wait for the {count} {things}, which is as many as may")
            }
            Reason::MayNotWait(NoPlace::ShareTaken) => format!(
                "this caller has {own} of the {count} {things}, and its share of the \
                 {MOST_WAITING} calls that may wait for them: half of what others leave"
            ),
        }
    }

    /// One sentence that says what a caller can do.
    pub fn remedy(&self) -> &'static str {
        match self.reason {
            Reason::Late(_) if self.own > 0 => {
                "try again when another call of this caller is over, or narrow those that run"
            }
            Reason::Late(_) | Reason::MayNotWait(NoPlace::AllTaken) => "try again in a few seconds",
            Reason::MayNotWait(NoPlace::ShareTaken) => {
                "send fewer calls at once, and this one again when some have been answered"
            }
        }
    }
}

#[cfg(test)]
mod tests;
