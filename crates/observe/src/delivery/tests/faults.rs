//! Disks and stores that refuse, hang or disappear.

use super::*;
use crate::testing::{child_folder, run_child_part};
use std::fs::OpenOptions;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::Sender;

#[test]
fn a_bucket_that_refuses_costs_no_lines_and_disturbs_no_other() {
    let directory = TestDirectory::new();
    let opened = open(directory.path());
    let handles = opened.follow(&[destination(LogKind::Access, "shop", "bad-logs"), access("shop")]);
    fs::create_dir(directory.file("s3")).unwrap();
    fs::write(directory.file("s3/bad-logs"), "not a folder").unwrap();
    for line in ["one", "two"] {
        opened.put_written(&handles[0], line);
        opened.put_written(&handles[1], line);
        opened.move_clock(300);
    }
    until(|| opened.monitor.delivered() == 2);
    let DeliveryEvent::StoreFailing { bucket, error } = opened.next_event() else {
        panic!("the bucket is no folder")
    };
    assert_eq!(bucket, "bad-logs");
    until(|| {
        opened
            .monitor
            .store_error()
            .is_some_and(|told| told == format!("bucket bad-logs: {error}"))
    });
    assert!(opened.monitor.waiting_bytes() > 0);

    fs::remove_file(directory.file("s3/bad-logs")).unwrap();
    until(|| opened.monitor.delivered() == 4);
    assert_eq!(opened.next_event(), DeliveryEvent::StoreRecovered { bucket });
    until(|| opened.monitor.store_error().is_none() && opened.monitor.waiting_bytes() == 0);
    assert_eq!(opened.monitor.lost().total(), 0);
    assert_eq!(opened.close(), [], "told once");
    assert_eq!(lines_of(directory.path(), "bad-logs/"), "one\ntwo\n");
}

/// The spool that the first line is about to make.
fn first_spool(directory: &TestDirectory) -> PathBuf {
    let folders = fs::read_dir(directory.file("spool")).unwrap();
    let folders: Vec<_> = folders.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(folders.len(), 1);
    folders[0].join("00000001.open")
}

#[test]
fn a_full_disk_loses_lines_says_so_once_and_recovers() {
    let directory = TestDirectory::new();
    let opened = open(directory.path());
    let handles = opened.follow(&[access("shop"), access("other")]);
    let path = first_spool(&directory);
    symlink("/dev/full", &path).unwrap();
    for line in ["one", "two", "three"] {
        opened.put(&handles[0], line);
    }
    let DeliveryEvent::SpoolFailing { error } = opened.next_event() else {
        panic!("the disk is full")
    };
    assert!(error.contains("No space left on device"), "{error}");
    until(|| opened.monitor.lost().not_written == 3);
    assert_eq!(opened.monitor.spool_error(), Some(error));
    opened.put_written(&handles[1], "another log is written, and says nothing about this one");
    assert!(opened.monitor.spool_error().is_some());

    fs::remove_file(&path).unwrap();
    opened.put_written(&handles[0], "four");
    assert_eq!(opened.next_event(), DeliveryEvent::SpoolRecovered { lines_lost: 3 });
    assert_eq!(opened.monitor.spool_error(), None);
    assert_eq!(opened.close(), []);
    assert_eq!(lines_of(directory.path(), "shop"), "four\n");
}

#[test]
fn a_disk_that_takes_half_a_batch_leaves_whole_lines() {
    const TEST: &str = "delivery::tests::faults::a_disk_that_takes_half_a_batch_leaves_whole_lines";
    if let Some(folder) = child_folder() {
        return write_on_a_small_disk(&folder);
    }
    // No file may be longer than eight blocks: writes stop in the middle, as on a disk that fills up.
    run_child_part(TEST, "trap '' XFSZ\nulimit -f 8");
}

fn write_on_a_small_disk(folder: &Path) {
    let opened = open(folder);
    let handles = opened.follow(&[access("shop")]);
    for number in 0..1000 {
        let line = format!("{number:03} {}", "x".repeat(95));
        opened
            .sender
            .line(&handles[0], |out| out.extend_from_slice(line.as_bytes()));
    }
    opened.sender.flush();
    until(|| opened.monitor.written() + opened.monitor.lost().not_written == 1000);
    let written = opened.monitor.written();
    assert!((1..1000).contains(&written), "{written}");
    assert!(matches!(opened.next_event(), DeliveryEvent::SpoolFailing { .. }));
    opened.end_interval(1);
    let text = lines_of(folder, "shop");
    assert_eq!(
        (text.len() as u64, text.lines().count() as u64),
        (written * 100, written)
    );
    for (number, line) in text.lines().enumerate() {
        assert!(line.starts_with(&format!("{number:03} ")), "{line}");
    }
    opened.put_written(&handles[0], "there is room again");
    let lines_lost = 1000 - written;
    assert_eq!(opened.next_event(), DeliveryEvent::SpoolRecovered { lines_lost });
    assert_eq!(opened.close(), []);
}

#[test]
fn the_spool_has_a_limit() {
    let directory = TestDirectory::new();
    let limits = DeliveryLimits {
        spool_bytes_max: 1000,
        ..limits()
    };
    let opened = open_with(
        directory.path(),
        limits,
        Arc::new(DirectoryStore::new(directory.file("s3"))),
    );
    let handles = opened.follow(&[access("shop")]);
    opened.put_written(&handles[0], &"x".repeat(500));
    opened.put(&handles[0], &"y".repeat(500));
    let DeliveryEvent::SpoolFailing { error } = opened.next_event() else {
        panic!("the spool is at its limit")
    };
    assert!(error.contains("the spool holds as much as it may"), "{error}");
    assert_eq!(opened.monitor.lost().not_written, 1);
    opened.end_interval(1);
    until(|| opened.monitor.waiting_bytes() == 0);
    opened.put_written(&handles[0], &"z".repeat(500));
    assert_eq!(opened.next_event(), DeliveryEvent::SpoolRecovered { lines_lost: 1 });
    assert_eq!(opened.close(), []);
}

#[test]
fn a_deleted_spool_is_made_anew() {
    let directory = TestDirectory::new();
    let opened = open(directory.path());
    let handles = opened.follow(&[access("shop"), access("other")]);
    opened.put_written(&handles[0], "gone with the folder");
    fs::remove_dir_all(directory.file("spool")).unwrap();
    opened.put_written(&handles[1], "kept");
    opened.end_interval(1);
    let told = opened.next_event();
    assert!(matches!(told, DeliveryEvent::SpoolFailing { .. }), "{told:?}");
    assert_eq!((opened.monitor.written(), opened.monitor.lost().not_written), (1, 1));
    opened.put_written(&handles[0], "again");
    assert_eq!(opened.next_event(), DeliveryEvent::SpoolRecovered { lines_lost: 1 });
    assert_eq!(opened.close(), []);
    assert_eq!(
        (lines_of(directory.path(), "shop"), lines_of(directory.path(), "other")),
        ("again\n".to_owned(), "kept\n".to_owned())
    );
}

/// A store that hangs until it is told to go on.
#[derive(Debug)]
struct Hanging(Mutex<Receiver<()>>, DirectoryStore);

impl LogStore for Hanging {
    fn put(&self, object: &ObjectName, content: &mut dyn Read) -> io::Result<()> {
        let _ = self.0.lock().unwrap().recv();
        self.1.put(object, content)
    }
}

fn hanging(directory: &TestDirectory) -> (Sender<()>, Arc<dyn LogStore>) {
    let (go_on, wait) = mpsc::channel();
    let store = Hanging(Mutex::new(wait), DirectoryStore::new(directory.file("s3")));
    (go_on, Arc::new(store))
}

#[test]
fn a_store_that_hangs_holds_up_no_line() {
    let directory = TestDirectory::new();
    let (go_on, store) = hanging(&directory);
    let opened = open_with(directory.path(), limits(), store);
    let handles = opened.follow(&[access("shop")]);
    for _ in 0..5 {
        opened.put_written(&handles[0], "line");
        opened.move_clock(300);
    }
    opened.put_written(&handles[0], "line");
    assert_eq!(opened.monitor.delivered(), 0);
    drop(go_on);
    until(|| opened.monitor.delivered() == 5);
    assert_eq!(opened.close(), []);
    assert_eq!(lines_of(directory.path(), "shop"), "line\n".repeat(6));
}

#[test]
fn a_shutdown_does_not_wait_for_ever_and_the_next_process_delivers() {
    let directory = TestDirectory::new();
    let (go_on, store) = hanging(&directory);
    let opened = open_with(directory.path(), limits(), store);
    let handles = opened.follow(&[access("shop")]);
    opened.put_written(&handles[0], "line");
    opened.move_clock(300);
    drop(opened.sender);
    assert!(!opened.delivery.shutdown(Duration::ZERO));
    drop(go_on);
    // Its threads end now that they can, as they would with the process.
    until(|| opened.monitor.delivered() == 1 && files(&directory.file("spool")).is_empty());
    assert_eq!(lines_of(directory.path(), "shop"), "line\n");
}

/// A pipe nobody reads is a disk that hangs: the writer stands still, and traffic must not.
#[test]
fn a_hanging_disk_costs_lines_but_never_makes_a_core_wait() {
    let directory = TestDirectory::new();
    let opened = open(directory.path());
    let handles = opened.follow(&[access("shop")]);
    let path = first_spool(&directory);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    // Opened for both, so that neither opening waits for the other end.
    let reader = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let line = "x".repeat(1023);
    let mut sent: u64 = 0;
    while opened.monitor.lost().queue_full == 0 {
        opened
            .sender
            .line(&handles[0], |out| out.extend_from_slice(line.as_bytes()));
        sent += 1;
        assert!(sent < 100_000, "the queue has no bound");
    }
    opened.sender.flush();
    // The pipe breaks, and there is a file in its place.
    fs::remove_file(&path).unwrap();
    drop(reader);
    until(|| opened.monitor.written() + opened.monitor.lost().total() == sent);
    opened.put_written(&handles[0], "again");
    let (written, monitor) = (opened.monitor.written(), opened.monitor.clone());
    let events = opened.close();
    assert!(
        events
            .iter()
            .any(|event| matches!(event, DeliveryEvent::QueueFull { .. })),
        "{events:?}"
    );
    assert!(written > 1, "what was queued is written");
    let delivered = lines_of(directory.path(), "shop");
    assert!(
        delivered.ends_with("\nagain\n"),
        "{} {monitor:?} {events:?}",
        delivered.len()
    );
    // What went into the pipe counts as written until it is found missing.
    let lines = delivered.lines().count() as u64;
    assert_eq!(lines, monitor.written());
    assert_eq!(lines + monitor.lost().total(), sent + 1);
}
