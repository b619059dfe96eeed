//! Looking after the memory of enclosures that do something. Those that stand still use no more than before.

use super::{Kind, Root};
use std::time::{Duration, Instant};

/// How soon to look at what has just begun to do something.
const FIRST_LOOK: Duration = Duration::from_millis(20);
/// What one look may take, so that all of them together take a twentieth of the time at most.
const SPACE_PER_LOOK: Duration = Duration::from_micros(400);

impl Root {
    /// Something begins to use memory.
    pub(super) fn look_soon(&mut self) {
        let soon = Instant::now() + FIRST_LOOK;
        self.look_at = Some(self.look_at.map_or(soon, |at| at.min(soon)));
    }

    /// How long until somebody has to look.
    pub(super) fn look_due(&self) -> Option<Duration> {
        let due = self.look_at?.saturating_duration_since(Instant::now());
        // Waits are counted in whole milliseconds.
        Some(if due.is_zero() {
            due
        } else {
            due.max(Duration::from_millis(1))
        })
    }

    /// Looks, if it is time.
    pub(super) fn look_at_memory(&mut self) {
        if self.look_due().is_none_or(|due| !due.is_zero()) {
            return;
        }
        let (mut looks, mut again) = (0, None::<Duration>);
        for environment in self.environments.values() {
            let Kind::Enclosure { is_frozen: false, .. } = environment.kind else {
                continue;
            };
            let group = self.group_of.get_mut(&environment.init);
            let Some(soon) = group.and_then(|group| group.look(environment.init)) else {
                continue;
            };
            looks += 1;
            again = Some(again.map_or(soon, |other| other.min(soon)));
        }
        self.look_at = again.map(|again| Instant::now() + again.max(SPACE_PER_LOOK * looks));
    }
}
