//! Workspaces that a core keeps for later. What a burst took is given back when it is over.

use std::cell::{Cell, RefCell};

/// So many are kept at most.
const KEPT_MAX: usize = 64;
/// So many are kept however long nobody needs them.
const KEPT_ALWAYS: usize = 2;
/// More than mimalloc puts beside others: 512 KiB.
const ALONE_BYTES: usize = 1024 * 1024;

/// Buffers and state that can be used again.
pub(crate) trait Workspace: Default {
    /// Empties everything; `false` when it has grown too large to be kept.
    fn recycle(&mut self) -> bool;
}

/// Workspaces of one kind. The one given back last is lent next: the processor's caches still hold it.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    /// In boxes, because they are handed on as such: whoever waits holds a pointer.
    kept: RefCell<Vec<Box<T>>>,
    lent: Cell<usize>,
    /// The fewest that lay here since [`Kept::shrink`]: those below were not needed.
    fewest: Cell<usize>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self {
            kept: RefCell::default(),
            lent: Cell::new(0),
            fewest: Cell::new(0),
        }
    }
}

impl<T: Workspace> Kept<T> {
    pub(crate) fn take(&self) -> Box<T> {
        self.lent.set(self.lent.get() + 1);
        let mut kept = self.kept.borrow_mut();
        let taken = kept.pop();
        self.fewest.set(self.fewest.get().min(kept.len()));
        taken.unwrap_or_default()
    }

    pub(crate) fn give(&self, mut work: Box<T>) {
        self.lent.set(self.lent.get().saturating_sub(1));
        let mut kept = self.kept.borrow_mut();
        if kept.len() < KEPT_MAX && work.recycle() {
            kept.push(work);
        }
    }

    /// Frees what nobody has needed since this was called last.
    pub(crate) fn shrink(&self) {
        let mut kept = self.kept.borrow_mut();
        let unneeded = self.fewest.get().min(kept.len().saturating_sub(KEPT_ALWAYS));
        kept.drain(..unneeded);
        self.fewest.set(kept.len());
    }

    /// How many are lent now.
    pub(crate) fn lent(&self) -> usize {
        self.lent.get()
    }
}

/// Makes the allocator look for memory that it can give back to the system. It does so where it frees a block that lies by
/// itself, and a core with nothing to do frees none.
pub(crate) fn return_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(ALONE_BYTES)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Small(bool);

    impl Workspace for Small {
        fn recycle(&mut self) -> bool {
            !self.0
        }
    }

    fn lend(kept: &Kept<Small>, count: usize) {
        let lent: Vec<_> = (0..count).map(|_| kept.take()).collect();
        assert_eq!(kept.lent(), count);
        lent.into_iter().for_each(|work| kept.give(work));
        assert_eq!(kept.lent(), 0);
    }

    fn count(kept: &Kept<Small>) -> usize {
        kept.kept.borrow().len()
    }

    #[test]
    fn what_a_burst_took_is_freed_when_it_is_over() {
        let kept = Kept::default();
        lend(&kept, 1000);
        assert_eq!(count(&kept), KEPT_MAX);
        kept.shrink();
        assert_eq!(count(&kept), KEPT_MAX, "all of them were needed");
        for _ in 0..3 {
            lend(&kept, 10);
            kept.shrink();
            assert_eq!(count(&kept), 10, "as many as are needed at a time");
        }
        kept.shrink();
        assert_eq!(count(&kept), KEPT_ALWAYS);
        kept.shrink();
        assert_eq!(count(&kept), KEPT_ALWAYS);
    }

    #[test]
    fn what_has_grown_too_large_is_not_kept() {
        let kept = Kept::<Small>::default();
        let mut work = kept.take();
        work.0 = true;
        kept.give(work);
        assert_eq!((count(&kept), kept.lent()), (0, 0));
    }
}
