//! Time from outside, so that minutes pass in a test as soon as it says so.

use model::Timestamp;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The longest that is slept at once: a clock that is put right meanwhile is noticed by then.
const SLEEP_MAX: Duration = Duration::from_secs(30);

/// What time it is.
pub(crate) trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Ends at that time, or before: whoever waits looks again.
    fn sleep_until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The clock of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn sleep_until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let left = Duration::from_millis(at.0.saturating_sub(self.now().0));
        Box::pin(tokio::time::sleep(left.min(SLEEP_MAX)))
    }
}
