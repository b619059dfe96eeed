//! What is done to groups beside what functions write.

use super::*;
use std::time::SystemTime;

fn event<'a>(stream: &'a str, timestamp_ms: u64, message: &'a str) -> LogGroupEvent<'a> {
    LogGroupEvent {
        group: GROUP,
        stream,
        timestamp_ms,
        message: message.as_bytes(),
    }
}

fn read(reader: &LogGroupReader) -> Vec<StoredLogEvent> {
    let query = LogQuery::new(Direction::ForwardFrom(LogPosition::START));
    reader.read(GROUP, &query).unwrap().events
}

#[test]
fn appended_events_are_there_when_it_returns() {
    let directory = TestDirectory::new();
    let (groups, _news) = open(&directory, limits());
    put_now(&groups, "written");
    let keeper = groups.keeper();
    keeper
        .append(GROUP, &[event("b", 3, "one"), event("b", 5, "two\nlines")], 9)
        .unwrap();
    put_now(&groups, "again");
    let reader = groups.reader();
    let found = read(&reader);
    let found: Vec<_> = found
        .iter()
        .map(|it| (it.message.as_str(), it.timestamp_ms, it.ingested_ms))
        .collect();
    assert_eq!(
        found,
        [("written", 7, 7), ("one", 3, 9), ("two\nlines", 5, 9), ("again", 7, 7)]
    );
    let streams = reader.streams(GROUP).unwrap();
    assert_eq!(
        streams["b"],
        LogStreamFacts {
            first_ms: 3,
            last_ms: 5,
            ingested_ms: 9,
            bytes: 12
        }
    );
    // What comes later is added.
    keeper.append(GROUP, &[event("c", 1, "x")], 1).unwrap();
    assert_eq!(reader.streams(GROUP).unwrap().len(), 3);
}

#[test]
fn a_deleted_stream_leaves_the_others_where_they_are() {
    let directory = TestDirectory::new();
    let small = LogGroupLimits {
        segment_bytes: 200,
        ..limits()
    };
    let (groups, _news) = open(&directory, small);
    let keeper = groups.keeper();
    for round in 0..4 {
        keeper
            .append(GROUP, &[event("a", round, "keep"), event("b", round, "secret")], 0)
            .unwrap();
    }
    let reader = groups.reader();
    let before: Vec<_> = read(&reader).into_iter().filter(|it| it.stream == "a").collect();
    keeper.delete_stream(GROUP, "b").unwrap();
    assert_eq!(read(&reader), before);
    assert_eq!(reader.streams(GROUP).unwrap().keys().collect::<Vec<_>>(), ["a"]);
    for (number, _) in segments(&directory) {
        let path = directory.file("logs").join(FOLDER).join(format!("{number:08}.jsonl"));
        assert!(!fs::read_to_string(path).unwrap().contains("secret"));
    }
    // Both ways round.
    let query = LogQuery::new(Direction::BackwardFrom(None));
    assert_eq!(reader.read(GROUP, &query).unwrap().events, before);
}

#[test]
fn a_deleted_group_is_gone_and_begins_anew() {
    let directory = TestDirectory::new();
    let (groups, _news) = open(&directory, limits());
    let (keeper, reader) = (groups.keeper(), groups.reader());
    put_now(&groups, "old");
    assert_eq!(reader.streams(GROUP).unwrap().len(), 1);
    keeper.delete_group(GROUP).unwrap();
    assert!(!reader.exists(GROUP) && reader.groups().unwrap().is_empty());
    assert!(reader.streams(GROUP).unwrap().is_empty());
    keeper.delete_group(GROUP).unwrap();
    put_now(&groups, "new");
    assert_eq!(all(&directory), ["new"]);
}

#[test]
fn files_that_are_too_old_go() {
    let directory = TestDirectory::new();
    let (groups, _news) = open(&directory, limits());
    let (keeper, reader) = (groups.keeper(), groups.reader());
    put_now(&groups, "old");
    keeper.expire(GROUP, SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(all(&directory), ["old"]);
    let later = SystemTime::now() + Duration::from_secs(60);
    keeper.expire(GROUP, later).unwrap();
    assert!(reader.exists(GROUP) && all(&directory).is_empty());
    put_now(&groups, "new");
    assert_eq!(all(&directory), ["new"]);
    assert_eq!(segments(&directory).first().unwrap().0, 2, "no number is used again");
}
