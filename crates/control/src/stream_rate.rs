//! How fast the answer of a function goes on that is read piece by piece: 6 MB at once, then 2 MB each second. Source: Lambda
//! 2.6, 5.1.

use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What goes on at once.
const BURST_BYTES: u64 = 6 * 1024 * 1024;
/// What goes on in a second after that.
const BYTES_PER_SECOND: u64 = 2 * 1024 * 1024;
/// How often the bucket is refilled.
const STEP: Duration = Duration::from_millis(125);

/// Whether answers are held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamRate {
    /// As Lambda does.
    #[default]
    Lambda,
    /// As fast as the function writes and the client reads.
    Unlimited,
}

impl StreamRate {
    /// For one answer.
    pub(crate) fn begin(self) -> Pace {
        Pace {
            rate: self,
            began: Instant::now(),
            passed: 0,
        }
    }
}

/// How far one answer is.
pub(crate) struct Pace {
    rate: StreamRate,
    began: Instant,
    passed: u64,
}

impl Pace {
    /// Ready when so many more bytes may go on.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future counts the bytes all the same.
    pub(crate) async fn wait_for(&mut self, bytes: usize) {
        if self.rate == StreamRate::Unlimited {
            return;
        }
        // A bucket that was full for a while is not fuller: what was not used is lost.
        let now = Instant::now();
        let refilled = refilled(now - self.began);
        self.passed = self.passed.max(refilled) + bytes as u64;
        if let Some(over) = self.passed.checked_sub(BURST_BYTES + refilled).filter(|over| *over > 0) {
            let each = u64::try_from(STEP.as_millis()).unwrap_or(1) * BYTES_PER_SECOND / 1000;
            let steps = u32::try_from(over.div_ceil(each)).unwrap_or(u32::MAX);
            sleep_until(now + STEP * steps).await;
        }
    }
}

/// What has come into the bucket after so long, besides what was in it at first.
fn refilled(after: Duration) -> u64 {
    let steps = after.as_millis() / STEP.as_millis();
    let each = u64::try_from(STEP.as_millis()).unwrap_or(1) * BYTES_PER_SECOND / 1000;
    u64::try_from(steps).unwrap_or(u64::MAX).saturating_mul(each)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    async fn took(pace: &mut Pace, bytes: usize) -> Duration {
        let before = Instant::now();
        pace.wait_for(bytes).await;
        before.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn six_megabytes_at_once_and_two_each_second_after() {
        let mut pace = StreamRate::Lambda.begin();
        for _ in 0..6 {
            assert_eq!(took(&mut pace, MIB).await, Duration::ZERO);
        }
        for _ in 0..20 {
            assert_eq!(took(&mut pace, MIB).await, Duration::from_millis(500));
        }
        assert_eq!(took(&mut pace, 1).await, STEP, "in steps");
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(took(&mut pace, 6 * MIB).await, Duration::ZERO);
        assert_eq!(
            took(&mut pace, 2 * MIB).await,
            Duration::from_secs(1),
            "no more was saved up"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_held_back_where_that_is_not_wanted() {
        let mut pace = StreamRate::Unlimited.begin();
        assert_eq!(took(&mut pace, 200 * MIB).await, Duration::ZERO);
    }
}
