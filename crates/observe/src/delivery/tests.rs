use super::*;
use crate::LostLines;
use crate::testing::{PATIENCE, TestDirectory, until};
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::Receiver;
use std::time::UNIX_EPOCH;

mod deaths;
mod faults;

/// 2026-01-31 23:37:30.
const START_SECS: u64 = 1_769_902_650;

/// Delivery with a clock that stands still until it is moved.
struct Opened {
    delivery: Delivery,
    sender: DeliverySender,
    monitor: DeliveryMonitor,
    events: Receiver<DeliveryEvent>,
    clock: Arc<AtomicU64>,
}

fn limits() -> DeliveryLimits {
    DeliveryLimits {
        retry_interval: Duration::from_millis(1),
        ..DeliveryLimits::default()
    }
}

fn open(folder: &Path) -> Opened {
    open_with(folder, limits(), Arc::new(DirectoryStore::new(folder.join("s3"))))
}

fn open_with(folder: &Path, limits: DeliveryLimits, store: Arc<dyn LogStore>) -> Opened {
    let (told, events) = mpsc::sync_channel(100);
    let clock = Arc::new(AtomicU64::new(START_SECS));
    let now = Arc::clone(&clock);
    let now = move || UNIX_EPOCH + Duration::from_secs(now.load(Ordering::Relaxed));
    let (delivery, sender) = Delivery::start(
        &folder.join("spool"),
        store,
        IpAddr::from([10, 0, 0, 7]),
        limits,
        Arc::new(move |event| drop(told.send(event))),
        Arc::new(now),
    )
    .unwrap();
    Opened {
        monitor: delivery.monitor(),
        delivery,
        sender,
        events,
        clock,
    }
}

impl Opened {
    fn follow(&self, destinations: &[Destination]) -> Vec<DeliveryHandle> {
        self.delivery.follow(destinations.iter().cloned())
    }

    fn put(&self, to: &DeliveryHandle, line: &str) {
        self.sender.line(to, |out| out.extend_from_slice(line.as_bytes()));
        self.sender.flush();
    }

    fn put_written(&self, to: &DeliveryHandle, line: &str) {
        let before = self.monitor.written();
        self.put(to, line);
        until(|| self.monitor.written() == before + 1);
    }

    fn move_clock(&self, secs: i64) {
        self.clock.store(
            self.clock.load(Ordering::Relaxed).saturating_add_signed(secs),
            Ordering::Relaxed,
        );
        self.delivery.queue.try_send(Message::Wake).unwrap();
    }

    /// Moves the clock over an interval's end, and waits until so many objects were delivered in all.
    fn end_interval(&self, delivered: u64) {
        self.move_clock(300);
        until(|| self.monitor.delivered() == delivered);
    }

    fn next_event(&self) -> DeliveryEvent {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    /// Shuts down and returns the events nobody looked at.
    fn close(self) -> Vec<DeliveryEvent> {
        drop(self.sender);
        assert!(self.delivery.shutdown(PATIENCE));
        self.events.iter().collect()
    }
}

fn destination(kind: LogKind, name: &str, bucket: &str) -> Destination {
    Destination::new(&DestinationFields {
        kind,
        account: "123456789012",
        region: "us-east-1",
        load_balancer: &format!("app/{name}/0123456789abcdef"),
        bucket,
        prefix: "",
    })
    .unwrap()
}

fn access(name: &str) -> Destination {
    destination(LogKind::Access, name, "logs")
}

/// All files below a folder, by their path in it.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            let below = files(&entry.path());
            found.extend(below.into_iter().map(|(path, bytes)| (format!("{name}/{path}"), bytes)));
        } else {
            found.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    found
}

/// The delivered objects, unpacked.
fn objects(folder: &Path) -> BTreeMap<String, String> {
    let unpack = |(path, bytes): (String, Vec<u8>)| {
        let mut text = String::new();
        GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
        (path, text)
    };
    files(&folder.join("s3")).into_iter().map(unpack).collect()
}

/// All delivered lines whose object's path contains `part`, in the order of the paths.
fn lines_of(folder: &Path, part: &str) -> String {
    let objects = objects(folder).into_iter();
    objects
        .filter(|(path, _)| path.contains(part))
        .map(|(_, text)| text)
        .collect()
}

// ALB-G-009: file names follow the documented key pattern and contain gzip data.
#[test]
fn each_interval_of_each_log_is_one_object() {
    let directory = TestDirectory::new();
    let opened = open(directory.path());
    let handles = opened.follow(&[
        access("shop"),
        destination(LogKind::Connection, "shop", "logs"),
        destination(LogKind::HealthCheck, "shop", "other-logs"),
        access("quiet"),
    ]);
    for (handle, line) in [(0, "a 1"), (1, "c 1"), (0, "a 2"), (2, "h 1")] {
        opened.put_written(&handles[handle], line);
    }
    assert_eq!(
        objects(directory.path()),
        BTreeMap::new(),
        "not before the end of the interval"
    );
    opened.end_interval(3);
    opened.put_written(&handles[0], "a 3");
    opened.move_clock(5 * 300); // to 00:07:30, with no lines in most intervals
    until(|| opened.monitor.delivered() == 4 && opened.monitor.waiting_bytes() == 0);
    assert_eq!(opened.monitor.written(), 5);
    assert_eq!(opened.close(), []);

    let folder = "AWSLogs/123456789012/elasticloadbalancing/us-east-1/2026";
    let name = "123456789012_elasticloadbalancing_us-east-1_app.shop.0123456789abcdef";
    let expected = [
        (
            format!("logs/{folder}/01/31/{name}_20260131T2340Z_10.0.0.7_"),
            "a 1\na 2\n",
        ),
        (format!("logs/{folder}/01/31/{name}_20260131T2345Z_10.0.0.7_"), "a 3\n"),
        (
            format!("logs/{folder}/01/31/conn_log_{name}_20260131T2340Z_10.0.0.7_"),
            "c 1\n",
        ),
        (
            format!("other-logs/{folder}/01/31/health_check_log_{name}_20260131T2340Z_10.0.0.7_"),
            "h 1\n",
        ),
    ];
    let objects = objects(directory.path());
    assert_eq!(objects.len(), expected.len(), "no lines, no object: {objects:?}");
    for ((path, text), (start, lines)) in objects.iter().zip(&expected) {
        let random = path
            .strip_prefix(start.as_str())
            .and_then(|rest| rest.strip_suffix(".log.gz"));
        let random = random.unwrap_or_else(|| panic!("{path} begins with {start}"));
        assert!(
            random.len() == 8
                && random
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
        );
        assert_eq!(text, lines);
        let mode = fs::metadata(directory.file("s3").join(path))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(
        files(&directory.file("spool")),
        BTreeMap::new(),
        "nothing is left in the spool"
    );
}

#[test]
fn lines_of_many_cores_and_logs_arrive_whole_and_in_order() {
    const CORES: usize = 3;
    const LINES: usize = 3_000;
    // More than the files that are kept open.
    const LOGS: usize = 150;
    let directory = TestDirectory::new();
    let opened = open(directory.path());
    let wanted: Vec<_> = (0..LOGS).map(|log| access(&format!("lb{log}"))).collect();
    let handles = opened.follow(&wanted);
    thread::scope(|scope| {
        for core in 0..CORES {
            let (sender, handles, monitor) = (opened.sender.clone(), &handles, &opened.monitor);
            scope.spawn(move || {
                for number in 0..LINES {
                    // Some in a row, some not.
                    let log = if number % 10 < 5 {
                        core
                    } else {
                        (number * 7 + core) % LOGS
                    };
                    sender.line(&handles[log], |out| {
                        out.extend_from_slice(format!("{core} {log} {number}").as_bytes());
                    });
                    if number % 500 == 0 {
                        sender.flush();
                        until(|| monitor.written() > 0);
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
    let mut next = BTreeMap::new();
    let mut count = 0;
    for (path, text) in objects(directory.path()) {
        for line in text.lines() {
            let words: Vec<usize> = line.split(' ').map(|word| word.parse().unwrap()).collect();
            let [core, log, number] = words[..] else {
                panic!("{line}")
            };
            assert!(path.contains(&format!("app.lb{log}.")), "{line} in {path}");
            let before = next.insert((core, log), number);
            assert!(before.is_none_or(|before| before < number), "{line} after {before:?}");
            count += 1;
        }
    }
    assert_eq!(count, CORES * LINES);
}

#[test]
fn much_traffic_is_delivered_in_several_objects_per_interval() {
    let directory = TestDirectory::new();
    let limits = DeliveryLimits {
        file_bytes_max: 1000,
        ..limits()
    };
    let opened = open_with(
        directory.path(),
        limits,
        Arc::new(DirectoryStore::new(directory.file("s3"))),
    );
    let handles = opened.follow(&[access("shop")]);
    let line = "x".repeat(499);
    for _ in 0..4 {
        opened.put_written(&handles[0], &line);
    }
    until(|| opened.monitor.delivered() == 2); // although the clock stands still
    assert_eq!(opened.close(), []);
    assert_eq!(lines_of(directory.path(), "_20260131T2340Z_").len(), 4 * 500);
}

#[test]
fn a_clock_that_goes_back_ends_the_interval_too() {
    let directory = TestDirectory::new();
    let opened = open(directory.path());
    let handles = opened.follow(&[access("shop")]);
    opened.put_written(&handles[0], "before");
    opened.move_clock(-3600);
    until(|| opened.monitor.delivered() == 1);
    opened.put_written(&handles[0], "after");
    assert_eq!(opened.close(), []);
    assert_eq!(lines_of(directory.path(), "T2340Z"), "before\n");
    assert_eq!(lines_of(directory.path(), "T2240Z"), "after\n");
}

#[test]
fn the_own_clock_ends_intervals_as_well() {
    let directory = TestDirectory::new();
    let limits = DeliveryLimits {
        interval: Duration::from_secs(1),
        ..limits()
    };
    let store = Arc::new(DirectoryStore::new(directory.file("s3")));
    let (delivery, sender) = Delivery::open(
        &directory.file("spool"),
        store,
        IpAddr::from([10, 0, 0, 7]),
        limits,
        |_| {},
    )
    .unwrap();
    let handles = delivery.follow([access("shop")]);
    sender.line(&handles[0], |out| out.extend_from_slice(b"line"));
    sender.flush();
    let monitor = delivery.monitor();
    until(|| monitor.delivered() == 1);
    assert_eq!(lines_of(directory.path(), "shop"), "line\n");
}

#[test]
fn a_log_that_is_followed_no_more_is_delivered_and_forgotten() {
    let directory = TestDirectory::new();
    let opened = open(directory.path());
    let old = opened.follow(&[access("shop")]);
    opened.put_written(&old[0], "old");
    let moved = opened.follow(&[destination(LogKind::Access, "shop", "new-logs")]);
    // A request that began before the change ends after it.
    opened.put_written(&old[0], "late");
    opened.put_written(&moved[0], "new");
    opened.end_interval(2);
    opened.put_written(&old[0], "very late");
    let id = old[0].id();
    drop(old);
    opened.end_interval(3);
    opened.put_written(&moved[0], "newer");
    opened.end_interval(4);
    assert!(opened.delivery.shared.registry().destination(id).is_none());
    assert_eq!(opened.close(), []);
    assert_eq!(lines_of(directory.path(), "new-logs/"), "new\nnewer\n");
    let mut all = objects(directory.path());
    all.retain(|path, _| path.starts_with("logs/"));
    assert_eq!(all.into_values().collect::<String>(), "old\nlate\nvery late\n");
}

#[test]
fn test_objects_are_written_once_and_a_bucket_that_refuses_is_named() {
    let directory = TestDirectory::new();
    let opened = open(directory.path());
    let both = [access("shop"), destination(LogKind::Connection, "shop", "logs")];
    opened.delivery.write_test_objects(&both).unwrap();
    let names: Vec<_> = files(&directory.file("s3")).into_keys().collect();
    let folder = "logs/AWSLogs/123456789012";
    assert_eq!(
        names,
        [
            format!("{folder}/ELBAccessLogTestFile"),
            format!("{folder}/ELBConnectionLogTestFile")
        ]
    );
    fs::remove_dir_all(directory.file("s3")).unwrap();
    opened.follow(&both);
    opened.delivery.write_test_objects(&both).unwrap();
    assert!(files(&directory.file("s3")).is_empty(), "they are enabled already");

    fs::create_dir(directory.file("s3")).unwrap();
    fs::write(directory.file("s3/bad-logs"), "not a folder").unwrap();
    let wanted = [both[0].clone(), destination(LogKind::HealthCheck, "shop", "bad-logs")];
    let error = opened.delivery.write_test_objects(&wanted).unwrap_err();
    assert_eq!(
        error.to_string(),
        "health_check_logs.s3.bucket \"bad-logs\" does not take the test object AWSLogs/123456789012/ELBHealthCheckLogTestFile"
    );
    assert!(matches!(
        error.source.kind(),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists
    ));
    opened.follow(&[]);
    opened.delivery.write_test_objects(&both).unwrap();
    assert_eq!(files(&directory.file("s3")).len(), 3, "enabled anew, tested anew");
    assert_eq!(opened.close(), []);
}

#[test]
fn a_spool_folder_that_cannot_be_made_is_named() {
    let directory = TestDirectory::new();
    let spool = directory.file("spool");
    fs::write(&spool, "not a folder").unwrap();
    let store = Arc::new(DirectoryStore::new(directory.file("s3")));
    let result = Delivery::open(&spool, store, IpAddr::from([10, 0, 0, 7]), limits(), |_| {});
    let message = result.unwrap_err().to_string();
    assert_eq!(
        message,
        format!("cannot use {} for logs on their way to their buckets", spool.display())
    );
}
