//! Which destinations are wanted, and the handles that lines are written with.

use super::Destination;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Says where a line goes. Whoever compiles a table keeps it there, per load balancer and kind of log: a log that is not
/// wanted has none, so asking costs nothing. It keeps its destination alive: as long as there is a handle, lines that
/// are written with it are delivered, even when the destination is followed no more.
#[derive(Clone)]
pub struct DeliveryHandle(Arc<Known>);

struct Known {
    id: u64,
    destination: Destination,
}

impl DeliveryHandle {
    /// Where its lines go.
    #[must_use]
    pub fn destination(&self) -> &Destination {
        &self.0.destination
    }

    pub(super) fn id(&self) -> u64 {
        self.0.id
    }
}

impl PartialEq for DeliveryHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for DeliveryHandle {}

impl fmt::Debug for DeliveryHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeliveryHandle").field(&self.0.destination).finish()
    }
}

/// All destinations that somebody may still write to.
#[derive(Debug, Default)]
pub(super) struct Registry {
    ids: HashMap<Destination, u64>,
    entries: HashMap<u64, Entry>,
    last_id: u64,
}

#[derive(Debug)]
struct Entry {
    handle: DeliveryHandle,
    is_followed: bool,
    /// It was unused at the end of the last interval already.
    is_leaving: bool,
}

impl Registry {
    /// Follows exactly these from now on. The handles are in the same order; one that was followed keeps its handle.
    pub(super) fn follow(&mut self, wanted: impl IntoIterator<Item = Destination>) -> Vec<DeliveryHandle> {
        self.entries.values_mut().for_each(|entry| entry.is_followed = false);
        wanted
            .into_iter()
            .map(|destination| self.follow_one(destination))
            .collect()
    }

    fn follow_one(&mut self, destination: Destination) -> DeliveryHandle {
        let known = self.ids.get(&destination).and_then(|id| self.entries.get_mut(id));
        if let Some(entry) = known {
            (entry.is_followed, entry.is_leaving) = (true, false);
            return entry.handle.clone();
        }
        // Never used again: batches on their way name the old ones.
        self.last_id += 1;
        let id = self.last_id;
        self.ids.insert(destination.clone(), id);
        let handle = DeliveryHandle(Arc::new(Known { id, destination }));
        self.entries.insert(
            id,
            Entry {
                handle: handle.clone(),
                is_followed: true,
                is_leaving: false,
            },
        );
        handle
    }

    pub(super) fn is_followed(&self, destination: &Destination) -> bool {
        let entry = self.ids.get(destination).and_then(|id| self.entries.get(id));
        entry.is_some_and(|entry| entry.is_followed)
    }

    pub(super) fn destination(&self, id: u64) -> Option<&Destination> {
        self.entries.get(&id).map(|entry| entry.handle.destination())
    }

    /// Forgets what was neither followed nor held by anybody at two ends of intervals: a core may have dropped the last
    /// handle a moment ago, with lines on their way.
    pub(super) fn forget_unused(&mut self) {
        let Self { ids, entries, .. } = self;
        entries.retain(|_, entry| {
            let is_used = entry.is_followed || Arc::strong_count(&entry.handle.0) > 1;
            let is_kept = is_used || !entry.is_leaving;
            entry.is_leaving = !is_used;
            if !is_kept {
                ids.remove(entry.handle.destination());
            }
            is_kept
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DestinationFields, LogKind};
    use super::*;

    fn destination(bucket: &str) -> Destination {
        Destination::new(&DestinationFields {
            kind: LogKind::Access,
            account: "123456789012",
            region: "us-east-1",
            load_balancer: "app/shop/0123456789abcdef",
            bucket,
            prefix: "",
        })
        .unwrap()
    }

    #[test]
    fn following_the_same_again_changes_nothing() {
        let mut registry = Registry::default();
        let first = registry.follow([destination("one"), destination("two"), destination("one")]);
        let again = registry.follow([destination("two"), destination("one")]);
        assert_eq!(first[0], first[2]);
        assert_eq!((&again[0], &again[1]), (&first[1], &first[0]));
        assert_ne!(first[0].id(), first[1].id());
        assert_eq!(again[0].destination(), &destination("two"));
    }

    #[test]
    fn what_nobody_uses_is_forgotten_at_the_second_end() {
        let mut registry = Registry::default();
        let held = registry.follow([destination("one")]);
        let id = held[0].id();
        registry.follow([]);
        assert!(!registry.is_followed(&destination("one")));
        for _ in 0..3 {
            registry.forget_unused();
        }
        assert!(
            registry.destination(id).is_some(),
            "a request may still end with this handle"
        );
        drop(held);
        registry.forget_unused();
        assert!(registry.destination(id).is_some(), "its line may be on the way");
        registry.forget_unused();
        assert!(registry.destination(id).is_none());
        assert_ne!(registry.follow([destination("one")])[0].id(), id);
    }

    #[test]
    fn what_comes_back_in_time_stays() {
        let mut registry = Registry::default();
        let id = registry.follow([destination("one")])[0].id();
        registry.follow([]);
        registry.forget_unused();
        assert_eq!(registry.follow([destination("one")])[0].id(), id);
        registry.follow([]);
        registry.forget_unused();
        assert!(registry.destination(id).is_some(), "it begins to leave anew");
    }
}
