//! The queue of events from outside: records, bounds, and histories on a disk that fails and crashes.

use crate::disk::{Plan, Simulated};
use crate::draw::Draw;
use crate::support::TestFolder;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use store::Folder;
use store::queue::{
    AddError, Attempts, Event, EventId, News, Queue, QueueError, QueueOpenError, QueueRoom, Settlement, Waiting,
    decode_attempts, decode_event, encode_attempts, encode_event,
};
use tokio::runtime::{Builder, Runtime};

mod bounds;
mod history;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// What an event is. The lines are those of the first release, which knew no buckets; one follows where there is one.
fn meaning(event: &Event) -> String {
    let Event {
        request_id,
        function,
        accepted,
        trace_id,
        chain,
        payload,
        bucket,
    } = event;
    let mut text = String::from("Event {\n");
    let mut add = |name: &str, value: &dyn std::fmt::Debug| {
        let value = format!("{value:#?}").replace('\n', "\n    ");
        writeln!(text, "    {name}: {value},").unwrap();
    };
    add("request_id", request_id);
    add("function", function);
    add("accepted", accepted);
    add("trace_id", trace_id);
    add("chain", chain);
    add("payload", payload);
    if let Some(bucket) = bucket {
        add("bucket", bucket);
    }
    text + "}\n"
}

/// As `golden.rs` has it for resources: what a release has written is read for ever. Events have payloads of any bytes, so
/// that each has a file of its own, which is its record.
#[test]
fn events_are_written_and_read_as_ever() {
    let mut draw = Draw::seeded(42);
    let write = std::env::var("ALBACORE_GOLDEN").is_ok_and(|it| it == "write" || it == "event");
    let mut drawn: Vec<_> = (1..=4)
        .map(|number| (format!("event.v1.{number}"), draw.event()))
        .collect();
    drawn.extend((1..=2).map(|number| (format!("event_delivery.v1.{number}"), draw.delivery())));
    for (name, drawn) in drawn {
        let path = golden(&format!("{name}.record"));
        if write {
            fs::write(&path, encode_event(&drawn)).unwrap();
            fs::write(path.with_extension("txt"), meaning(&drawn)).unwrap();
        }
        let record = fs::read(&path).unwrap();
        let event = decode_event(&record).unwrap();
        assert_eq!(encode_event(&event), record);
        assert_eq!(meaning(&event), fs::read_to_string(path.with_extension("txt")).unwrap());
    }
    let attempts = Attempts {
        failures: 2,
        due: model::Timestamp(1_764_027_018_123),
    };
    let record = r#"{"kind":"event_attempts","version":1,"put":{"failures":2,"due_millis":1764027018123}}"#;
    assert_eq!(String::from_utf8(encode_attempts(attempts)).unwrap(), record);
    assert_eq!(decode_attempts(record.as_bytes()), Ok(attempts));
}

#[test]
fn what_is_not_understood_in_full_is_refused() {
    let event = Draw::seeded(3).event();
    let record = String::from_utf8(encode_event(&event)).unwrap();
    assert_eq!(decode_event(record.as_bytes()), Ok(event));
    for (from, to, sentence) in [
        (
            "\"kind\":\"event\"",
            "\"kind\":\"events\"",
            "it is of the kind \"events\" and not \"event\"",
        ),
        (
            "\"version\":1",
            "\"version\":2",
            "it is of version 2, and this albacore knows versions up to 1",
        ),
        ("\"request_id\"", "\"request\"", "unknown field `request`"),
        ("{\"kind\"", "[\"kind\"", "it is no record: "),
        ("\"kind\":\"event\"", "\"kind\":\"event_delivery\"", "unknown field"),
        (":function:", ":layer:", "is not the ARN of a function"),
    ] {
        let changed = record.replacen(from, to, 1);
        let refused = decode_event(changed.as_bytes()).unwrap_err();
        assert!(refused.contains(sentence), "{refused}");
    }
    let refused = decode_event(format!("{record} ").as_bytes()).unwrap_err();
    assert!(refused.starts_with("its payload has "), "{refused}");
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// What a listener heard.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<News>>>);

impl Heard {
    fn listener(&self) -> impl FnMut(News) + Send + 'static {
        let heard = self.clone();
        move |news| heard.0.lock().unwrap().push(news)
    }

    /// Everything that was told, as one list.
    fn told(&self) -> Vec<Waiting> {
        let news = self.0.lock().unwrap();
        let each = news.iter().flat_map(|news| match news {
            News::Added(waiting) => vec![waiting.clone()],
            News::Opened(all) => all.clone(),
        });
        each.collect()
    }
}

fn event(number: u64, payload: &[u8]) -> Event {
    Event {
        request_id: format!("{number:036}"),
        payload: payload.to_vec(),
        ..Draw::seeded(number + 1).event()
    }
}
