//! Timers of one core: a coarse wheel instead of one runtime timer per connection.
//!
//! A timer is an index into a slab; setting a deadline moves it between lists, and a tick looks only at the slot that is
//! due. Deadlines are rounded up to the next tick and never early.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

/// How often the wheel turns.
pub(crate) const TICK: Duration = Duration::from_millis(100);
/// Slots of the wheel. Deadlines further away are looked at once per turn.
const SLOTS: usize = 512;
const NONE: u32 = u32::MAX;

/// The timers of one core.
#[derive(Debug)]
pub(crate) struct Wheel {
    inner: RefCell<Inner>,
}

#[derive(Debug)]
struct Inner {
    start: Instant,
    /// Ticks that have been handled.
    now: u64,
    nodes: Vec<Node>,
    /// Head of the list of unused nodes.
    free: u32,
    /// Head of the list of each slot.
    slots: Vec<u32>,
    used: usize,
    ending: Ending,
}

/// How a core's connections are to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    /// When they like.
    Not,
    /// With the answer to their next request; whoever asks nothing may stay.
    Gentle,
    /// Idle ones at once.
    Draining,
}

#[derive(Debug)]
struct Node {
    previous: u32,
    next: u32,
    /// The slot it is linked into, or `NONE`.
    slot: u32,
    /// The tick it expires at; `u64::MAX` until it is set.
    deadline: u64,
    expired: bool,
    waker: Option<Waker>,
}

/// One timer; it belongs to one connection.
#[derive(Debug)]
pub(crate) struct Timer {
    wheel: Rc<Wheel>,
    index: u32,
}

impl Wheel {
    pub(crate) fn new(now: Instant) -> Rc<Self> {
        Rc::new(Self {
            inner: RefCell::new(Inner {
                start: now,
                now: 0,
                nodes: Vec::new(),
                free: NONE,
                slots: vec![NONE; SLOTS],
                used: 0,
                ending: Ending::Not,
            }),
        })
    }

    /// A timer that is not set.
    pub(crate) fn timer(self: &Rc<Self>) -> Timer {
        let index = self.inner.borrow_mut().allocate();
        Timer {
            wheel: self.clone(),
            index,
        }
    }

    /// Wakes every task whose deadline has passed.
    pub(crate) fn turn(&self, now: Instant) {
        let due = self.inner.borrow_mut().turn(now);
        due.into_iter().for_each(Waker::wake);
    }

    /// From now on every timer says so, and every task that waits is woken once.
    pub(crate) fn start_draining(&self) {
        self.end(Ending::Draining);
    }

    /// From now on every connection ends with the answer to its next request; every task that waits is woken once.
    pub(crate) fn start_closing(&self) {
        self.end(Ending::Gentle);
    }

    fn end(&self, how: Ending) {
        {
            let mut inner = self.inner.borrow_mut();
            inner.ending = inner.ending.max(how);
        }
        self.wake_all();
    }

    /// Wakes every task that waits: something that all of them look at has changed.
    pub(crate) fn wake_all(&self) {
        let wakers: Vec<_> = {
            let mut inner = self.inner.borrow_mut();
            inner.nodes.iter_mut().filter_map(|node| node.waker.take()).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// How many timers there are.
    pub(crate) fn timers(&self) -> usize {
        self.inner.borrow().used
    }

    /// Ticks that have been handled: a clock that costs nothing and is up to a tick late.
    pub(crate) fn ticks(&self) -> u64 {
        self.inner.borrow().now
    }

    /// Whether `start_draining` was called.
    pub(crate) fn draining(&self) -> bool {
        self.inner.borrow().ending == Ending::Draining
    }

    /// Whether connections are to end with their next answer.
    pub(crate) fn closing(&self) -> bool {
        self.inner.borrow().ending != Ending::Not
    }
}

impl Timer {
    /// Expires `after` from `now`, instead of whenever it was to expire.
    pub(crate) fn set(&self, now: Instant, after: Duration) {
        let mut inner = self.wheel.inner.borrow_mut();
        let deadline = inner.tick_after(now, after);
        inner.set(self.index, deadline);
    }

    /// As [`Timer::set`], from this moment, without asking a clock for it: the wheel's own is up to a tick late, which is
    /// made up for.
    #[inline]
    pub(crate) fn touch(&self, after: Duration) {
        let mut inner = self.wheel.inner.borrow_mut();
        let deadline = inner.now.saturating_add(ticks_of(after)).saturating_add(2);
        let node = &mut inner.nodes[self.index as usize];
        // What `Inner::set` does, where it does no more than this: at several places of each request.
        if node.slot != NONE && deadline >= node.deadline {
            node.expired = false;
            node.deadline = deadline;
        } else {
            inner.set(self.index, deadline);
        }
    }

    /// Nobody waits for this timer any more: whoever did is not woken by it.
    pub(crate) fn forget(&self) {
        let waker = self.wheel.inner.borrow_mut().nodes[self.index as usize].waker.take();
        drop(waker);
    }

    /// Whether the deadline has passed. If not, the task is woken when it does, or when draining begins.
    pub(crate) fn expired(&self, context: &Context<'_>) -> bool {
        let mut inner = self.wheel.inner.borrow_mut();
        let node = &mut inner.nodes[self.index as usize];
        if node.expired {
            return true;
        }
        if !node
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(context.waker()))
        {
            node.waker = Some(context.waker().clone());
        }
        false
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let waker = self.wheel.inner.borrow_mut().release(self.index);
        drop(waker);
    }
}

impl Inner {
    fn allocate(&mut self) -> u32 {
        self.used += 1;
        let node = Node {
            previous: NONE,
            next: NONE,
            slot: NONE,
            deadline: u64::MAX,
            expired: false,
            waker: None,
        };
        if self.free == NONE {
            self.nodes.push(node);
            return u32::try_from(self.nodes.len() - 1).expect("connections are bounded far below four billion");
        }
        let index = self.free;
        self.free = self.nodes[index as usize].next;
        self.nodes[index as usize] = node;
        index
    }

    fn release(&mut self, index: u32) -> Option<Waker> {
        self.unlink(index);
        self.used -= 1;
        let free = self.free;
        let node = &mut self.nodes[index as usize];
        node.next = free;
        self.free = index;
        node.waker.take()
    }

    fn tick_after(&self, now: Instant, after: Duration) -> u64 {
        let since = now.saturating_duration_since(self.start);
        // One more, because the tick that is running may be half over.
        ticks_of(since.saturating_add(after)).saturating_add(1)
    }

    fn set(&mut self, index: u32, deadline: u64) {
        let node = &mut self.nodes[index as usize];
        node.expired = false;
        // A later deadline needs no other list: the slot it stands in is looked at first, and moves it on.
        let moves = node.slot == NONE || deadline < node.deadline;
        node.deadline = deadline;
        if moves {
            self.unlink(index);
            self.link(index);
        }
    }

    fn link(&mut self, index: u32) {
        let deadline = self.nodes[index as usize].deadline;
        let at = deadline.clamp(self.now + 1, self.now + SLOTS as u64 - 1);
        let slot = (at % SLOTS as u64) as usize;
        let first = self.slots[slot];
        if first != NONE {
            self.nodes[first as usize].previous = index;
        }
        self.slots[slot] = index;
        let node = &mut self.nodes[index as usize];
        node.previous = NONE;
        node.next = first;
        node.slot = slot as u32;
    }

    fn unlink(&mut self, index: u32) {
        let Node {
            previous, next, slot, ..
        } = self.nodes[index as usize];
        if slot == NONE {
            return;
        }
        if previous == NONE {
            self.slots[slot as usize] = next;
        } else {
            self.nodes[previous as usize].next = next;
        }
        if next != NONE {
            self.nodes[next as usize].previous = previous;
        }
        let node = &mut self.nodes[index as usize];
        (node.previous, node.next, node.slot) = (NONE, NONE, NONE);
    }

    fn turn(&mut self, now: Instant) -> Vec<Waker> {
        let target = (now.saturating_duration_since(self.start).as_nanos() / TICK.as_nanos()) as u64;
        let mut due = Vec::new();
        // After a long pause one round of all slots has seen every timer.
        let first = target.saturating_sub(SLOTS as u64 - 1).max(self.now + 1);
        for tick in first..=target {
            self.now = tick;
            let slot = (tick % SLOTS as u64) as usize;
            let mut index = std::mem::replace(&mut self.slots[slot], NONE);
            while index != NONE {
                let node = &mut self.nodes[index as usize];
                let next = node.next;
                (node.previous, node.next, node.slot) = (NONE, NONE, NONE);
                if node.deadline <= target {
                    node.expired = true;
                    due.extend(node.waker.take());
                } else if node.deadline != u64::MAX {
                    self.link(index);
                }
                index = next;
            }
        }
        self.now = self.now.max(target);
        due
    }
}

/// How many ticks a time takes, rounded up.
#[inline]
pub(crate) fn ticks_of(time: Duration) -> u64 {
    const PER_SECOND: u64 = 1_000_000_000 / TICK.as_nanos() as u64;
    let of_rest = u64::from(time.subsec_nanos()).div_ceil(1_000_000_000 / PER_SECOND);
    time.as_secs().saturating_mul(PER_SECOND).saturating_add(of_rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Waiter {
        count: Arc<Count>,
        waker: Waker,
    }

    impl Waiter {
        fn new() -> Self {
            let count = Arc::new(Count::default());
            Self {
                waker: count.clone().into(),
                count,
            }
        }

        fn expired(&self, timer: &Timer) -> bool {
            timer.expired(&Context::from_waker(&self.waker))
        }

        fn wakes(&self) -> usize {
            self.count.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_timer_expires_after_its_deadline_and_not_before() {
        let start = Instant::now();
        for secs in [1, 60, 600, 4000] {
            let wheel = Wheel::new(start);
            let (timer, waiter) = (wheel.timer(), Waiter::new());
            timer.set(start, Duration::from_secs(secs));
            assert!(!waiter.expired(&timer));
            let mut now = start;
            while now < start + Duration::from_secs(secs) {
                wheel.turn(now);
                assert!(!waiter.expired(&timer), "{secs} s, after {:?}", now - start);
                now += Duration::from_millis(370);
            }
            wheel.turn(start + Duration::from_secs(secs) + 2 * TICK);
            assert_eq!(waiter.wakes(), 1, "{secs} s");
            assert!(waiter.expired(&timer), "{secs} s");
        }
    }

    #[test]
    fn a_deadline_can_be_moved_both_ways() {
        let start = Instant::now();
        let wheel = Wheel::new(start);
        let (timer, waiter) = (wheel.timer(), Waiter::new());
        timer.set(start, Duration::from_secs(100));
        timer.set(start, Duration::from_secs(1));
        timer.set(start, Duration::from_secs(3));
        assert!(!waiter.expired(&timer));
        wheel.turn(start + Duration::from_secs(2));
        assert!(!waiter.expired(&timer));
        wheel.turn(start + Duration::from_millis(3300));
        assert!(waiter.expired(&timer));
        timer.set(start + Duration::from_secs(4), Duration::from_secs(1));
        assert!(!waiter.expired(&timer));
        wheel.turn(start + Duration::from_millis(5300));
        assert!(waiter.expired(&timer));
    }

    #[test]
    fn a_touched_timer_is_never_early_although_it_asks_no_clock() {
        let start = Instant::now();
        let wheel = Wheel::new(start);
        let (timer, waiter) = (wheel.timer(), Waiter::new());
        // The wheel turns for the first time when a tick is almost over, and is touched when the next one is.
        wheel.turn(start + Duration::from_millis(199));
        timer.touch(Duration::from_secs(1));
        assert!(!waiter.expired(&timer));
        wheel.turn(start + Duration::from_millis(199 + 99 + 1000));
        assert!(!waiter.expired(&timer), "early");
        wheel.turn(start + Duration::from_millis(1400));
        assert!(waiter.expired(&timer) && waiter.wakes() == 1);
        timer.touch(Duration::from_secs(1));
        assert!(!waiter.expired(&timer));
        timer.forget();
        wheel.turn(start + Duration::from_secs(9));
        assert!(waiter.expired(&timer), "it expires all the same");
        assert_eq!(waiter.wakes(), 1, "but wakes nobody");
    }

    #[test]
    fn times_are_counted_in_whole_ticks() {
        for (millis, ticks) in [(0, 0), (1, 1), (100, 1), (101, 2), (60_000, 600), (60_001, 601)] {
            assert_eq!(ticks_of(Duration::from_millis(millis)), ticks, "{millis} ms");
        }
        assert_eq!(ticks_of(Duration::MAX), u64::MAX);
    }

    #[test]
    fn whoever_waits_can_be_woken_for_another_reason() {
        let start = Instant::now();
        let wheel = Wheel::new(start);
        let (timer, waiter) = (wheel.timer(), Waiter::new());
        timer.set(start, Duration::from_secs(100));
        for wakes in 1..3 {
            assert!(!waiter.expired(&timer));
            wheel.wake_all();
            wheel.wake_all();
            assert_eq!(waiter.wakes(), wakes);
        }
    }

    #[test]
    fn timers_give_their_place_back() {
        let start = Instant::now();
        let wheel = Wheel::new(start);
        for round in 0..1000_u64 {
            let timers: Vec<_> = (0..7).map(|_| wheel.timer()).collect();
            for (at, timer) in timers.iter().enumerate() {
                timer.set(start, Duration::from_millis(round * 13 + at as u64 * 997));
            }
            wheel.turn(start + Duration::from_millis(round * 10));
        }
        assert_eq!(wheel.inner.borrow().used, 0);
        assert_eq!(wheel.inner.borrow().nodes.len(), 7);
        assert!(wheel.inner.borrow().slots.iter().all(|slot| *slot == NONE));
    }

    #[test]
    fn draining_wakes_everybody_once() {
        let wheel = Wheel::new(Instant::now());
        let (timer, waiter) = (wheel.timer(), Waiter::new());
        assert!(!waiter.expired(&timer) && !wheel.draining());
        wheel.start_draining();
        assert_eq!(waiter.wakes(), 1);
        assert!(wheel.draining());
    }
}
