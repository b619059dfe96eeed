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

    /// The next one that is due, if one more may be tried.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<Taken> {
        if !self.serves || self.at_once >= self.limits.at_once_max {
            return None;
        }
        for _ in 0..self.turns.len() {
            let function = self.turns.pop_front()?;
            let of = self.functions.get_mut(&function)?;
            let first = of.by_due.first_entry().filter(|it| it.key().0 <= now);
            let taken = match first {
                Some(first) if of.at_once < of.at_once_max => Some(first.remove()),
                _ => None,
            };
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
    pub(super) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.serves {
            return None;
        }
        let firsts = self.functions.values().filter_map(|of| of.by_due.first_key_value());
        firsts.map(|((due, _), _)| *due).filter(|due| *due > now).min()
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

    fn take(line: &mut Line, now: u64) -> Option<u64> {
        line.take(Timestamp(now)).map(|taken| taken.next.waiting.id.0)
    }

    #[test]
    fn functions_take_turns_and_the_first_due_is_first() {
        let mut line = line(10, 10);
        for (function, id, due) in [("a", 1, 5), ("a", 2, 0), ("a", 3, 0), ("b", 4, 0), ("c", 5, 99)] {
            line.add(waiting(function, id, due));
        }
        let order: Vec<_> = std::iter::from_fn(|| take(&mut line, 10)).collect();
        assert_eq!(order, [2, 4, 3, 1]);
        assert_eq!(line.next_due(Timestamp(10)), Some(Timestamp(99)));
        assert_eq!(take(&mut line, 98), None);
        assert_eq!(take(&mut line, 99), Some(5));
        assert_eq!(line.next_due(Timestamp(99)), None);
    }

    #[test]
    fn as_many_are_tried_at_once_as_may_be() {
        let mut line = line(3, 2);
        (1..=4).for_each(|id| line.add(waiting("a", id, 0)));
        line.add(waiting("b", 9, 0));
        line.add(waiting("b", 10, 0));
        let first = line.take(Timestamp(0)).unwrap();
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
        let taken: Vec<_> = std::iter::from_fn(|| line.take(Timestamp(0))).collect();
        assert_eq!(taken.len(), 4);
        for taken in &taken {
            line.over(taken, Pace::Throttled, Some((taken.next.clone(), Timestamp(1000))));
        }
        let one: Vec<_> = std::iter::from_fn(|| line.take(Timestamp(0))).collect();
        assert_eq!(one.len(), 1, "halved each time, and at least one");
        line.over(&one[0], Pace::Kept, None);
        assert_eq!(std::iter::from_fn(|| line.take(Timestamp(0))).count(), 2);
    }

    #[test]
    fn what_was_tried_before_the_line_was_begun_anew_is_not_counted_twice() {
        let mut line = line(10, 10);
        line.add(waiting("a", 1, 0));
        let old = line.take(Timestamp(0)).unwrap();
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
        assert_eq!(line.next_due(Timestamp(0)), None);
        line.go_on();
        assert_eq!(take(&mut line, 0), Some(1));
    }
}
