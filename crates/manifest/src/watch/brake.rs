//! Slows down what would never come to rest: a file in the code that changes with, or for, every change that is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// After so long without a change, everything lies still.
const CALM: Duration = Duration::from_secs(2);
/// How often a file may change in a row, without a calm in between, before there are pauses.
const FREE: u32 = 8;
/// The same for changes of which none has a file in common with the one before.
const FREE_OF_MANY: u32 = 40;
/// The first pause; each further one is twice as long, up to the longest.
const PAUSE: Duration = Duration::from_millis(125);
const PAUSE_MAX: Duration = Duration::from_secs(4);
/// Of more files than this in one change, the others are not counted.
const FILES_MAX: usize = 1000;

/// Counts changes in a row.
#[derive(Default)]
pub(super) struct Brake {
    /// The files of the change that is being noticed.
    changing: BTreeSet<PathBuf>,
    /// How often each file of the last change has changed in a row.
    streaks: BTreeMap<PathBuf, u32>,
    /// Changes in a row.
    streak: u32,
    last_told: Option<Instant>,
    /// Files that were warned of.
    warned: BTreeSet<PathBuf>,
}

impl Brake {
    /// A file has changed.
    pub(super) fn noticed(&mut self, path: PathBuf) {
        if self.changing.len() < FILES_MAX {
            self.changing.insert(path);
        }
    }

    /// How long to wait before the change is told, and what to say about it for the first time.
    pub(super) fn pause(&mut self, now: Instant) -> (Duration, Option<String>) {
        if self.last_told.is_none_or(|last| now.duration_since(last) >= CALM) {
            self.streaks.clear();
            self.streak = 0;
        }
        let before = std::mem::take(&mut self.streaks);
        let grown = |path| {
            (
                before.get(&path).map_or(1, |streak: &u32| streak.saturating_add(1)),
                path,
            )
        };
        let changing = std::mem::take(&mut self.changing);
        self.streaks = changing
            .into_iter()
            .map(grown)
            .map(|(streak, path)| (path, streak))
            .collect();
        self.streak = self.streak.saturating_add(1);
        let Some((path, streak)) = self.streaks.iter().max_by_key(|(_, streak)| **streak) else {
            return (Duration::ZERO, None);
        };
        let over = streak
            .saturating_sub(FREE)
            .max(self.streak.saturating_sub(FREE_OF_MANY));
        if over == 0 {
            return (Duration::ZERO, None);
        }
        let pause = PAUSE.saturating_mul(1 << (over - 1).min(10)).min(PAUSE_MAX);
        let is_news = self.warned.len() < FILES_MAX && self.warned.insert(path.clone());
        let warning = is_news.then(|| {
            format!(
                "{} keeps changing and counts as code, so changes are followed only every {} s at worst; let it be \
                 written to a folder that is not the code of a function",
                path.display(),
                PAUSE_MAX.as_secs()
            )
        });
        (pause, warning)
    }

    /// The change is told.
    pub(super) fn told(&mut self, now: Instant) {
        self.last_told = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One change after the other, each `gap` after the one before was told: how long each had to wait.
    fn pauses(brake: &mut Brake, now: &mut Instant, gap: Duration, changes: &[&[&str]]) -> Vec<u128> {
        let one = |files: &&[&str]| {
            files.iter().for_each(|file| brake.noticed(PathBuf::from(file)));
            *now += gap;
            let (pause, _) = brake.pause(*now);
            *now += pause;
            brake.told(*now);
            pause.as_millis()
        };
        changes.iter().map(one).collect()
    }

    const SOON: Duration = Duration::from_millis(50);

    #[test]
    fn a_file_that_never_lies_still_is_followed_ever_more_slowly() {
        let (mut brake, mut now) = (Brake::default(), Instant::now());
        let growing: &[&str] = &["code/app.py", "code/grow.log"];
        let found = pauses(&mut brake, &mut now, SOON, &[growing; 16]);
        assert_eq!(
            found,
            [0, 0, 0, 0, 0, 0, 0, 0, 125, 250, 500, 1000, 2000, 4000, 4000, 4000]
        );
        // When it has lain still, everything is as at first.
        assert_eq!(pauses(&mut brake, &mut now, CALM, &[growing; 20]), [0; 20]);
    }

    #[test]
    fn different_files_are_no_reason_to_wait_for_a_while() {
        let (mut brake, mut now) = (Brake::default(), Instant::now());
        let (even, odd): (&[&str], &[&str]) = (&["a"], &["b"]);
        let changes: Vec<_> = (0..42).map(|n| if n % 2 == 0 { even } else { odd }).collect();
        let found = pauses(&mut brake, &mut now, SOON, &changes);
        assert_eq!(found[..40], [0; 40]);
        assert_eq!(found[40..], [125, 250]);
    }

    #[test]
    fn each_file_is_warned_of_once() {
        let (mut brake, now) = (Brake::default(), Instant::now());
        let mut warnings = Vec::new();
        for _ in 0..20 {
            brake.noticed(PathBuf::from("code/grow.log"));
            warnings.extend(brake.pause(now).1);
            brake.told(now);
        }
        assert_eq!(warnings.len(), 1);
        assert!(
            warnings[0].starts_with("code/grow.log keeps changing"),
            "{}",
            warnings[0]
        );
    }
}
