//! What an idle environment costs: nothing of the processors, and in the end nothing at all. And what a busy one may have of
//! them.

use super::Environment;
use std::sync::OnceLock;
use tokio::time::Instant;

/// So much memory, in megabytes, stands for one whole processor. Source: Lambda 1.9.
const MEGABYTES_PER_PROCESSOR: u64 = 1769;

impl Environment {
    /// When its task has something to do with an environment that stays idle.
    pub(super) fn next_idle_alarm(&self) -> Instant {
        let end = self.end_of_idleness();
        if self.can_freeze() {
            end.min(self.idle_since.get() + self.scheduler.core.host.options.freeze_after)
        } else {
            end
        }
    }

    /// Until when it may wait for an invocation.
    pub(super) fn end_of_idleness(&self) -> Instant {
        let options = &self.scheduler.core.host.options;
        let too_old = self.born + options.age_max;
        match self.is_kept() {
            true => too_old,
            false => too_old.min(self.idle_since.get() + options.idle_retirement),
        }
    }

    /// Has it been idle for too long, or is it too old?
    pub(super) fn is_worn_out(&self) -> bool {
        Instant::now() >= self.end_of_idleness()
    }

    /// Is it too old to be kept? Source: Lambda 4.3.
    pub(crate) fn is_old(&self) -> bool {
        self.born.elapsed() >= self.scheduler.core.host.options.age_max
    }

    /// Those whose extensions listen to telemetry go on: what was written last is delivered when all is over.
    fn can_freeze(&self) -> bool {
        let state = self.state.borrow();
        let has_place = state.process.as_ref().is_some_and(|it| it.enclosure.is_some());
        has_place && !self.frozen.get() && !self.journal.is_heard()
    }

    /// Stops its processes where they are. Source: Lambda 3.6.
    pub(super) fn freeze(&self) {
        if !self.can_freeze() {
            return;
        }
        if let Some(enclosure) = self
            .state
            .borrow()
            .process
            .as_ref()
            .and_then(|it| it.enclosure.as_ref())
        {
            enclosure.freeze();
            self.frozen.set(true);
        }
    }

    /// Lets them go on. An event that is written at once is read as soon as they do.
    pub(super) fn thaw(&self) {
        if !self.frozen.replace(false) {
            return;
        }
        if let Some(enclosure) = self
            .state
            .borrow()
            .process
            .as_ref()
            .and_then(|it| it.enclosure.as_ref())
        {
            enclosure.thaw();
        }
    }

    /// Its init is over: from now on its memory decides how much of the processors it has. Whoever would have them all is not
    /// limited, which costs nothing.
    pub(super) fn share_cpu(&self) {
        let scheduler = &self.scheduler;
        if !scheduler.core.host.options.cpu_by_memory {
            return;
        }
        // Looking costs more than all else here.
        static PROCESSORS: OnceLock<usize> = OnceLock::new();
        let processors =
            *PROCESSORS.get_or_init(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
        let memory_mb = scheduler.function.configuration.memory.megabytes();
        let Some(thousandths) = thousandths_of(memory_mb.into(), processors as u64) else {
            return;
        };
        if let Some(enclosure) = self
            .state
            .borrow()
            .process
            .as_ref()
            .and_then(|it| it.enclosure.as_ref())
        {
            enclosure.share_cpu(thousandths);
        }
    }
}

/// The share of one processor, in thousandths; `None` if it is all that there is.
fn thousandths_of(memory_mb: u64, processors: u64) -> Option<u32> {
    let thousandths = memory_mb * 1000 / MEGABYTES_PER_PROCESSOR;
    u32::try_from(thousandths)
        .ok()
        .filter(|_| thousandths < processors * 1000)
}

#[cfg(test)]
mod tests {
    use super::thousandths_of;

    // LAM-E-014: the share of the processors is proportional to the memory, and 1,769 MB are one of them
    #[test]
    fn memory_decides_the_share() {
        for (memory_mb, processors, expected) in [
            (128, 2, Some(72)),
            (1769, 2, Some(1000)),
            (1769, 1, None),
            (3538, 2, None),
            (3537, 2, Some(1999)),
            (10240, 8, Some(5788)),
            (10240, 4, None),
        ] {
            assert_eq!(thousandths_of(memory_mb, processors), expected, "{memory_mb} MB");
        }
    }
}
