//! The access log under load: moved away every few seconds, as tools that rotate logs do, then read and deleted. So it stays
//! small however long the load lasts.

use super::traffic::{Report, Tally};
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often the log is moved away.
const EVERY: Duration = Duration::from_secs(3);
/// Files that were moved last are not read yet: albacore writes to one until it finds the new one, which takes a second.
const WRITTEN_MAX: usize = 4;

/// The clients that talk to targets that are killed.
const FRAGILE: &str = "fragile";

/// The thread that rotates. It ends when this is dropped.
pub(crate) struct Rotation {
    goes_on: Sender<()>,
    thread: JoinHandle<Log>,
}

/// What the lines said.
#[derive(Default)]
pub(crate) struct Log {
    /// Requests that were answered as they should be, by kind of client.
    answered: BTreeMap<String, Tally>,
    /// How often each of their paths is there, if paths are kept.
    paths: Option<BTreeMap<String, u32>>,
    /// Times the log was moved away.
    moves: u64,
}

impl Rotation {
    /// Rotates `log`. `keeps_paths` says whether every path is remembered.
    pub(crate) fn start(log: PathBuf, keeps_paths: bool) -> Self {
        let (goes_on, stop) = channel();
        let thread = thread::spawn(move || rotate(&log, keeps_paths, &stop));
        Self { goes_on, thread }
    }

    /// Reads the rest. For when every process that writes has ended.
    pub(crate) fn finish(self) -> Log {
        drop(self.goes_on);
        self.thread.join().unwrap()
    }
}

fn rotate(path: &Path, keeps_paths: bool, stop: &Receiver<()>) -> Log {
    let mut log = Log {
        paths: keeps_paths.then(BTreeMap::new),
        ..Log::default()
    };
    let mut moved = VecDeque::new();
    while stop.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        let to = path.with_extension(format!("log.{}", log.moves));
        match fs::rename(path, &to) {
            Ok(()) => {
                moved.push_back(to);
                log.moves += 1;
            }
            // It is made with the next line.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => panic!("{}: {error}", path.display()),
        }
        if moved.len() > WRITTEN_MAX
            && let Some(oldest) = moved.pop_front()
        {
            log.take(&oldest);
        }
    }
    moved.iter().for_each(|file| log.take(file));
    if path.exists() {
        log.take(path);
    }
    log
}

impl Log {
    /// Reads a file and deletes it.
    fn take(&mut self, file: &Path) {
        for line in BufReader::new(File::open(file).unwrap()).lines() {
            self.line(&line.unwrap());
        }
        fs::remove_file(file).unwrap();
    }

    /// None fails but requests to targets that were killed, and that is why they fail.
    fn line(&mut self, line: &str) {
        let url = line
            .split(' ')
            .find(|word| word.contains("://localhost:8"))
            .unwrap_or_else(|| panic!("{line}"));
        let path = format!("/{}", url.splitn(4, '/').nth(3).unwrap_or_default());
        let status = line.split(' ').nth(8).unwrap_or_default();
        let is_killed = path.starts_with("/fragile/") && line.contains("\"Target");
        assert!(!status.starts_with('5') || is_killed, "{line}");
        let expected = if path.starts_with("/servers/websocket/") {
            "101"
        } else {
            "200"
        };
        if is_killed || status != expected {
            return;
        }
        // Paths end in the kind of the client, its number, and the number of the request.
        let kind = path.rsplit('/').nth(2).unwrap_or_default();
        self.answered.entry(kind.to_owned()).or_default().add(&path);
        if let Some(paths) = &mut self.paths {
            *paths.entry(path).or_default() += 1;
        }
    }

    /// Every request that was answered stands in the log once, whichever process has answered it, and nothing else was.
    pub(crate) fn has_every_answer_once(&self, reports: &BTreeMap<&'static str, Report>) {
        println!("the access log was moved away {} times", self.moves);
        assert!(
            self.moves > WRITTEN_MAX as u64,
            "too short for a file to be read meanwhile"
        );
        if let Some(paths) = &self.paths {
            for path in reports.values().flat_map(|report| &report.paths) {
                assert_eq!(paths.get(path), Some(&1), "{path}");
            }
        }
        for (kind, report) in reports {
            let (answered, logged) = (report.answered, self.answered.get(*kind).copied().unwrap_or_default());
            match *kind {
                // A client may miss an answer that was sent: then it is excused.
                FRAGILE => assert!(
                    (answered.count..=answered.count + report.excused).contains(&logged.count),
                    "{kind}: {logged:?} in the log, {report:?}"
                ),
                _ => assert_eq!(logged, answered, "{kind}: in the log, and answered"),
            }
        }
        let (mut kinds, known) = (self.answered.keys(), reports);
        assert!(
            kinds.all(|kind| known.contains_key(&**kind)),
            "{:?}",
            self.answered.keys()
        );
    }
}
