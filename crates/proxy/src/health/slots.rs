//! How many checks run at once, so that targets that hang cost a bounded number of sockets.

use model::TargetGroupArn;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Checks of one core that run at once; others wait in the order they were due. Each target runs one at most.
const CHECKS_MAX: usize = 256;
/// Those of one group among them: a group whose targets all hang leaves room for the checks of others.
const CHECKS_OF_GROUP_MAX: usize = CHECKS_MAX / 2;

/// The places of one core.
#[derive(Debug)]
pub(super) struct Slots {
    all: Rc<Semaphore>,
    groups: BTreeMap<TargetGroupArn, Weak<Semaphore>>,
}

/// Where the checks of one group wait for a place.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    all: Rc<Semaphore>,
    group: Rc<Semaphore>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    _group: SemaphorePermit<'a>,
    _all: SemaphorePermit<'a>,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self {
            all: Rc::new(Semaphore::new(CHECKS_MAX)),
            groups: BTreeMap::new(),
        }
    }

    /// The lane of a group; it is gone when nobody has it any more.
    pub(super) fn lane(&mut self, group: &TargetGroupArn) -> Lane {
        let known = self.groups.get(group).and_then(Weak::upgrade);
        let group = known.unwrap_or_else(|| {
            self.groups.retain(|_, lane| lane.strong_count() > 0);
            let lane = Rc::new(Semaphore::new(CHECKS_OF_GROUP_MAX));
            self.groups.insert(group.clone(), Rc::downgrade(&lane));
            lane
        });
        Lane {
            all: self.all.clone(),
            group,
        }
    }
}

impl Lane {
    /// Waits for a place. Who came first has it first. `None` never comes: nobody closes a lane.
    ///
    /// # Cancel safety
    /// Cancel safe; the place in the queue is lost.
    pub(super) async fn take(&self) -> Option<Slot<'_>> {
        // First the group's, so that nobody waits for it with a place of all in hand.
        let group = self.group.acquire().await.ok()?;
        let all = self.all.acquire().await.ok()?;
        Some(Slot {
            _group: group,
            _all: all,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AccountId, Region, ResourceId, Scope};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn group(name: &str) -> TargetGroupArn {
        let scope = Scope {
            region: Region::try_from("us-east-1").unwrap(),
            account: AccountId::try_from("123456789012").unwrap(),
        };
        TargetGroupArn::new(&scope, name, ResourceId(1))
    }

    fn now(lane: &Lane) -> Option<Slot<'_>> {
        match pin!(lane.take()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(slot) => slot,
            Poll::Pending => None,
        }
    }

    #[test]
    fn one_group_leaves_room_for_others_and_all_are_bounded() {
        let mut slots = Slots::new();
        let lanes = ["a", "b", "c"].map(|name| slots.lane(&group(name)));
        let taken: Vec<Vec<_>> = lanes
            .iter()
            .map(|lane| std::iter::from_fn(|| now(lane)).collect())
            .collect();
        assert_eq!(taken.iter().map(Vec::len).collect::<Vec<_>>(), [128, 128, 0]);
        drop(taken);
        assert!(now(&lanes[2]).is_some());
    }

    #[test]
    fn a_group_has_one_lane_for_as_long_as_somebody_has_it() {
        let mut slots = Slots::new();
        let (first, second) = (slots.lane(&group("a")), slots.lane(&group("a")));
        let taken: Vec<_> = std::iter::from_fn(|| now(&first)).collect();
        assert!(now(&second).is_none());
        drop(taken);
        drop((first, second));
        let _other = slots.lane(&group("b"));
        assert_eq!(slots.groups.len(), 1, "the lane of a is gone");
    }
}
