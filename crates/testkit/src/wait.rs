//! Waiting until something is so.

use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
pub const BOUND: Duration = Duration::from_secs(60);

/// How long nobody looks, where nothing tells of the change.
const PAUSE: Duration = Duration::from_millis(2);

/// Looks again and again until there is something, and returns it.
///
/// # Panics
///
/// When there is nothing within [`BOUND`]; `what` says what was waited for.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < BOUND, "never happened: {what}");
        std::thread::park_timeout(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::until;

    #[test]
    fn until_looks_again() {
        let mut looks = 0..3;
        assert_eq!(until("the end", || looks.next().filter(|look| *look == 2)), 2);
    }
}
