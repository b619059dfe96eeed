//! Looking for the answer of a target without sleeping, where it is about to come.
//!
//! A thread that sleeps until an answer comes takes a while to wake: microseconds on a machine of its own, tens of them on
//! a virtual one, which is more than all else that a relayed request takes. Where requests come one at a time, their core
//! polls for [`Limits::busy_poll`] at most before it sleeps. Where that was in vain, it is tried more and more rarely: a target
//! that takes longer, or that needs the very processor that polls, costs next to nothing. Where several wait at once, there is
//! enough to do.
//!
//! [`Limits::busy_poll`]: crate::Limits::busy_poll

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Beyond this it does not get rarer: once in 2^10 requests.
const IN_VAIN_MAX: u32 = 10;
/// So many answers in a row make up for one time in vain: polling to its end costs more than an answer in time saves.
const ANSWERS_FOR_ONE: u32 = 4;

/// How many requests of one core wait for their target, and whether the core polls for one.
#[derive(Debug)]
pub(crate) struct BusyPoll {
    max: Duration,
    waiting: Cell<u32>,
    /// Several have waited at once since nobody did.
    several: Cell<bool>,
    /// While the core polls: when it sleeps after all.
    until: Cell<Option<Instant>>,
    /// So many times it was in vain, without those that answers have made up for.
    in_vain: Cell<u32>,
    /// Answers in a row that have not made up for anything yet.
    answers: Cell<u32>,
    /// So many requests are waited for asleep before it is tried again.
    asleep: Cell<u32>,
    wanted: Notify,
    uncounted: Cell<Polls>,
}

/// What a core has polled for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Polls {
    pub(crate) all: u64,
    pub(crate) in_vain: u64,
}

/// A request that waits for its target, until this is dropped. Without [`Waiting::answered`] before, nobody knows what came of
/// it.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    busy_poll: &'a BusyPoll,
}

impl BusyPoll {
    /// Polls for `max` at most; zero: never.
    pub(crate) fn new(max: Duration) -> Self {
        Self {
            max,
            waiting: Cell::new(0),
            several: Cell::new(false),
            until: Cell::new(None),
            in_vain: Cell::new(0),
            answers: Cell::new(0),
            asleep: Cell::new(0),
            wanted: Notify::new(),
            uncounted: Cell::default(),
        }
    }

    /// A request is on its way to its target. `now` is about now.
    pub(crate) fn wait(&self, now: Instant) -> Waiting<'_> {
        let waiting = self.waiting.get() + 1;
        self.waiting.set(waiting);
        if waiting > 1 {
            self.several.set(true);
        } else if !self.several.replace(false) && !self.max.is_zero() {
            self.begin(now);
        }
        Waiting { busy_poll: self }
    }

    /// What there was since this was asked last.
    pub(crate) fn take_uncounted(&self) -> Polls {
        self.uncounted.take()
    }

    fn count(&self, all: u64, in_vain: u64) {
        let uncounted = self.uncounted.get();
        self.uncounted.set(Polls {
            all: uncounted.all + all,
            in_vain: uncounted.in_vain + in_vain,
        });
    }

    fn begin(&self, now: Instant) {
        match self.asleep.get() {
            0 => {
                self.until.set(Some(now + self.max));
                self.wanted.notify_one();
                self.count(1, 0);
            }
            asleep => self.asleep.set(asleep - 1),
        }
    }

    fn answered_in_time(&self) {
        let answers = self.answers.get() + 1;
        self.answers.set(answers % ANSWERS_FOR_ONE);
        if answers == ANSWERS_FOR_ONE {
            self.in_vain.update(|in_vain| in_vain.saturating_sub(1));
        }
    }

    /// Whether to poll on.
    fn goes_on(&self, now: impl FnOnce() -> Instant) -> bool {
        let Some(until) = self.until.get() else {
            return false;
        };
        let alone = self.waiting.get() == 1;
        if alone && now() < until {
            return true;
        }
        self.until.set(None);
        // Where several wait now, nothing was in vain.
        if alone {
            let in_vain = (self.in_vain.get() + 1).min(IN_VAIN_MAX);
            self.in_vain.set(in_vain);
            self.answers.set(0);
            self.asleep.set((1 << in_vain) - 1);
            self.count(0, 1);
        }
        false
    }
}

impl Waiting<'_> {
    /// The target has answered.
    pub(crate) fn answered(self) {
        let busy_poll = self.busy_poll;
        if busy_poll.waiting.get() == 1 && busy_poll.until.take().is_some() {
            busy_poll.answered_in_time();
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waiting = self.busy_poll.waiting.get() - 1;
        self.busy_poll.waiting.set(waiting);
        if waiting == 0 {
            self.busy_poll.until.set(None);
        }
    }
}

/// Polls whenever that is wanted, on the core's thread: a runtime does not sleep while a task says that it could go on.
pub(crate) async fn run(busy_poll: Rc<BusyPoll>) {
    loop {
        busy_poll.wanted.notified().await;
        while busy_poll.goes_on(Instant::now) {
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_micros(100);

    struct Played {
        busy_poll: BusyPoll,
        now: Instant,
    }

    impl Played {
        fn new() -> Self {
            Self {
                busy_poll: BusyPoll::new(MAX),
                now: Instant::now(),
            }
        }

        fn polls_after(&self, took: Duration) -> bool {
            self.busy_poll.goes_on(|| self.now + took)
        }

        /// A request alone, whose target takes so long. Whether there was polling for it.
        fn request(&self, takes: Duration) -> bool {
            let waiting = self.busy_poll.wait(self.now);
            let polls = self.polls_after(Duration::ZERO);
            if takes >= MAX {
                assert!(!self.polls_after(takes));
            }
            waiting.answered();
            assert!(!self.polls_after(Duration::ZERO), "nobody waits");
            polls
        }
    }

    #[test]
    fn a_request_alone_is_polled_for_until_it_is_answered_or_the_time_is_over() {
        let played = Played::new();
        assert!(!played.polls_after(Duration::ZERO), "nobody waits");
        let waiting = played.busy_poll.wait(played.now);
        assert!(played.polls_after(MAX - Duration::from_nanos(1)));
        drop(waiting);
        assert!(!played.polls_after(Duration::ZERO));
        let _waiting = played.busy_poll.wait(played.now);
        assert!(played.polls_after(Duration::ZERO));
        assert!(!played.polls_after(MAX));
        assert!(!played.polls_after(Duration::ZERO), "once over, it stays over");
    }

    #[test]
    fn nothing_is_polled_for_while_several_wait() {
        let played = Played::new();
        let one = played.busy_poll.wait(played.now);
        let other = played.busy_poll.wait(played.now);
        assert!(!played.polls_after(Duration::ZERO));
        drop(one);
        assert!(!played.polls_after(Duration::ZERO), "the other one began beside it");
        drop(other);
        assert!(!played.request(Duration::ZERO), "there may be several again");
        assert!(played.request(Duration::ZERO), "and nothing was in vain");
    }

    #[test]
    fn what_was_in_vain_is_tried_more_and_more_rarely() {
        let played = Played::new();
        let slow = |count: usize| (0..count).filter(|_| played.request(MAX)).count();
        assert_eq!(slow(1), 1);
        for between in [1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 1023, 1023] {
            assert_eq!((slow(between), slow(1)), (0, 1), "{between}");
        }
        assert_eq!(played.busy_poll.take_uncounted(), Polls { all: 13, in_vain: 13 });
        assert_eq!(played.busy_poll.take_uncounted(), Polls::default());
    }

    #[test]
    fn a_target_that_answers_in_time_is_polled_for_again_at_once() {
        let played = Played::new();
        for _ in 0..2000 {
            played.request(MAX);
        }
        let quick = |count: usize| (0..count).filter(|_| played.request(Duration::ZERO)).count();
        assert!((1..1024).contains(&quick(1024)), "first it has to be tried again");
        assert_eq!(quick(100), 100);
        for _ in 0..50 {
            assert_eq!((played.request(MAX), played.request(Duration::ZERO)), (true, false));
            assert_eq!(quick(10), 10, "one in twelve is not enough to stop it");
        }
    }

    #[test]
    fn where_every_third_target_is_slow_it_is_not_worth_while() {
        let played = Played::new();
        let polls = (0..30_000).filter(|number| {
            let takes = if number % 3 == 2 { MAX } else { Duration::ZERO };
            played.request(takes) && takes == MAX
        });
        let in_vain = polls.count();
        assert!((10..60).contains(&in_vain), "{in_vain} of 10,000");
    }

    #[test]
    fn whoever_leaves_proves_nothing() {
        let played = Played::new();
        assert!(played.request(MAX));
        assert!(!played.request(Duration::ZERO));
        for _ in 0..100 {
            let left = played.busy_poll.wait(played.now);
            assert!(played.polls_after(Duration::ZERO));
            drop(left);
            assert!(!played.polls_after(Duration::ZERO));
        }
        let polls = played.busy_poll.take_uncounted();
        assert_eq!(polls, Polls { all: 101, in_vain: 1 });
        assert!(played.request(MAX));
        // Twice in vain: three sleep.
        let polled: Vec<bool> = (0..4).map(|_| played.request(Duration::ZERO)).collect();
        assert_eq!(polled, [false, false, false, true]);
    }

    #[test]
    fn no_time_means_never() {
        let busy_poll = BusyPoll::new(Duration::ZERO);
        let _waiting = busy_poll.wait(Instant::now());
        assert!(!busy_poll.goes_on(Instant::now));
    }
}
