//! Tables that traffic has left: one of ten thousand rules is not for a traffic thread to take down.

use super::Table;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where they wait for somebody who has the time. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Retired(Arc<Mutex<Vec<Arc<Table>>>>);

impl Retired {
    /// Whoever calls this lets go of the table next.
    pub(crate) fn take(&self, table: &Arc<Table>) {
        let mut tables = self.tables();
        if !tables.iter().any(|known| Arc::ptr_eq(known, table)) {
            tables.push(table.clone());
        }
    }

    /// Takes down those that nobody else has any more. Costs time; not for traffic cores.
    pub(crate) fn take_down(&self) {
        let is_left = |table: &mut Arc<Table>| Arc::strong_count(table) == 1;
        let left: Vec<_> = self.tables().extract_if(.., is_left).collect();
        drop(left);
    }

    fn tables(&self) -> MutexGuard<'_, Vec<Arc<Table>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_taken_down_when_the_last_has_left_it() {
        let retired = Retired::default();
        let table = Arc::new(Table::empty());
        let gone = Arc::downgrade(&table);
        retired.take(&table);
        retired.take_down();
        assert!(gone.upgrade().is_some(), "somebody serves from it");
        drop(table);
        assert!(gone.upgrade().is_some(), "it is not taken down where it was left");
        retired.take_down();
        assert!(gone.upgrade().is_none());
    }

    #[test]
    fn what_two_have_left_is_one_table() {
        let retired = Retired::default();
        let table = Arc::new(Table::empty());
        let gone = Arc::downgrade(&table);
        retired.take(&table);
        retired.take(&table);
        drop(table);
        retired.take_down();
        assert!(gone.upgrade().is_none());
    }
}
