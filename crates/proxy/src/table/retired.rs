//! Tables that traffic has left: one of ten thousand rules is not for a traffic thread to take down.

use super::Table;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

/// Where they wait for somebody who has the time. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Retired(Arc<Mutex<Vec<Arc<Table>>>>);

impl Retired {
    /// Whoever calls this lets go of the table next. Does not wait: should the others be looked through at this moment, it is
    /// taken down where it was used.
    pub(crate) fn keep(&self, table: &Arc<Table>) {
        let mut tables = match self.0.try_lock() {
            Ok(tables) => tables,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        // One that is here twice would never be the last of its kind.
        if !tables.iter().any(|known| Arc::ptr_eq(known, table)) {
            tables.push(table.clone());
        }
    }

    /// Takes down those that nobody else has any more. Costs time; not for traffic cores.
    pub(crate) fn take_down(&self) {
        let is_left = |table: &mut Arc<Table>| Arc::strong_count(table) == 1;
        let left: Vec<_> = {
            let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            tables.extract_if(.., is_left).collect()
        };
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Weak;

    /// A table that one traffic thread has left, and that somebody still has.
    fn one_kept() -> (Retired, Arc<Table>, Weak<Table>) {
        let (retired, table) = (Retired::default(), Arc::new(Table::empty()));
        retired.keep(&table);
        let gone = Arc::downgrade(&table);
        (retired, table, gone)
    }

    #[test]
    fn a_table_is_taken_down_when_the_last_has_left_it() {
        let (retired, table, gone) = one_kept();
        retired.take_down();
        assert!(gone.upgrade().is_some(), "somebody serves from it");
        drop(table);
        assert!(gone.upgrade().is_some(), "it is not taken down where it was left");
        retired.take_down();
        assert!(gone.upgrade().is_none());
    }

    #[test]
    fn what_two_have_left_is_one_table() {
        let (retired, table, gone) = one_kept();
        retired.keep(&table);
        drop(table);
        retired.take_down();
        assert!(gone.upgrade().is_none());
    }

    #[test]
    fn nobody_waits_for_whoever_looks_through_them() {
        let retired = Retired::default();
        let table = Arc::new(Table::empty());
        let looking = retired.0.lock().unwrap();
        retired.keep(&table);
        drop(looking);
        assert_eq!(Arc::strong_count(&table), 1, "it was not kept");
    }
}
