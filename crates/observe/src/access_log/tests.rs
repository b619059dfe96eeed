use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use super::*;
use crate::testing::{PATIENCE, TestDirectory, until};

const ALWAYS_CHECK: Duration = Duration::ZERO;
const NEVER_CHECK: Duration = Duration::MAX;

/// An open log with the events it told.
struct Opened {
    log: AccessLog,
    sender: AccessLogSender,
    monitor: AccessLogMonitor,
    events: mpsc::Receiver<AccessLogEvent>,
}

fn open(path: &Path, check_interval: Duration) -> Opened {
    let (told, events) = mpsc::sync_channel(100);
    let limits = AccessLogLimits {
        check_interval,
        ..AccessLogLimits::default()
    };
    let (log, sender) = AccessLog::open(path, limits, move |event| drop(told.send(event))).unwrap();
    Opened {
        monitor: log.monitor(),
        log,
        sender,
        events,
    }
}

impl Opened {
    fn put(&self, line: &str) {
        self.sender.line(|buffer| buffer.extend_from_slice(line.as_bytes()));
        self.sender.flush();
    }

    /// Writes a line and waits until the file has it.
    fn put_written(&self, line: &str) {
        let before = self.monitor.written();
        self.put(line);
        until(|| self.monitor.written() == before + 1);
    }

    fn next_event(&self) -> AccessLogEvent {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    /// Shuts down and returns the events nobody looked at.
    fn close(self) -> Vec<AccessLogEvent> {
        drop(self.sender);
        self.log.shutdown(PATIENCE).unwrap();
        self.events.iter().collect()
    }
}

#[test]
fn every_line_of_every_core_arrives_in_order() {
    const CORES: usize = 4;
    const LINES: usize = 5_000;
    let directory = TestDirectory::new();
    let path = directory.file("access.log");
    fs::write(&path, "from before\n").unwrap();
    let opened = open(&path, ALWAYS_CHECK);
    thread::scope(|scope| {
        for core in 0..CORES {
            let sender = opened.sender.clone();
            scope.spawn(move || {
                for number in 0..LINES {
                    // Of all lengths up to 200 bytes, so that batches end at every place of a line.
                    let filler = "x".repeat(number % 180);
                    sender.line(|buffer| buffer.extend_from_slice(format!("{core} {number} {filler}").as_bytes()));
                    if number % 777 == 0 {
                        sender.flush();
                    }
                }
            });
        }
    });
    let monitor = opened.monitor.clone();
    assert_eq!(opened.close(), []);
    assert_eq!(
        (monitor.written(), monitor.lost()),
        ((CORES * LINES) as u64, LostLines::default())
    );

    let text = directory.read("access.log");
    let mut lines = text.strip_suffix('\n').unwrap().split('\n');
    assert_eq!(lines.next(), Some("from before"), "an old file is appended to");
    let mut next = [0; CORES];
    for line in lines {
        let mut words = line.split(' ');
        let (core, number) = (words.next().unwrap(), words.next().unwrap().parse::<usize>().unwrap());
        let next = &mut next[core.parse::<usize>().unwrap()];
        assert_eq!(
            (number, words.next().unwrap().len()),
            (*next, *next % 180),
            "core {core}"
        );
        *next += 1;
    }
    assert_eq!(next, [LINES; CORES]);
}

#[test]
fn a_new_file_is_closed_to_others() {
    let directory = TestDirectory::new();
    let path = directory.file("access.log");
    open(&path, ALWAYS_CHECK).close();
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode & 0o600, mode & !0o640), (0o600, 0), "{mode:o}");
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let directory = TestDirectory::new();
    let result = AccessLog::open(directory.path(), AccessLogLimits::default(), |_| {});
    let message = result.unwrap_err().to_string();
    assert_eq!(
        message,
        format!("cannot open access log {}", directory.path().display())
    );
}

#[test]
fn a_full_disk_loses_lines_says_so_once_and_recovers() {
    let directory = TestDirectory::new();
    let path = directory.file("access.log");
    symlink("/dev/full", &path).unwrap();
    let opened = open(&path, ALWAYS_CHECK);
    for line in ["one", "two", "three"] {
        opened.put(line);
    }
    let AccessLogEvent::Failing { error } = opened.next_event() else {
        panic!("the disk is full")
    };
    assert!(error.contains("No space left on device"), "{error}");
    until(|| opened.monitor.lost().not_written == 3);
    assert_eq!(opened.monitor.status(), AccessLogStatus::Failing { error });
    assert_eq!((opened.monitor.written(), opened.monitor.lost().total()), (0, 3));

    fs::remove_file(&path).unwrap();
    opened.put_written("four");
    assert_eq!(opened.next_event(), AccessLogEvent::Reopened);
    assert_eq!(opened.next_event(), AccessLogEvent::Recovered { lines_lost: 3 });
    assert_eq!(opened.monitor.status(), AccessLogStatus::Writing);
    assert_eq!(opened.close(), []);
    assert_eq!(directory.read("access.log"), "four\n");
}

#[test]
fn a_moved_file_is_followed_by_a_new_one() {
    let directory = TestDirectory::new();
    let path = directory.file("access.log");
    let opened = open(&path, ALWAYS_CHECK);
    opened.put_written("one");
    fs::rename(&path, directory.file("access.log.1")).unwrap();
    opened.put_written("two");
    fs::remove_file(&path).unwrap();
    opened.put_written("three");
    assert_eq!(opened.close(), [AccessLogEvent::Reopened, AccessLogEvent::Reopened]);
    assert_eq!(directory.read("access.log.1"), "one\n");
    assert_eq!(directory.read("access.log"), "three\n");
}

#[test]
fn the_name_is_looked_up_at_most_once_per_interval() {
    let directory = TestDirectory::new();
    let path = directory.file("access.log");
    let opened = open(&path, NEVER_CHECK);
    opened.put_written("one");
    fs::rename(&path, directory.file("access.log.1")).unwrap();
    opened.put_written("two");
    assert_eq!(opened.close(), []);
    assert_eq!(directory.read("access.log.1"), "one\ntwo\n");
}

#[test]
fn a_file_truncated_in_place_is_appended_to() {
    let directory = TestDirectory::new();
    let path = directory.file("access.log");
    let opened = open(&path, ALWAYS_CHECK);
    opened.put_written("one");
    fs::write(&path, "").unwrap();
    opened.put_written("two");
    assert_eq!(opened.close(), []);
    assert_eq!(directory.read("access.log"), "two\n");
}

#[test]
fn a_moved_file_stays_in_use_until_a_new_one_can_be_opened() {
    let directory = TestDirectory::new();
    fs::create_dir(directory.file("logs")).unwrap();
    let path = directory.file("logs/access.log");
    let opened = open(&path, ALWAYS_CHECK);
    opened.put_written("one");
    fs::rename(directory.file("logs"), directory.file("old")).unwrap();
    opened.put_written("two");
    opened.put_written("three");
    assert!(matches!(opened.next_event(), AccessLogEvent::ReopenFailed { .. }));

    fs::remove_dir_all(directory.file("old")).unwrap();
    opened.put("lost with the deleted file");
    assert!(matches!(opened.next_event(), AccessLogEvent::Failing { .. }));
    fs::create_dir(directory.file("logs")).unwrap();
    opened.put_written("four");
    assert_eq!(
        opened.monitor.lost(),
        LostLines {
            not_written: 1,
            ..LostLines::default()
        }
    );
    assert_eq!(
        opened.close(),
        [AccessLogEvent::Reopened, AccessLogEvent::Recovered { lines_lost: 1 }]
    );
    assert_eq!(directory.read("logs/access.log"), "four\n");
}

/// A pipe nobody reads is a disk that hangs: the writer stands still, and traffic must not.
#[test]
fn a_hanging_disk_costs_lines_but_never_makes_a_core_wait() {
    let directory = TestDirectory::new();
    let path = directory.file("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    // Opened for both, so that neither opening waits for the other end.
    let mut reader = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let opened = open(&path, ALWAYS_CHECK);
    let line = "x".repeat(1023);
    let mut sent: u64 = 0;
    // The pipe, the batch in the writer's hands and the queue are all bounded, so this ends.
    while opened.monitor.lost().queue_full == 0 {
        opened.sender.line(|buffer| buffer.extend_from_slice(line.as_bytes()));
        sent += 1;
        assert!(sent < 100_000, "the queue has no bound");
    }
    let Opened {
        log,
        sender,
        monitor,
        events,
    } = opened;
    drop(sender);
    let lost = monitor.lost().queue_full;
    assert!(lost > 0 && lost < sent);

    let expected = (sent - lost) * 1024;
    let reading = thread::spawn(move || {
        let mut bytes = vec![0; usize::try_from(expected).unwrap()];
        reader.read_exact(&mut bytes).unwrap();
        bytes
    });
    log.shutdown(PATIENCE).unwrap();
    let bytes = reading.join().unwrap();
    assert!(
        bytes
            .chunks(1024)
            .all(|chunk| chunk[1023] == b'\n' && chunk[..1023] == *line.as_bytes())
    );
    assert_eq!((monitor.written(), monitor.lost().total()), (sent - lost, lost));
    let told: u64 = events
        .iter()
        .map(|event| match event {
            AccessLogEvent::QueueFull { lines_lost } => lines_lost,
            other => panic!("{other:?}"),
        })
        .sum();
    assert_eq!(told, lost, "every dropped line is told once");
}

#[test]
fn a_shutdown_does_not_wait_for_ever() {
    let directory = TestDirectory::new();
    let path = directory.file("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let _reader = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let opened = open(&path, NEVER_CHECK);
    // More than a pipe holds.
    for _ in 0..40 {
        opened.put(&"x".repeat(100_000));
    }
    drop(opened.sender);
    assert_eq!(opened.log.shutdown(Duration::ZERO), Err(ShutdownError::TimedOut));
}

#[test]
fn a_writer_that_panicked_is_reported_and_lines_are_counted() {
    let limits = AccessLogLimits {
        check_interval: ALWAYS_CHECK,
        ..AccessLogLimits::default()
    };
    let (log, sender) = AccessLog::open(Path::new("/dev/full"), limits, |_| panic!("in the callback")).unwrap();
    sender.line(|buffer| buffer.push(b'a'));
    sender.flush();
    until(|| log.thread.is_finished());
    sender.line(|buffer| buffer.push(b'b'));
    sender.flush();
    assert_eq!(
        log.monitor().lost(),
        LostLines {
            queue_full: 1,
            not_written: 1,
            too_long: 0
        }
    );
    assert_eq!(log.shutdown(PATIENCE), Err(ShutdownError::Panicked));
}
