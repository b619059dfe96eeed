mod keeper;

use super::*;
use crate::testing::{PATIENCE, TestDirectory};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::{Receiver, channel};

const GROUP: &str = "/aws/lambda/orders";
const FOLDER: &str = "%2Faws%2Flambda%2Forders";

fn limits() -> LogGroupLimits {
    LogGroupLimits {
        queue: QueueLimits {
            pause: Duration::ZERO,
            ..LogGroupLimits::default().queue
        },
        check_interval: Duration::ZERO,
        ..LogGroupLimits::default()
    }
}

fn open(directory: &TestDirectory, limits: LogGroupLimits) -> (LogGroups, Receiver<LogGroupNews>) {
    let (tell, news) = channel();
    let groups = LogGroups::open(&directory.file("logs"), limits, move |news| drop(tell.send(news))).unwrap();
    (groups, news)
}

fn put(groups: &LogGroups, timestamp_ms: u64, message: &str) {
    put_in(groups, GROUP, "s", timestamp_ms, message);
}

fn put_in(groups: &LogGroups, group: &str, stream: &str, timestamp_ms: u64, message: &str) {
    let event = LogGroupEvent {
        group,
        stream,
        timestamp_ms,
        message: message.as_bytes(),
    };
    groups.sender().put(&event, Importance::Usual);
}

/// Puts and waits until it is in a file, so that each is a batch of its own.
fn put_now(groups: &LogGroups, message: &str) {
    put(groups, 7, message);
    assert!(groups.queue.flush(PATIENCE));
}

fn messages(page: &Page) -> Vec<&str> {
    page.events.iter().map(|event| event.message.as_str()).collect()
}

fn all(directory: &TestDirectory) -> Vec<String> {
    let reader = LogGroupReader::new(directory.file("logs"));
    let page = reader
        .read(GROUP, &LogQuery::new(Direction::ForwardFrom(LogPosition::START)))
        .unwrap();
    assert!(page.is_last);
    messages(&page).into_iter().map(str::to_owned).collect()
}

fn segments(directory: &TestDirectory) -> Vec<(u64, u64)> {
    let found = segment::list(&directory.file("logs").join(FOLDER)).unwrap();
    found.iter().map(|segment| (segment.number, segment.bytes)).collect()
}

#[test]
fn events_are_kept_by_group_and_stream() {
    let directory = TestDirectory::new();
    let (groups, _) = open(&directory, limits());
    let changed = groups.changed();
    put_in(&groups, GROUP, "one", 1, "a");
    put_in(&groups, GROUP, "two", 2, "b\nc");
    put_in(&groups, "other", "one", 3, "d");
    let monitor = groups.monitor();
    assert!(groups.shutdown(PATIENCE));
    assert_eq!(
        (monitor.written(), monitor.lost_not_written(), monitor.lost_queue_full()),
        (3, 0, 0)
    );
    assert!(*changed.borrow() > 0, "followers are told");
    let reader = LogGroupReader::new(directory.file("logs"));
    assert_eq!(reader.groups().unwrap(), [GROUP, "other"]);
    let forward = Direction::ForwardFrom(LogPosition::START);
    let only_two = LogQuery {
        streams: &|stream| stream == "two",
        ..LogQuery::new(forward)
    };
    let page = reader.read(GROUP, &only_two).unwrap();
    assert_eq!((messages(&page), page.events[0].timestamp_ms), (vec!["b\nc"], 2));
    let timed = LogQuery {
        from_ms: Some(1),
        until_ms: Some(2),
        ..LogQuery::new(forward)
    };
    assert_eq!(messages(&reader.read(GROUP, &timed).unwrap()), ["a"]);
    assert_eq!(messages(&reader.read("none", &timed).unwrap()), [""; 0]);
    for path in ["logs", &format!("logs/{FOLDER}")] {
        let mode = fs::metadata(directory.file(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{path}");
    }
    let file = directory.file(&format!("logs/{FOLDER}/00000001.jsonl"));
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn pages_go_both_ways_over_segments() {
    let directory = TestDirectory::new();
    // A line has 94 bytes or more.
    let (groups, _) = open(
        &directory,
        LogGroupLimits {
            segment_bytes: 250,
            ..limits()
        },
    );
    let expected: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    expected.iter().for_each(|message| put_now(&groups, message));
    assert!(segments(&directory).len() > 5);
    let reader = groups.reader();
    for limit in [1, 3, 7, 100] {
        let query = |direction| LogQuery {
            limit,
            ..LogQuery::new(direction)
        };
        let (mut forward, mut at) = (Vec::new(), LogPosition::START);
        loop {
            let page = reader.read(GROUP, &query(Direction::ForwardFrom(at))).unwrap();
            forward.extend(messages(&page).into_iter().map(str::to_owned));
            at = page.end;
            if page.is_last {
                break;
            }
        }
        let (mut backward, mut before) = (Vec::new(), None);
        loop {
            let page = reader.read(GROUP, &query(Direction::BackwardFrom(before))).unwrap();
            assert!(
                before.is_some() || page.end == at,
                "the end is the same from both sides"
            );
            backward.splice(0..0, messages(&page).into_iter().map(str::to_owned));
            before = Some(page.start);
            if page.is_last {
                break;
            }
        }
        assert_eq!((&forward, &backward), (&expected, &expected), "{limit}");
    }
    // A follower goes on where it was, and a page is bounded by what is read, too.
    let end = reader.read(
        GROUP,
        &LogQuery {
            limit: 0,
            ..LogQuery::new(Direction::BackwardFrom(None))
        },
    );
    let end = end.unwrap().end;
    put_now(&groups, "new");
    let page = reader.read(GROUP, &LogQuery::new(Direction::ForwardFrom(end))).unwrap();
    assert_eq!((messages(&page), page.is_last), (vec!["new"], true));
    let little = LogQuery {
        read_bytes_max: 100,
        streams: &|_| false,
        ..LogQuery::new(Direction::ForwardFrom(LogPosition::START))
    };
    let page = reader.read(GROUP, &little).unwrap();
    assert!(page.events.is_empty() && !page.is_last && page.end > LogPosition::START && page.end < end);
}

#[test]
fn the_oldest_segments_are_removed() {
    let directory = TestDirectory::new();
    let small = LogGroupLimits {
        segment_bytes: 1000,
        group_bytes: 3000,
        ..limits()
    };
    let (groups, _) = open(&directory, small);
    let old = groups.reader();
    for number in 0..200 {
        put_now(&groups, &number.to_string());
        let bytes: u64 = segments(&directory).iter().map(|(_, bytes)| bytes).sum();
        assert!(bytes <= 3000, "{bytes} after {number}");
    }
    assert!(segments(&directory).iter().all(|(_, bytes)| *bytes <= 1000));
    // Whoever read from a segment that is gone goes on with the oldest that is there.
    let from = LogPosition { segment: 1, offset: 94 };
    let page = old.read(GROUP, &LogQuery::new(Direction::ForwardFrom(from))).unwrap();
    assert_eq!(messages(&page), all(&directory));
    assert!(page.events.len() > 20 && page.events.last().unwrap().message == "199");
    // An event larger than a segment has one to itself, and then only that is left.
    put_now(&groups, &"x".repeat(5000));
    put_now(&groups, "after");
    assert_eq!(all(&directory), ["after"]);
    assert!(groups.shutdown(PATIENCE));
    // The next start counts what it finds.
    let (groups, _) = open(&directory, small);
    (0..100).for_each(|number| put_now(&groups, &number.to_string()));
    let bytes: u64 = segments(&directory).iter().map(|(_, bytes)| bytes).sum();
    assert!(bytes <= 3000, "{bytes}");
}

#[test]
fn half_a_line_of_a_killed_run_spoils_nothing() {
    let directory = TestDirectory::new();
    let (groups, _) = open(&directory, limits());
    put_now(&groups, "whole");
    assert!(groups.shutdown(PATIENCE));
    let file = directory.file(&format!("logs/{FOLDER}/00000001.jsonl"));
    let line = fs::read(&file).unwrap();
    for torn in 1..line.len() {
        fs::write(&file, [&line, &line[..torn]].concat()).unwrap();
        assert_eq!(all(&directory), ["whole"], "{torn}");
        let (groups, _) = open(&directory, limits());
        put_now(&groups, "next");
        // Without its newline alone a line is whole again.
        let expected: &[&str] = match torn == line.len() - 1 {
            true => &["whole", "whole", "next"],
            false => &["whole", "next"],
        };
        assert_eq!(all(&directory), expected, "{torn}");
        let backward = groups
            .reader()
            .read(GROUP, &LogQuery::new(Direction::BackwardFrom(None)));
        assert_eq!(messages(&backward.unwrap()), expected, "{torn}");
        assert!(groups.shutdown(PATIENCE));
    }
}

#[test]
fn a_disk_that_refuses_is_told_once_and_tried_again() {
    let directory = TestDirectory::new();
    let (groups, news) = open(&directory, limits());
    let full = directory.file(&format!("logs/{FOLDER}/00000001.jsonl"));
    fs::create_dir(full.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/full", &full).unwrap();
    put_now(&groups, "lost");
    put_now(&groups, "lost, too");
    put_in(&groups, "other", "s", 1, "kept");
    let monitor = groups.monitor();
    let Ok(LogGroupNews::Failing { group, error }) = news.recv_timeout(PATIENCE) else {
        panic!("it is told")
    };
    assert_eq!((group.as_str(), error.contains("space")), (GROUP, true), "{error}");
    assert!(groups.queue.flush(PATIENCE));
    assert_eq!(monitor.lost_not_written(), 2);
    fs::remove_file(&full).unwrap();
    put_now(&groups, "there is room");
    assert_eq!(all(&directory), ["there is room"]);
    let recovered = std::iter::from_fn(|| news.try_recv().ok()).collect::<Vec<_>>();
    assert!(
        matches!(recovered[0], LogGroupNews::Recovered { events_lost: 2 }) && recovered.len() == 1,
        "{recovered:?}"
    );
    assert_eq!((monitor.written(), monitor.error()), (2, None));
}

#[test]
fn deleted_files_are_made_anew() {
    let directory = TestDirectory::new();
    let (groups, _) = open(&directory, limits());
    put_now(&groups, "a");
    put_now(&groups, "b");
    let reader = groups.reader();
    let end = reader
        .read(GROUP, &LogQuery::new(Direction::BackwardFrom(None)))
        .unwrap()
        .end;
    fs::remove_dir_all(directory.file("logs")).unwrap();
    put_now(&groups, "c");
    assert_eq!(all(&directory), ["c"]);
    let page = reader.read(GROUP, &LogQuery::new(Direction::ForwardFrom(end))).unwrap();
    assert_eq!(messages(&page), ["c"], "a follower begins anew, too");
}

#[test]
fn a_full_queue_drops_and_tells() {
    let directory = TestDirectory::new();
    let mut small = limits();
    small.queue.bytes_max = 1000;
    small.queue.reserved_bytes = 100;
    let (groups, news) = open(&directory, small);
    put(&groups, 1, &"x".repeat(2000));
    put(&groups, 1, "fits");
    let reserved = LogGroupEvent {
        group: GROUP,
        stream: "s",
        timestamp_ms: 1,
        message: &[b'y'; 1020],
    };
    groups.sender().put(&reserved, Importance::Usual);
    assert!(groups.queue.flush(PATIENCE));
    groups.sender().put(&reserved, Importance::Reserved);
    let monitor = groups.monitor();
    assert!(groups.shutdown(PATIENCE));
    assert_eq!((monitor.lost_queue_full(), monitor.written()), (2, 2));
    let lost: u64 = news
        .iter()
        .map(|news| match news {
            LogGroupNews::QueueFull { events_lost } => events_lost,
            other => panic!("{other:?}"),
        })
        .sum();
    assert_eq!(lost, 2);
    assert_eq!(all(&directory).len(), 2);
}

#[test]
fn many_threads_write_and_a_follower_misses_nothing() {
    let directory = TestDirectory::new();
    let (groups, _) = open(
        &directory,
        LogGroupLimits {
            segment_bytes: 4000,
            ..limits()
        },
    );
    let (reader, mut at, mut found) = (groups.reader(), LogPosition::START, Vec::new());
    thread::scope(|scope| {
        for stream in ["0", "1", "2", "3"] {
            let groups = &groups;
            scope.spawn(move || (0..250).for_each(|number| put_in(groups, GROUP, stream, number, "m")));
        }
        let start = std::time::Instant::now();
        while found.len() < 1000 {
            assert!(start.elapsed() < PATIENCE, "{}", found.len());
            let page = reader.read(GROUP, &LogQuery::new(Direction::ForwardFrom(at))).unwrap();
            at = page.end;
            found.extend(page.events);
        }
    });
    for stream in ["0", "1", "2", "3"] {
        let times = found
            .iter()
            .filter(|event| event.stream == stream)
            .map(|event| event.timestamp_ms);
        assert!(times.eq(0..250), "stream {stream}");
    }
    assert!(found.is_sorted_by(|one, other| one.position < other.position));
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error() {
    let directory = TestDirectory::new();
    fs::write(directory.file("logs"), "").unwrap();
    let refused = LogGroups::open(&directory.file("logs"), limits(), |_| {}).unwrap_err();
    assert!(
        refused.to_string().starts_with("cannot make the folder of log groups "),
        "{refused}"
    );
}

#[test]
fn a_reader_catches_up_with_the_writer() {
    let directory = TestDirectory::new();
    // Without being asked, it would wait longer than this test.
    let lazy = QueueLimits {
        pause: 2 * PATIENCE,
        ..limits().queue
    };
    let (groups, _news) = open(
        &directory,
        LogGroupLimits {
            queue: lazy,
            ..limits()
        },
    );
    let reader = groups.reader();
    for round in 1..=3 {
        put(&groups, round, "END");
        assert!(reader.catch_up(PATIENCE));
        assert_eq!(all(&directory).len() as u64, round);
    }
    // Nobody writes there, or no more.
    assert!(LogGroupReader::new(directory.file("logs")).catch_up(PATIENCE));
    assert!(groups.shutdown(PATIENCE));
    assert!(!reader.catch_up(PATIENCE));
}
