//! Clients whose listener has gone, or speaks another scheme now: nothing that they ask will be answered any more.
//!
//! A listener that is replaced is gone for a moment only, and its clients need not notice. Where it stays away they are let
//! go: idle connections are closed, and answers that are under way are the last ones.

use crate::table::{Scheme, Table};
use std::cell::RefCell;
use std::time::Instant;

/// A port, and what was spoken there.
pub(crate) type Door = (u16, Scheme);

/// The doors that are closed.
#[derive(Debug, Default)]
pub(crate) struct Left {
    doors: RefCell<Vec<LeftDoor>>,
}

#[derive(Debug)]
struct LeftDoor {
    door: Door,
    /// When its clients are let go; `None`: they are.
    at: Option<Instant>,
}

impl Left {
    /// Follows a table that has closed `doors`.
    pub(crate) fn follow(&self, table: &Table, doors: &[Door], let_go_at: Instant) {
        let mut left = self.doors.borrow_mut();
        left.retain(|left| !table.is_open(left.door));
        let closed = doors.iter().filter(|door| !table.is_open(**door));
        left.extend(closed.map(|door| LeftDoor {
            door: *door,
            at: Some(let_go_at),
        }));
    }

    /// Whether it is time to let clients go who were not before.
    pub(crate) fn tick(&self, now: Instant) -> bool {
        let mut left = self.doors.borrow_mut();
        let due = left.iter_mut().filter_map(|door| door.at.take_if(|at| *at <= now));
        due.count() > 0
    }

    /// Whether the clients of this door are let go.
    pub(crate) fn has(&self, door: impl FnOnce() -> Door) -> bool {
        let left = self.doors.borrow();
        !left.is_empty() && {
            let door = door();
            left.iter().any(|left| left.at.is_none() && left.door == door)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const HTTP: Door = (80, Scheme::Http);
    const HTTPS: Door = (80, Scheme::Https);

    #[test]
    fn clients_are_let_go_once_it_is_time() {
        let (left, now) = (Left::default(), Instant::now());
        let later = now + Duration::from_secs(5);
        left.follow(&Table::empty(), &[HTTP], later);
        assert!(!left.tick(now) && !left.has(|| HTTP));
        // Another door, a moment later, has its own time.
        left.follow(&Table::empty(), &[(81, Scheme::Http)], later + Duration::from_secs(1));
        assert!(left.tick(later), "they are woken");
        assert!(!left.tick(later), "once");
        assert!(left.has(|| HTTP) && !left.has(|| HTTPS) && !left.has(|| (81, Scheme::Http)));
        assert!(left.tick(later + Duration::from_secs(1)) && left.has(|| (81, Scheme::Http)));
    }

    #[test]
    fn a_door_that_opens_again_is_not_left() {
        let (left, now) = (Left::default(), Instant::now());
        let open = Table::with_doors(&[HTTP]);
        left.follow(&Table::empty(), &[HTTP], now);
        left.follow(&open, &[], now);
        assert!(!left.tick(now) && !left.has(|| HTTP));
        // It has come back before this core has heard of it.
        left.follow(&open, &[HTTP], now);
        assert!(!left.tick(now) && !left.has(|| HTTP));
        // Also when its clients were let go: they are others.
        left.follow(&Table::empty(), &[HTTP], now);
        assert!(left.tick(now) && left.has(|| HTTP));
        left.follow(&open, &[], now);
        assert!(!left.has(|| HTTP));
    }

    #[test]
    fn a_port_that_speaks_otherwise_has_left_its_clients() {
        let (left, now) = (Left::default(), Instant::now());
        let (before, after) = (Table::with_doors(&[HTTP]), Table::with_doors(&[HTTPS]));
        assert_eq!((after.closes(&before), before.closes(&before)), (vec![HTTP], vec![]));
        left.follow(&after, &after.closes(&before), now);
        assert!(left.tick(now) && left.has(|| HTTP) && !left.has(|| HTTPS));
    }
}
