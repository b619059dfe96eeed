//! Who is next. Functions take turns, so that one with many events does not keep the others waiting; and a function whose
//! attempts are throttled is given fewer at once, until they succeed again.

use model::{FunctionArn, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use store::queue::{EventId, Waiting};

/// How much is tried at once.
#[derive(Clone, Copy, Debug)]
pub struct EventLimits {
    /// Attempts of all functions. Each holds its payload and its answer. Default 128.
    pub at_once_max: usize,
    /// Attempts of one function. Default 32.
    pub at_once_per_function_max: usize,
}

impl Default for EventLimits {
    fn default() -> Self {
        Self {
            at_once_max: 128,
            at_once_per_function_max: 32,
        }
    }
}

/// Events that are over by their age and are taken although there is no room: they are not run, so that they need little.
const OLD_AT_ONCE_MAX: usize = 8;

/// An event that waits for its next attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) waiting: Waiting,
    /// How often it was throttled since it was last run.
    pub(super) throttles: u32,
}

/// An event that is tried.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) next: Next,
    /// Lines that were begun anew since do not know it.
    era: u64,
}

/// How an attempt went, for the pace of its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// It was run.
    Kept,
    /// There was no room.
    Throttled,
    /// It was over before.
    NotRun,
}

/// Everybody who waits, and how many are tried.
#[derive(Debug, Default)]
pub(super) struct Line {
    limits: EventLimits,
    functions: BTreeMap<FunctionArn, Of>,
    /// Whose turn it is, the first one next. Everybody with somebody who waits is in it, once.
    turns: VecDeque<FunctionArn>,
    at_once: usize,
    era: u64,
    serves: bool,
}

/// Those of one function.
#[derive(Debug)]
struct Of {
    by_due: BTreeMap<(Timestamp, EventId), Next>,
    at_once: usize,
    at_once_max: usize,
}

impl Line {
    pub(super) fn new(limits: EventLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Nobody is taken until [`Line::go_on`].
    pub(super) fn pause(&mut self) {
        self.serves = false;
    }

    pub(super) fn go_on(&mut self) {
        self.serves = true;
    }

    /// Whether nothing is tried.
    pub(super) fn is_quiet(&self) -> bool {
        self.at_once == 0
    }

    /// These are all there are. What is tried at the moment is among them again: its end is not known.
    pub(super) fn reset(&mut self, all: Vec<Waiting>) {
        self.functions.clear();
        self.turns.clear();
        self.at_once = 0;
        self.era += 1;
        all.into_iter().for_each(|waiting| self.add(waiting));
    }

    /// One more.
    pub(super) fn add(&mut self, waiting: Waiting) {
        let due = waiting.attempts.due;
        self.insert(Next { waiting, throttles: 0 }, due);
    }

    fn insert(&mut self, next: Next, due: Timestamp) {
        let function = next.waiting.function.function();
        let of = self.functions.entry(function.clone()).or_insert_with(|| Of {
            by_due: BTreeMap::new(),
            at_once: 0,
            at_once_max: self.limits.at_once_per_function_max,
        });
        if of.by_due.is_empty() {
            self.turns.push_back(function);
        }
        of.by_due.insert((due, next.waiting.id), next);
    }

    /// The next one that is due, if one more may be tried. One that is too old by now is over, and needs no room for that.
    pub(super) fn take(&mut self, now: Timestamp, too_old: impl Fn(&Waiting) -> Timestamp) -> Option<Taken> {
        if !self.serves || self.at_once >= self.limits.at_once_max + OLD_AT_ONCE_MAX {
            return None;
        }
        let has_room = self.at_once < self.limits.at_once_max;
        for _ in 0..self.turns.len() {
            let function = self.turns.pop_front()?;
            let of = self.functions.get_mut(&function)?;
            let has_room = has_room && of.at_once < of.at_once_max;
            let first = of.by_due.first_entry().filter(|it| it.key().0 <= now);
            let taken = first.filter(|it| has_room || too_old(&it.get().waiting) <= now);
            let taken = taken.map(|it| it.remove());
            if taken.is_some() {
                of.at_once += 1;
                self.at_once += 1;
            }
            if !of.by_due.is_empty() {
                self.turns.push_back(function);
            }
            if let Some(next) = taken {
                return Some(Taken { next, era: self.era });
            }
        }
        None
    }

    /// When there may be somebody to take whom the end of an attempt does not make so.
    pub(super) fn next_due(&self, now: Timestamp, too_old: impl Fn(&Waiting) -> Timestamp) -> Option<Timestamp> {
        if !self.serves {
            return None;
        }
        let firsts = self.functions.values().filter_map(|of| of.by_due.first_key_value());
        // Who is due already waits for room, or for its end.
        let next = firsts.map(|((due, _), next)| match *due > now {
            true => *due,
            false => too_old(&next.waiting),
        });
        next.filter(|at| *at > now).min()
    }

    /// An attempt is over. `again`: when the event, as it is now, is tried once more.
    pub(super) fn over(&mut self, taken: &Taken, pace: Pace, again: Option<(Next, Timestamp)>) {
        if taken.era != self.era {
            return;
        }
        let function = taken.next.waiting.function.function();
        self.at_once -= 1;
        if let Some(of) = self.functions.get_mut(&function) {
            of.at_once -= 1;
            of.at_once_max = match pace {
                Pace::Kept => (of.at_once_max + 1).min(self.limits.at_once_per_function_max),
                Pace::Throttled => (of.at_once_max / 2).max(1),
                Pace::NotRun => of.at_once_max,
            };
        }
        if let Some((next, due)) = again {
            self.insert(next, due);
        }
        let is_done = self
            .functions
            .get(&function)
            .is_some_and(|of| of.at_once == 0 && of.by_due.is_empty());
        if is_done {
            self.functions.remove(&function);
        }
    }

    /// How many events of a function wait, and how many are tried.
    #[cfg(test)]
    pub(super) fn count(&self, function: &FunctionArn) -> (usize, usize) {
        self.functions
            .get(function)
            .map_or((0, 0), |of| (of.by_due.len(), of.at_once))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::lambda::event_invoke::QualifiedArn;
    use store::queue::Attempts;

    fn waiting(function: &str, id: u64, due: u64) -> Waiting {
        let arn = format!("arn:aws:lambda:eu-west-1:111122223333:function:{function}:$LATEST");
        Waiting {
            id: EventId(id),
            function: QualifiedArn::try_from(arn.as_str()).unwrap(),
            accepted: Timestamp(0),
            attempts: Attempts {
                failures: 0,
                due: Timestamp(due),
            },
        }
    }

    fn line(at_once_max: usize, at_once_per_function_max: usize) -> Line {
        let mut line = Line::new(EventLimits {
            at_once_max,
            at_once_per_function_max,
        });
        line.go_on();
        line
    }

    fn never(_: &Waiting) -> Timestamp {
        Timestamp(u64::MAX)
    }

    fn take(line: &mut Line, now: u64) -> Option<u64> {
        line.take(Timestamp(now), never).map(|taken| taken.next.waiting.id.0)
    }

    /// When somebody is, if nobody is ever too old.
    fn due(line: &Line, now: u64) -> Option<Timestamp> {
        line.next_due(Timestamp(now), never)
            .filter(|at| *at != Timestamp(u64::MAX))
    }

    #[test]
    fn whoever_is_too_old_waits_for_no_room() {
        let at_60 = |_: &Waiting| Timestamp(60);
        for (all, each) in [(10, 1), (1, 10)] {
            let mut line = line(all, each);
            (1..=3).for_each(|id| line.add(waiting("a", id, 5)));
            let taken = |line: &mut Line, now| line.take(Timestamp(now), at_60).map(|it| it.next.waiting.id.0);
            assert_eq!(taken(&mut line, 5), Some(1));
            assert_eq!(taken(&mut line, 59), None, "there is no room");
            assert_eq!(line.next_due(Timestamp(5), at_60), Some(Timestamp(60)));
            assert_eq!((taken(&mut line, 60), taken(&mut line, 60)), (Some(2), Some(3)));
            assert_eq!(line.next_due(Timestamp(60), at_60), None);
        }
        let mut line = line(1, 1);
        (1..=20).for_each(|id| line.add(waiting("a", id, 0)));
        let count = std::iter::from_fn(|| line.take(Timestamp(60), at_60)).count();
        assert_eq!(count, 1 + OLD_AT_ONCE_MAX, "not all at once");
    }

    #[test]
    fn functions_take_turns_and_the_first_due_is_first() {
        let mut line = line(10, 10);
        for (function, id, due) in [("a", 1, 5), ("a", 2, 0), ("a", 3, 0), ("b", 4, 0), ("c", 5, 99)] {
            line.add(waiting(function, id, due));
        }
        let order: Vec<_> = std::iter::from_fn(|| take(&mut line, 10)).collect();
        assert_eq!(order, [2, 4, 3, 1]);
        assert_eq!(due(&line, 10), Some(Timestamp(99)));
        assert_eq!(take(&mut line, 98), None);
        assert_eq!(take(&mut line, 99), Some(5));
        assert_eq!(due(&line, 99), None);
    }

    #[test]
    fn as_many_are_tried_at_once_as_may_be() {
        let mut line = line(3, 2);
        (1..=4).for_each(|id| line.add(waiting("a", id, 0)));
        line.add(waiting("b", 9, 0));
        line.add(waiting("b", 10, 0));
        let first = line.take(Timestamp(0), never).unwrap();
        assert_eq!(take(&mut line, 0), Some(9));
        assert_eq!(take(&mut line, 0), Some(2));
        assert_eq!(take(&mut line, 0), None, "three at once");
        line.over(&first, Pace::Kept, None);
        assert_eq!(take(&mut line, 0), Some(10), "it was its turn");
        assert_eq!((line.count(&first.next.waiting.function.function())), (2, 1));
    }

    #[test]
    fn a_throttled_function_is_given_fewer_until_it_keeps_up() {
        let mut line = line(100, 4);
        (1..=20).for_each(|id| line.add(waiting("a", id, 0)));
        let taken: Vec<_> = std::iter::from_fn(|| line.take(Timestamp(0), never)).collect();
        assert_eq!(taken.len(), 4);
        for taken in &taken {
            line.over(taken, Pace::Throttled, Some((taken.next.clone(), Timestamp(1000))));
        }
        let one: Vec<_> = std::iter::from_fn(|| line.take(Timestamp(0), never)).collect();
        assert_eq!(one.len(), 1, "halved each time, and at least one");
        line.over(&one[0], Pace::NotRun, None);
        let one: Vec<_> = std::iter::from_fn(|| line.take(Timestamp(0), never)).collect();
        assert_eq!(one.len(), 1, "it tells nothing");
        line.over(&one[0], Pace::Kept, None);
        assert_eq!(std::iter::from_fn(|| line.take(Timestamp(0), never)).count(), 2);
    }

    #[test]
    fn what_was_tried_before_the_line_was_begun_anew_is_not_counted_twice() {
        let mut line = line(10, 10);
        line.add(waiting("a", 1, 0));
        let old = line.take(Timestamp(0), never).unwrap();
        line.reset(vec![waiting("a", 1, 0)]);
        assert!(line.is_quiet());
        assert_eq!(take(&mut line, 0), Some(1));
        line.over(&old, Pace::Kept, Some((old.next.clone(), Timestamp(0))));
        assert_eq!(take(&mut line, 0), None);
        assert!(!line.is_quiet());
    }

    #[test]
    fn nobody_is_taken_in_a_pause() {
        let mut line = line(10, 10);
        line.pause();
        line.add(waiting("a", 1, 0));
        assert_eq!(take(&mut line, 0), None);
        assert_eq!(due(&line, 0), None);
        line.go_on();
        assert_eq!(take(&mut line, 0), Some(1));
    }
}
